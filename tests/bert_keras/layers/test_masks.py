"""Who attends to whom, and positions in packed rows."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras.layers import AttentionBias, PackedPositions


def test_padding_gets_a_bias_whose_exponential_is_0():
    bias = np.asarray(AttentionBias()(np.array([[1, 1, 0]])))
    assert bias.shape == (1, 1, 1, 3)
    np.testing.assert_array_equal(bias[0, 0, 0, :2], 0)
    assert np.exp(np.float32(bias[0, 0, 0, 2])) == 0


def test_any_number_but_0_in_the_mask_is_a_token():
    np.testing.assert_array_equal(np.asarray(AttentionBias()(np.array([[1, 2, -1]]))), 0)


def test_packed_sequences_see_themselves_only():
    ids = np.array([[1, 1, 2, 0]])
    allowed = np.asarray(AttentionBias()(ids, sequence_ids=ids))[0, 0] == 0
    np.testing.assert_array_equal(
        allowed,
        [
            [True, True, False, False],
            [True, True, False, False],
            [False, False, True, False],
            [False, False, False, False],
        ],
    )


def test_the_bias_is_float32_under_a_bfloat16_policy():
    assert AttentionBias(dtype="bfloat16").compute_dtype == "float32"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(0, 5))
def test_positions_start_again_with_every_sequence(lengths, padding):
    ids = np.repeat(np.arange(1, len(lengths) + 1), lengths)
    expected = np.concatenate([np.arange(length) for length in lengths])
    ids = np.concatenate([ids, np.zeros(padding, int)])
    positions = np.asarray(PackedPositions()(ids[None].astype("int32")))[0]
    np.testing.assert_array_equal(positions[: len(expected)], expected)
