"""The random streams of a model's dropout."""

import numpy as np


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
