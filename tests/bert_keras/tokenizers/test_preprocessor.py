"""Texts and pairs to rows of ids: special tokens, truncation, padding."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras import BertPreprocessor, WordPieceTokenizer
from bert_keras.tokenizers.preprocessor import truncated_lengths

PAD, CLS, SEP = 0, 2, 3


@pytest.fixture(scope="module")
def words():
    return WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"])


def both(text, text_pair):
    return {"text": text, "text_pair": text_pair}


def rows(batch):
    return {name: np.asarray(value).tolist() for name, value in batch.items()}


class TestSingleTexts:
    def test_rows_are_padded_to_the_longest(self, words):
        assert rows(BertPreprocessor(words)(["a b c", "d", ""])) == {
            "token_ids": [[CLS, 5, 6, 7, SEP], [CLS, 8, SEP, PAD, PAD], [CLS, SEP, PAD, PAD, PAD]],
            "segment_ids": [[0] * 5] * 3,
            "padding_mask": [[1] * 5, [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]],
        }

    def test_inputs_are_int32(self, words):
        assert {value.dtype for value in BertPreprocessor(words)(["a"]).values()} == {tf.int32}

    def test_rows_are_padded_to_the_maximum_on_request(self, words):
        batch = BertPreprocessor(words, max_length=6)(["a"], pad_to_max=True)
        assert rows(batch) == {
            "token_ids": [[CLS, 5, SEP, PAD, PAD, PAD]],
            "segment_ids": [[0] * 6],
            "padding_mask": [[1, 1, 1, 0, 0, 0]],
        }

    def test_padding_is_the_vocabularys_pad_token(self):
        tokenizer = WordPieceTokenizer(["a", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]"])
        assert rows(BertPreprocessor(tokenizer)(["a a", "a"]))["token_ids"] == [[2, 0, 0, 3], [2, 0, 3, 5]]

    def test_a_text_that_is_too_long_loses_its_end_and_keeps_sep(self, words):
        assert rows(BertPreprocessor(words, max_length=4)(["a b c d e"]))["token_ids"] == [[CLS, 5, 6, SEP]]

    @pytest.mark.parametrize("form", ["list", "array", "dict", "tensor", "scalar", "string"])
    def test_texts_come_in_many_forms(self, words, form):
        # Tensors are made here and not while tests are collected: that would start TensorFlow.
        forms = {"list": ["a"], "array": np.array(["a"]), "dict": {"text": ["a"]}, "string": "a"}
        x = {**forms, "tensor": tf.constant(["a"]), "scalar": tf.constant("a")}[form]
        assert rows(BertPreprocessor(words)(x))["token_ids"] == [[CLS, 5, SEP]]

    def test_targets_and_weights_go_through(self, words):
        x, y, weight = BertPreprocessor(words)(["a"], [1], [0.5])
        assert set(x) == {"token_ids", "segment_ids", "padding_mask"} and (y, weight) == ([1], [0.5])

    def test_in_a_graph_and_in_tf_data(self, words):
        preprocessor = BertPreprocessor(words)
        batches = tf.data.Dataset.from_tensor_slices(["a", "b c"]).batch(2).map(preprocessor)
        assert rows(next(iter(batches)))["token_ids"] == [[CLS, 5, SEP, PAD], [CLS, 6, 7, SEP]]


class TestPairs:
    def test_the_second_text_is_segment_1_with_its_sep(self, words):
        batch = BertPreprocessor(words, pair=True)(both(["a b", "c"], ["d", "e f"]))
        assert rows(batch) == {
            "token_ids": [[CLS, 5, 6, SEP, 8, SEP], [CLS, 7, SEP, 9, 10, SEP]],
            "segment_ids": [[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1]],
            "padding_mask": [[1] * 6] * 2,
        }

    def test_the_longer_text_is_cut_first(self, words):
        batch = BertPreprocessor(words, pair=True, max_length=7)(both(["a b c d e f"], ["g"]))
        assert rows(batch)["token_ids"] == [[CLS, 5, 6, 7, SEP, 11, SEP]]

    def test_an_empty_half_is_fine(self, words):
        assert rows(BertPreprocessor(words, pair=True)(both(["a"], [""])))["token_ids"] == [[CLS, 5, SEP, SEP]]

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20), st.integers(5, 24))
    def test_no_row_is_longer_than_the_maximum_and_none_shorter_than_it_need_be(self, words, lengths, max_length):
        texts = both(*([" ".join("abcdefghij"[:length]) for length in half] for half in zip(*lengths)))
        mask = np.asarray(BertPreprocessor(words, pair=True, max_length=max_length)(texts)["padding_mask"])
        expected = [min(first + second + 3, max_length) for first, second in lengths]
        assert mask.sum(1).tolist() == expected


def longest_first(first, second, budget):
    """One token at a time off the longer half; where they are equal, off the one that was not longer at the start."""
    first_gives_way = first <= second
    while first + second > budget:
        if first > second or (first == second and first_gives_way):
            first -= 1
        else:
            second -= 1
    return first, second


class TestTruncation:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=40), st.integers(2, 60))
    def test_pairs_lose_from_the_longer_half_one_by_one(self, lengths, budget):
        first, second = (tf.constant(half, tf.int64) for half in zip(*lengths))
        kept = zip(*(half.numpy().tolist() for half in truncated_lengths([first, second], budget)))
        assert list(kept) == [longest_first(a, b, budget) for a, b in lengths]

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(0, 60), min_size=1, max_size=40), st.integers(1, 60))
    def test_single_texts_keep_what_fits(self, lengths, budget):
        (kept,) = truncated_lengths([tf.constant(lengths, tf.int64)], budget)
        assert kept.numpy().tolist() == [min(length, budget) for length in lengths]


class TestErrors:
    @pytest.mark.parametrize("pair, least", [(False, 3), (True, 5)])
    def test_max_length_leaves_room_for_text(self, words, pair, least):
        BertPreprocessor(words, max_length=least, pair=pair)
        with pytest.raises(ValueError, match=f"max_length is {least - 1}; expected at least {least}"):
            BertPreprocessor(words, max_length=least - 1, pair=pair)

    @pytest.mark.parametrize("pair, x, said", [
        (False, {"txt": ["a"]}, r"The inputs are \['txt'\]; this model reads \['text'\]"),
        (False, {"text": ["a"], "text_pair": ["b"]}, r"this model reads \['text'\]"),
        (True, {"text": ["a"]}, r"this model reads \['text', 'text_pair'\]"),
        (True, ["a", "b"], "This model reads pairs; give a dict"),
        (True, (["a"], ["b"]), "This model reads pairs; give a dict"),
        (True, "a", "This model reads pairs"),
    ])  # fmt: skip
    def test_other_inputs_are_refused_by_name(self, words, pair, x, said):
        with pytest.raises(ValueError, match=said):
            BertPreprocessor(words, pair=pair)(x)


def test_a_preset_gives_the_preprocessor_back(words, tmp_path):
    preprocessor = BertPreprocessor(words, max_length=9, pair=True)
    config = keras.saving.serialize_keras_object(preprocessor)
    preprocessor.save_to_preset(str(tmp_path))
    back = keras.saving.deserialize_keras_object(config)
    back.tokenizer.load_assets(tmp_path / "assets" / "tokenizer")
    assert (back.max_length, back.pair) == (9, True)
    pair = both(["a b c d e f"], ["g h i j"])
    assert rows(back(pair)) == rows(preprocessor(pair))
