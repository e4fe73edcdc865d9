"""Random numbers by key and counter: uniform, independent, and the same whoever asks."""

import numpy as np

from bert_keras.data.counter_random import row_keys, uniforms


def drawn(seed=0, epoch=0, rows=2000, purpose=0, count=64):
    return uniforms(row_keys(seed, epoch, np.arange(rows)), purpose, count)


def test_they_fill_the_unit_interval_evenly():
    values = drawn().ravel()
    times = np.bincount((values * 100).astype(int), minlength=100)
    chi_square = np.sum((times - len(values) / 100) ** 2 / (len(values) / 100))
    # 99 degrees of freedom: 1 in 1000 is above 148.
    assert len(times) == 100 and 60 < chi_square < 148
    assert values.min() >= 0 and values.max() < 1


def test_neighbours_in_any_direction_are_uncorrelated():
    values = drawn()
    pairs = {
        "counters": (values[:, :-1], values[:, 1:]),
        "rows": (values[:-1], values[1:]),
        "seeds": (values, drawn(seed=1)),
        "epochs": (values, drawn(epoch=1)),
        "purposes": (values, drawn(purpose=1)),
    }
    for name, (one, other) in pairs.items():
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(one.size), name


def test_a_row_alone_draws_what_it_draws_in_a_block():
    block = drawn(seed=3, epoch=2, rows=10)
    alone = uniforms(row_keys(3, 2, np.array([7])), 0, 64)
    np.testing.assert_array_equal(alone[0], block[7])


def test_more_numbers_begin_with_the_same_ones():
    np.testing.assert_array_equal(drawn(count=8), drawn(count=64)[:, :8])


def test_seed_and_epoch_are_not_exchangeable():
    assert not np.array_equal(drawn(seed=1, epoch=2), drawn(seed=2, epoch=1))


def test_the_hash_is_splitmix64():
    """The first outputs of Vigna's splitmix64.c for the state 1234567."""
    values = uniforms(np.array([1234567], np.uint64), 0, 3)[0]
    expected = np.array([6457827717110365317, 3203168211198807973, 9817491932198370423], np.uint64)
    np.testing.assert_array_equal(values, (expected >> np.uint64(11)) * 2.0**-53)
