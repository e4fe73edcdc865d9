"""Tasks are drawn by their size to the power of alpha."""

import numpy as np
import pytest

from bert_keras import BadInput
from bert_keras.training.sampling import draw_turns, sampling_probabilities

SIZES = [100, 400, 900]


@pytest.mark.parametrize(
    "alpha, expected", [(1.0, [1 / 14, 4 / 14, 9 / 14]), (0.5, [1 / 6, 2 / 6, 3 / 6]), (0, [1 / 3, 1 / 3, 1 / 3])]
)
def test_probabilities_are_sizes_to_the_power_of_alpha(alpha, expected):
    np.testing.assert_allclose(sampling_probabilities(SIZES, alpha), expected, atol=1e-12)


def test_a_large_alpha_does_not_overflow():
    np.testing.assert_allclose(sampling_probabilities([10, 10**9], 500), [0, 1])


@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.0])
def test_turns_come_as_often_as_their_probability_says(alpha):
    probabilities, steps = sampling_probabilities(SIZES, alpha), 20_000
    found = np.bincount(draw_turns(probabilities, steps, seed=1, epoch=0), minlength=3) / steps
    # Four standard deviations of a share.
    np.testing.assert_allclose(found, probabilities, atol=4 * 0.5 / steps**0.5)


def test_turns_are_fixed_by_seed_and_epoch():
    turns = [draw_turns([0.5, 0.5], 50, seed, epoch).tolist() for seed, epoch in ((3, 0), (3, 0), (3, 1), (4, 0))]
    assert turns[0] == turns[1]
    assert turns[0] != turns[2] and turns[0] != turns[3]


@pytest.mark.parametrize("alpha", [-0.1, float("nan"), float("inf"), "1", True])
def test_an_alpha_that_is_no_number_of_at_least_0_is_refused(alpha):
    with pytest.raises(BadInput, match="alpha is .*expected a number of at least 0"):
        sampling_probabilities(SIZES, alpha)
