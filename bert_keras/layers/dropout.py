"""Dropout whose draw can be repeated."""

import keras


@keras.saving.register_keras_serializable(package="bert_keras")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout` that also takes the seed of a call from outside.

    A block that is computed a second time for its gradient must drop the same values again; Keras' layer draws anew.

    Call arguments:
        inputs: float tensor of any shape.
        training: bool.
        seed: what `draw` gave, or None: drawn here.
    """

    def draw(self):
        """A seed for one call; None where nothing is ever dropped."""
        return self.seed_generator.next() if self.rate > 0 else None

    def call(self, inputs, training=False, seed=None):
        if seed is None or not training:
            return super().call(inputs, training=training)
        return keras.random.dropout(inputs, self.rate, self.noise_shape, seed=_Drawn(seed))


class _Drawn(keras.random.SeedGenerator):
    """A seed that is there already, in the form in which Keras takes seeds; without a state of its own."""

    def __init__(self, seed):
        self._seed = seed

    def next(self, ordered=True):
        return self._seed
