"""The dropout of a model in training: its rate, and its random streams."""

import keras
import numpy as np

from bert_keras.errors import BadInput


def seed_generators(model):
    """The Keras seed generators of all layers of a model, in the order of the layers."""
    return [generator for layer in model._flatten_layers() for generator in getattr(layer, "_seed_generators", [])]


def seed_dropout(model, seed):
    """Starts every layer's stream anew: the same seed drops the same values, whatever was drawn before.

    Args:
        model: a built Keras model.
        seed: int.
    """
    for number, generator in enumerate(seed_generators(model)):
        generator.state.assign(np.asarray([seed % 2**32, number], "uint32"))


def set_dropout(model, rate):
    """Gives all dropout layers of a model a rate. What is saved of the model keeps the rate it was made with.

    Args:
        model: a built Keras model.
        rate: float in [0, 1).

    Raises:
        BadInput: the rate is out of range, or the model was made without dropout and is to have some.
    """
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise BadInput(f"dropout is {rate!r}; expected a number from 0 up to, not including, 1.")
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            if rate > 0 and layer.rate == 0 and not hasattr(layer, "seed_generator"):
                raise BadInput(f"dropout is {rate}, and the encoder was made without any; expected 0.")
            layer.rate = rate
