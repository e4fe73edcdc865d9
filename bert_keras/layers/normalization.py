"""LayerNorm with its arithmetic in float32."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="bert_keras")
class LayerNorm(keras.layers.Layer):
    """Normalizes the last axis to mean 0 and variance 1, then scales and shifts it (Ba et al. 2016).

    Computed in float32 whatever the dtype policy: bfloat16 has too few digits for the variance.

    Args:
        epsilon: float. Added to the variance.

    Input and output: float `[..., dim]`.
    """

    def __init__(self, epsilon=1e-12, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones", autocast=False)
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros", autocast=False)
        self.built = True

    def call(self, inputs):
        x = ops.cast(inputs, "float32")
        centered = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centered), axis=-1, keepdims=True)
        scale = ops.rsqrt(variance + self.epsilon)
        return ops.cast(centered * scale * self.gamma + self.beta, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
