"""Windows over long texts: every piece in one at least, owned by exactly one, in order."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras.tokenizers.windows import cut, make_windows, padded

CLS, SEP = 2, 3


def documents(*lengths):
    """Documents whose pieces are 100, 101, … in the first, 200, 201, … in the second."""
    return tf.ragged.constant([list(range(100 * (n + 1), 100 * (n + 1) + c)) for n, c in enumerate(lengths)], tf.int32)


def rows(ragged):
    return [list(map(int, row)) for row in ragged.to_list()]


class TestCut:
    @settings(deadline=None, max_examples=150)
    @given(st.lists(st.integers(0, 70), min_size=1, max_size=4), st.integers(1, 20), st.integers(0, 25))
    def test_every_piece_is_covered_and_owned_once_and_no_window_is_too_long(self, lengths, capacity, overlap):
        document, begin, end, own_begin, own_end = (
            values.numpy() for values in cut(tf.constant(lengths), capacity, overlap)
        )
        assert (end - begin <= capacity).all()
        assert ((begin <= own_begin) & (own_begin <= own_end) & (own_end <= end)).all()
        for number, length in enumerate(lengths):
            of = document == number
            owned = [piece for b, e in zip(own_begin[of], own_end[of]) for piece in range(b, e)]
            assert owned == list(range(length))
            assert of.sum() == 1 if length <= capacity else of.sum() > 1

    def test_neighbours_share_the_overlap_and_the_last_window_is_full(self):
        cuts = cut(tf.constant([23]), 10, 4)
        assert list(zip(cuts.begin.numpy().tolist(), cuts.end.numpy().tolist())) == [
            (0, 10),
            (6, 16),
            (12, 22),
            (13, 23),
        ]
        # The middle of each overlap: pieces 6 to 9, 12 to 15, 13 to 21.
        assert cuts.own_end.numpy().tolist() == [8, 14, 17, 23]

    def test_each_document_may_have_its_own_capacity(self):
        cuts = cut(tf.constant([6, 6]), tf.constant([6, 4]), 2)
        assert cuts.document.numpy().tolist() == [0, 1, 1]
        assert list(zip(cuts.begin.numpy().tolist(), cuts.end.numpy().tolist())) == [(0, 6), (0, 4), (2, 6)]


class TestMakeWindows:
    def test_rows_have_special_tokens_and_say_where_their_pieces_come_from(self):
        windows = make_windows(documents(5, 0, 2), CLS, SEP, max_length=6, overlap=2)
        assert windows.document.numpy().tolist() == [0, 0, 1, 2]
        assert rows(windows.token_ids) == [
            [2, 100, 101, 102, 103, 3],
            [2, 101, 102, 103, 104, 3],
            [2, 3],
            [2, 300, 301, 3],
        ]
        assert rows(windows.piece) == [[-1, 0, 1, 2, 3, -1], [-1, 1, 2, 3, 4, -1], [-1, -1], [-1, 0, 1, -1]]
        assert rows(windows.owned) == [[0, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 0], [0, 0], [0, 1, 1, 0]]
        assert not np.any(windows.segment_ids.flat_values)

    def test_a_question_stands_before_each_window_and_takes_its_room(self):
        question = tf.ragged.constant([[7, 8], [9]], tf.int32)
        windows = make_windows(documents(4, 4), CLS, SEP, max_length=8, overlap=1, first=question)
        assert rows(windows.token_ids) == [
            [2, 7, 8, 3, 100, 101, 102, 3],
            [2, 7, 8, 3, 101, 102, 103, 3],
            [2, 9, 3, 200, 201, 202, 203, 3],
        ]
        assert rows(windows.segment_ids) == [[0, 0, 0, 0, 1, 1, 1, 1]] * 2 + [[0, 0, 0, 1, 1, 1, 1, 1]]
        assert rows(windows.piece)[1] == [-1, -1, -1, -1, 1, 2, 3, -1]
        assert windows.offset.numpy().tolist() == [4, 4, 3]
        assert windows.begin.numpy().tolist() == [0, 1, 0] and windows.end.numpy().tolist() == [3, 4, 4]

    def test_the_documents_own_segments_go_along(self):
        segments = tf.ragged.constant([[0, 1, 0]], tf.int32)
        windows = make_windows(documents(3), CLS, SEP, max_length=4, overlap=1, segments=segments)
        assert rows(windows.segment_ids) == [[0, 0, 1, 0], [0, 1, 0, 0]]

    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.integers(0, 40), min_size=1, max_size=3), st.integers(4, 14), st.integers(0, 8))
    def test_the_owned_tokens_read_in_order_are_the_documents(self, lengths, max_length, overlap):
        texts = documents(*lengths)
        windows = make_windows(texts, CLS, SEP, max_length, overlap)
        owned = tf.boolean_mask(windows.token_ids.flat_values, windows.owned.flat_values)
        assert owned.numpy().tolist() == texts.flat_values.numpy().tolist()

    def test_padding_and_mask(self):
        dense = padded(make_windows(documents(1, 3), CLS, SEP, max_length=9, overlap=1), pad_token_id=9)
        assert dense["token_ids"].numpy().tolist() == [[2, 100, 3, 9, 9], [2, 200, 201, 202, 3]]
        assert dense["padding_mask"].numpy().tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]

    def test_in_a_graph_with_unknown_sizes(self):
        @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])
        def in_graph(ids):
            return make_windows(ids, CLS, SEP, max_length=6, overlap=2)

        for texts in (documents(5, 0, 2), documents(0), documents(30)):
            eager = make_windows(texts, CLS, SEP, max_length=6, overlap=2)
            assert eager.document.numpy().tolist() == in_graph(texts).document.numpy().tolist()
            for ours, theirs in zip(eager[4:], in_graph(texts)[4:]):
                assert rows(ours) == rows(theirs)


@pytest.mark.parametrize("max_length", [3, 4])
def test_a_window_of_one_or_two_pieces_still_covers_everything(max_length):
    windows = make_windows(documents(5), CLS, SEP, max_length, overlap=(max_length - 2) // 4)
    assert set(windows.token_ids.flat_values.numpy().tolist()) == {CLS, SEP, 100, 101, 102, 103, 104}
