"""Short sequences side by side."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.data.packing import pack


@given(st.lists(st.integers(1, 30), max_size=60), st.integers(1, 6))
def test_every_sequence_stands_in_one_row_that_has_room(lengths, most):
    rows = pack(np.array(lengths, int), 30, most)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in row) <= 30 and len(row) <= most for row in rows)


def test_a_sequence_goes_where_it_leaves_least_room():
    assert pack(np.array([6, 4, 5, 6]), 10, 9) == [[0, 1], [2], [3]]
    assert pack(np.array([6, 7, 3]), 10, 9) == [[0], [1, 2]]


def test_many_short_sequences_fill_rows():
    lengths = np.random.default_rng(0).integers(5, 60, 5000)
    assert lengths.sum() / (128 * len(pack(lengths, 128, 16))) > 0.98
