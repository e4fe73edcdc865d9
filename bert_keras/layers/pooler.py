"""One vector for a whole row."""

import keras

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
