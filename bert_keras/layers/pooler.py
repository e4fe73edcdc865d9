"""One vector for a whole row."""

import keras
from keras import ops

from bert_keras.layers.linear import Linear


@keras.saving.register_keras_serializable(package="bert_keras")
class Pooler(keras.layers.Layer):
    """A dense tanh layer over the first token, `[CLS]` (Devlin et al. 2019, section 3).

    Args:
        initializer_range: float. Standard deviation of the kernel's start.

    Input: float `[batch, length, dim]`. Output: float `[batch, dim]`.
    """

    def __init__(self, initializer_range=0.02, **kwargs):
        super().__init__(**kwargs)
        self.initializer_range = initializer_range

    def build(self, input_shape):
        self.dense = Linear(input_shape[-1], "tanh", self.initializer_range, dtype=self.dtype_policy, name="dense")
        self.dense.build((input_shape[0], input_shape[-1]))
        self.built = True

    def call(self, inputs):
        return self.dense(inputs[:, 0, :])

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "initializer_range": self.initializer_range}


@keras.saving.register_keras_serializable(package="bert_keras")
class MeanPooler(keras.layers.Layer):
    """The mean of a row's tokens, special ones included (Reimers & Gurevych 2019, section 3).

    Call arguments:
        inputs: float `[batch, length, dim]`.
        padding_mask: int `[batch, length]`, 0 for padding, which does not count.

    Output: float `[batch, dim]`; zeros for a row without a token.
    """

    def call(self, inputs, padding_mask):
        # Counted and summed in float32: bfloat16 has no odd numbers above 256.
        counts = ops.cast(ops.not_equal(padding_mask, 0), "float32")
        total = ops.einsum("bl,bld->bd", counts, ops.cast(inputs, "float32"))
        mean = total / ops.maximum(ops.sum(counts, axis=1, keepdims=True), 1.0)
        return ops.cast(mean, self.compute_dtype)

    def compute_output_shape(self, inputs_shape, padding_mask_shape=None):
        return (inputs_shape[0], inputs_shape[-1])
