"""LAMB: Adam whose step is measured against the size of the weights, for very large batches."""

import keras
import tensorflow as tf

from bert_keras.training.optimizer import AdamW


@keras.saving.register_keras_serializable(package="bert_keras", name="LAMB")
class LAMB(AdamW):
    """LAMB (You et al. 2020, algorithm 2): AdamW, with each weight's step scaled to that weight's norm.

    The step of a weight is `learning_rate * |weight| / |update| * update`, where the update is Adam's, weight decay
    included. `bias`, `gamma` and `beta` take part neither in the decay nor in the scaling: their norms say little.
    Query, key and value kernels are one weight here and have one norm.

    Args: as `AdamW` of this package; the weight decay is inside the update that is scaled.
    """

    def _options_of(self, variable):
        return {**super()._options_of(variable), "scales": self._use_weight_decay(variable)}

    def _update_one(
        self, variable, momentum, velocity, grad, learning_rate, beta_1_power, beta_2_power, rate_scale, decay, scales
    ):
        learning_rate = learning_rate * rate_scale
        grad = tf.cast(grad, variable.dtype)
        momentum.assign(self.beta_1 * momentum + (1 - self.beta_1) * grad)
        velocity.assign(self.beta_2 * velocity + (1 - self.beta_2) * tf.square(grad))
        update = momentum / (1 - beta_1_power) / (tf.sqrt(velocity / (1 - beta_2_power)) + self.epsilon)
        if decay:
            update += decay * variable
        if scales:
            learning_rate = learning_rate * _ratio(tf.norm(variable), tf.norm(update))
        variable.assign_sub(learning_rate * update)


def _ratio(weight_norm, update_norm):
    """1 where one of the norms is 0: a weight that starts at 0 must be able to leave it."""
    return tf.where((weight_norm > 0) & (update_norm > 0), tf.math.divide_no_nan(weight_norm, update_norm), 1.0)
