"""Batches of like length: every row once, the order fixed by the seed, little padding."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras import BertPreprocessor
from bert_keras.training.batching import (
    TokenizedRows,
    bucketed_batches,
    length_order,
    number_of_batches,
    padded_batches,
    tokenize_rows,
)


def make_rows(lengths, targets=None, weights=None):
    """Rows whose tokens all hold their row's number (from 1), so that each can be told from a batch."""
    lengths = np.asarray(lengths, "int32")
    token_ids = np.repeat(np.arange(1, len(lengths) + 1, dtype="int32"), lengths)
    position = np.concatenate([np.arange(length) for length in lengths])
    segment_ids = (position >= np.repeat((lengths + 1) // 2, lengths)).astype("int32")
    return TokenizedRows(token_ids, lengths, segment_ids, targets, weights)


def skewed_lengths(count, seed=0):
    """Lengths as those of real short texts: many short ones, few long ones."""
    return np.clip(np.random.default_rng(seed).geometric(0.08, count) + 3, 4, 120)


def numbers_in(features):
    return np.asarray(features["token_ids"])[:, 0] - 1


def epoch(dataset):
    """The rows' numbers of each batch of one epoch."""
    return [numbers_in(batch[0] if isinstance(batch, tuple) else batch).tolist() for batch in dataset]


def flat(batches):
    return [number for batch in batches for number in batch]


class TestEpochs:
    @pytest.mark.parametrize("count, batch_size", [(100, 8), (96, 8), (3, 8), (1, 1), (2100, 32)])
    @pytest.mark.parametrize("shuffle", [True, False])
    def test_every_row_comes_once_an_epoch(self, count, batch_size, shuffle):
        batches = bucketed_batches(make_rows(skewed_lengths(count)), batch_size, shuffle=shuffle)
        for _ in range(2):
            assert sorted(flat(epoch(batches))) == list(range(count))

    def test_every_epoch_has_another_order_and_other_batches(self):
        batches = bucketed_batches(make_rows(skewed_lengths(200)), 8)
        first, second = epoch(batches), epoch(batches)
        assert first != second
        assert {frozenset(batch) for batch in first} != {frozenset(batch) for batch in second}

    def test_the_same_seed_gives_the_same_epochs_and_another_one_others(self):
        rows = make_rows(skewed_lengths(200))
        runs = []
        for seed in (3, 3, 4):
            batches = bucketed_batches(rows, 8, seed=seed)
            runs.append([epoch(batches), epoch(batches)])
        assert runs[0] == runs[1]
        assert runs[0][0] != runs[2][0] and runs[0][1] != runs[2][1]

    def test_without_shuffling_the_longest_come_first_and_equals_keep_their_order(self):
        batches = bucketed_batches(make_rows([4, 9, 4, 7, 9]), 2, shuffle=False)
        assert epoch(batches) == epoch(batches) == [[1, 4], [3, 0], [2]]

    @pytest.mark.parametrize("count, batch_size, expected", [(96, 8, 12), (97, 8, 13), (1, 8, 1)])
    def test_the_number_of_batches_is_known_before(self, count, batch_size, expected):
        rows = make_rows([5] * count)
        batches = bucketed_batches(rows, batch_size)
        assert number_of_batches(rows, batch_size) == int(batches.cardinality()) == len(epoch(batches)) == expected

    def test_only_the_last_batch_is_short(self):
        sizes = [len(batch) for batch in epoch(bucketed_batches(make_rows(skewed_lengths(2075)), 32))]
        assert sizes == [32] * 64 + [27]

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.integers(2, 60), min_size=1, max_size=300), st.integers(1, 9), st.integers(0, 3), st.integers(0, 3)
    )
    def test_an_order_is_a_permutation(self, lengths, batch_size, seed, number):
        order = length_order(np.array(lengths), batch_size, seed, number)
        assert sorted(order.tolist()) == list(range(len(lengths)))


