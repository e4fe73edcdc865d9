"""A dense layer that multiplies 2-D matrices."""

import keras
from keras import ops

_ACTIVATIONS = {
    None: lambda x: x,
    "gelu": lambda x: ops.gelu(x, approximate=False),
    "gelu_tanh": lambda x: ops.gelu(x, approximate=True),
    "relu": ops.relu,
    "tanh": ops.tanh,
}


def initializer(stddev):
    """BERT's start for a matrix: a normal cut at two standard deviations."""
    return keras.initializers.TruncatedNormal(stddev=stddev)


@keras.saving.register_keras_serializable(package="bert_keras")
class Linear(keras.layers.Layer):
    """`activation(x @ kernel + bias)` over the last axis.

    All leading axes are folded into one before the product: on CPU one `[batch * length, dim]` matrix product is
    faster than the einsum over three axes that `keras.layers.EinsumDense` writes.

    Args:
        units: int. Width of the output.
        activation: None, `"gelu"`, `"gelu_tanh"`, `"relu"` or `"tanh"`.
        initializer_range: float. Standard deviation of the kernel's truncated normal start.

    Input: float `[..., dim]`. Output: float `[..., units]`.
    """

    def __init__(self, units, activation=None, initializer_range=0.02, **kwargs):
        super().__init__(**kwargs)
        if activation not in _ACTIVATIONS:
            raise ValueError(
                f"Linear: activation is {activation!r}; expected one of {', '.join(map(str, _ACTIVATIONS))}."
            )
        self.units = units
        self.activation = activation
        self.initializer_range = initializer_range

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], self.units), initializer=initializer(self.initializer_range)
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.built = True

    def call(self, inputs):
        rows = ops.reshape(inputs, (-1, self.kernel.shape[0]))
        outputs = _ACTIVATIONS[self.activation](ops.add(ops.matmul(rows, self.kernel), self.bias))
        if len(inputs.shape) == 2:
            return outputs
        return ops.reshape(outputs, (-1, *ops.shape(inputs)[1:-1], self.units))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": self.activation,
            "initializer_range": self.initializer_range,
        }
