"""Which task's turn it is, when several train at once."""

import math

import numpy as np

from bert_keras.errors import BadInput


def sampling_probabilities(sizes, alpha=1.0):
    """How likely each task is drawn: proportional to its size to the power of alpha.

    Args:
        sizes: ints, each task's number of rows.
        alpha: float. 1 draws in proportion to the sizes, 0 all tasks alike; between them small tasks gain.

    Returns:
        Float64 `[tasks]`, with sum 1.

    Raises:
        BadInput: alpha is negative or no finite number.
    """
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not math.isfinite(alpha) or alpha < 0:
        raise BadInput(f"alpha is {alpha!r}; expected a number of at least 0: 1 = by size, 0 = all tasks alike.")
    logarithms = alpha * np.log(np.asarray(sizes, "float64"))
    weights = np.exp(logarithms - logarithms.max())
    return weights / weights.sum()


def draw_turns(probabilities, steps, seed, epoch):
    """The task of each step of an epoch: int `[steps]`, drawn with replacement; fixed by `seed` and `epoch`."""
    return np.random.default_rng([seed, epoch]).choice(len(probabilities), size=steps, p=probabilities)