class TestPadding:
    def test_shuffled_batches_waste_little(self):
        lengths = skewed_lengths(10_000)
        batches = bucketed_batches(make_rows(lengths), 32)
        slots = sum(int(np.prod(batch["token_ids"].shape)) for batch in batches)
        assert lengths.sum() / slots > 0.85  # padded to the longest of random batches: below 0.4

    def test_lengths_in_a_batch_are_alike(self):
        lengths = skewed_lengths(5000)
        spreads = [
            lengths[batch].max() - lengths[batch].min() for batch in epoch(bucketed_batches(make_rows(lengths), 32))
        ]
        assert np.median(spreads) <= 2

    def test_batches_come_in_no_order_of_length(self):
        lengths = skewed_lengths(5000)
        means = [lengths[batch].mean() for batch in epoch(bucketed_batches(make_rows(lengths), 32))]
        assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3

    @pytest.mark.parametrize("count", [64, 1024])
    def test_rows_of_a_small_set_meet_others_in_every_epoch(self, count):
        batches = bucketed_batches(make_rows(np.arange(count) + 1), 8)
        of_the_longest = {frozenset(batch) for _ in range(10) for batch in epoch(batches) if count - 1 in batch}
        assert len(of_the_longest) == 10

    @pytest.mark.parametrize("multiple", [1, 4, 32])
    def test_widths_are_multiples_that_just_hold_the_longest(self, multiple):
        for batch in bucketed_batches(make_rows(skewed_lengths(300)), 8, length_multiple=multiple):
            longest = int(tf.reduce_sum(batch["padding_mask"], 1).numpy().max())
            assert batch["token_ids"].shape[1] == -(-longest // multiple) * multiple


class TestContent:
    def test_rows_arrive_as_the_preprocessor_pads_them(self, tokenizer):
        preprocessor = BertPreprocessor(tokenizer, pair=True, max_length=16)
        texts = {"text": ["good film", "a", "the very dull story"], "text_pair": ["the plot", "bad cast a", "fine"]}
        rows = tokenize_rows(preprocessor, texts)
        (batch,) = bucketed_batches(rows, 3, tokenizer.pad_token_id, shuffle=False, length_multiple=1)
        order = length_order(rows.lengths, 3)
        for name, expected in preprocessor(texts).items():
            np.testing.assert_array_equal(np.asarray(batch[name]), np.asarray(expected)[order])

    def test_features_are_int32(self):
        (batch,) = bucketed_batches(make_rows([3, 5]), 2)
        assert {value.dtype for value in batch.values()} == {tf.int32}

    def test_padding_is_the_given_id(self):
        (batch,) = bucketed_batches(make_rows([1, 3]), 2, pad_token_id=9, shuffle=False, length_multiple=1)
        assert batch["token_ids"].numpy().tolist() == [[2, 2, 2], [1, 9, 9]]

    def test_targets_and_weights_stay_with_their_rows(self):
        lengths = skewed_lengths(100)
        targets, weights = np.arange(100) * 10, (np.arange(100) / 7).astype("float32")
        for x, y, w in bucketed_batches(make_rows(lengths, targets, weights), 8):
            np.testing.assert_array_equal(y, targets[numbers_in(x)])
            np.testing.assert_array_equal(w, weights[numbers_in(x)])

    def test_targets_may_have_a_row_of_values_each(self):
        targets = np.arange(30).reshape(10, 3)
        for x, y in bucketed_batches(make_rows([5] * 10, targets), 4):
            np.testing.assert_array_equal(y, targets[numbers_in(x)])

    def test_shares_are_the_weights_over_their_sum_in_the_batch(self):
        weights = np.random.default_rng(0).random(50).astype("float32")
        for x, _, shares in bucketed_batches(make_rows([5] * 50, np.zeros(50), weights), 8, shares=True):
            picked = weights[numbers_in(x)]
            np.testing.assert_allclose(np.asarray(shares)[:, 0], picked / picked.sum(), rtol=1e-6)
            np.testing.assert_allclose(np.asarray(shares)[:, 1], 1 / len(picked), rtol=1e-6)

    def test_shares_without_weights_are_equal_in_a_short_batch_too(self):
        shares = [
            w.numpy()[:, 0].tolist() for _, _, w in bucketed_batches(make_rows([5] * 7, np.zeros(7)), 4, shares=True)
        ]
        assert shares == [[0.25] * 4, [pytest.approx(1 / 3)] * 3]

    def test_a_batch_of_weight_0_has_shares_of_0_and_no_nan(self):
        rows = make_rows([5, 5, 9, 9], np.zeros(4), np.array([0, 0, 1, 1], "float32"))
        shares = [w.numpy()[:, 0].tolist() for _, _, w in bucketed_batches(rows, 2, shares=True, shuffle=False)]
        assert shares == [[0.5, 0.5], [0, 0]]


class TestPaddedBatches:
    @pytest.mark.parametrize(
        "count, batch_size, options",
        [(1, 8, {}), (45, 8, {"pad_token_id": 9}), (20, 64, {"length_multiple": 32}), (7, 2, {"length_multiple": 1})],
    )
    def test_they_are_those_of_the_dataset_without_shuffling(self, count, batch_size, options):
        rows = make_rows(skewed_lengths(count, seed=1))
        expected = list(bucketed_batches(rows, batch_size, shuffle=False, **options).as_numpy_iterator())
        found = list(padded_batches(rows, batch_size, **options))
        assert len(found) == len(expected)
        for batch, other in zip(found, expected):
            assert batch.keys() == other.keys() and {value.dtype for value in batch.values()} == {np.dtype("int32")}
            assert all(np.array_equal(batch[name], other[name]) for name in batch)


class TestRows:
    def test_texts_are_tokenized_in_their_order_over_many_chunks(self, tokenizer):
        texts = [" ".join(["good"] * (index % 5) + ["bad"]) for index in range(2500)]
        rows = tokenize_rows(BertPreprocessor(tokenizer), {"text": texts})
        assert rows.lengths.tolist() == [index % 5 + 3 for index in range(2500)]
        good, bad = tokenizer.token_to_id("good"), tokenizer.token_to_id("bad")
        expected = [id for index in range(2500) for id in [2, *[good] * (index % 5), bad, 3]]
        assert rows.token_ids.tolist() == expected

    def test_segments_are_those_of_the_pairs(self, tokenizer):
        rows = tokenize_rows(
            BertPreprocessor(tokenizer, pair=True), {"text": ["a", "a film"], "text_pair": ["the", "a"]}
        )
        assert rows.segment_ids.tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1] and rows.lengths.tolist() == [5, 6]

    def test_a_split_cuts_off_the_last_rows_with_all_that_is_theirs(self):
        rows = make_rows([3, 4, 5, 6], targets=np.array([1, 2, 3, 4]), weights=np.array([0.1, 0.2, 0.3, 0.4]))
        first, last = rows.split(0.25)
        assert (first.lengths.tolist(), first.targets.tolist(), first.weights.tolist()) == (
            [3, 4, 5],
            [1, 2, 3],
            [0.1, 0.2, 0.3],
        )
        assert (last.lengths.tolist(), last.targets.tolist(), last.token_ids.tolist()) == ([6], [4], [4] * 6)
        assert last.segment_ids.tolist() == [0, 0, 0, 1, 1, 1]

    @pytest.mark.parametrize("share", [0.0, 0.99, 1.0, 1.5])
    def test_a_split_that_leaves_a_part_empty_is_refused(self, share):
        with pytest.raises(ValueError, match="one part of 4 rows empty"):
            make_rows([3] * 4).split(share)
