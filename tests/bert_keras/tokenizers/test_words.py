"""Words of raw texts, and which piece belongs to which word, in characters of the text as it was sent."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras import WordPieceTokenizer
from bert_keras.data.words import join_words
from bert_keras.errors import BadInput
from bert_keras.tokenizers.word_preprocessor import WordPreprocessor
from bert_keras.tokenizers.words import containing

LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789", *".,!?'’-()%/…“”。，", *"我爱北京天安门"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS[:36])]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer(VOCABULARY)


@pytest.fixture(scope="module")
def preprocessor(tokenizer):
    return WordPreprocessor(tokenizer, max_length=16)


def words_of(encoded, texts):
    spans = zip(encoded.words.begin.to_list(), encoded.words.end.to_list())
    return [[text[b:e] for b, e in zip(*of_text)] for text, of_text in zip(texts, spans)]


class TestFoundWords:
    @pytest.mark.parametrize(
        "text, words",
        [
            ("two words", ["two", "words"]),
            ("yes, (no)!", ["yes", ",", "(", "no", ")", "!"]),
            ("don't stop", ["don't", "stop"]),
            ("well-known 3.5% 1,000", ["well-known", "3.5", "%", "1,000"]),
            ("the u.n. said", ["the", "u.n", ".", "said"]),
            ("wait... what?!", ["wait", ".", ".", ".", "what", "?", "!"]),
            ("a--b", ["a", "-", "-", "b"]),
            ("我爱北京 ok", ["我", "爱", "北", "京", "ok"]),
            ("北京,天安门。", ["北", "京", ",", "天", "安", "门", "。"]),
            ("Köln’s CAFÉ", ["Köln’s", "CAFÉ"]),
            ("😀 hi😀", ["😀", "hi😀"]),
            ("Ａ１ full", ["Ａ１", "full"]),
            ("cafe\N{COMBINING ACUTE ACCENT}s ok", ["cafe\N{COMBINING ACUTE ACCENT}s", "ok"]),
            ("co\N{SOFT HYPHEN}op\N{ZERO WIDTH JOINER}s", ["co\N{SOFT HYPHEN}op\N{ZERO WIDTH JOINER}s"]),
            ("a\r\n\tb", ["a", "b"]),
            ("", []),
            (" \t\n", []),
        ],
    )
    def test_words(self, preprocessor, text, words):
        assert words_of(preprocessor.encode([text]), [text]) == [words]

    def test_broken_utf8_counts_as_one_character(self, preprocessor):
        encoded = preprocessor.encode(tf.constant([b"ab\xff cd"]))
        assert encoded.words.begin.to_list() == [[0, 4]] and encoded.words.end.to_list() == [[2, 6]]
        assert encoded.text.numpy()[0].decode() == "ab\N{REPLACEMENT CHARACTER} cd"

    @settings(deadline=None, max_examples=120)
    @given(st.lists(st.text(max_size=40), min_size=1, max_size=3))
    def test_every_word_slices_back_and_holds_every_piece(self, texts):
        preprocessor = WordPreprocessor(WordPieceTokenizer(VOCABULARY), max_length=16)
        encoded = preprocessor.encode([text.encode("utf-8", "replace") for text in texts])
        sent = [text.decode() for text in encoded.text.numpy()]
        for text, begins, ends in zip(sent, encoded.words.begin.to_list(), encoded.words.end.to_list()):
            assert all(0 <= b < e <= len(text) for b, e in zip(begins, ends))
            assert begins == sorted(begins)
            assert all(text[b:e].strip() for b, e in zip(begins, ends))
        # Each piece lies in the word that it belongs to, and each word has a first piece.
        assert (encoded.word.flat_values.numpy() >= 0).all()
        assert encoded.first.flat_values.numpy().sum() == encoded.words.begin.flat_values.shape[0]
        assert encoded.speaking.flat_values.numpy().sum() == encoded.words.begin.flat_values.shape[0]


class TestGivenWords:
    def encode(self, preprocessor, *rows):
        joined = [join_words(words) for words in rows]
        return preprocessor.encode(
            {
                "text": [words.text for words in joined],
                "word_begin": tf.ragged.constant([words.begin for words in joined], tf.int32),
                "word_end": tf.ragged.constant([words.end for words in joined], tf.int32),
            }
        )

    def test_pieces_follow_the_given_words(self, preprocessor):
        encoded = self.encode(preprocessor, ["u.n.", "(ab)"], ["我", "爱", "x"])
        assert encoded.word.to_list() == [[0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 2]]
        assert encoded.first.to_list() == [[1, 0, 0, 0, 1, 0, 0, 0], [1, 1, 1]]

    def test_a_word_of_which_nothing_is_left_has_no_piece(self, preprocessor):
        encoded = self.encode(preprocessor, ["a", "\u200b", "b"])
        assert encoded.word.to_list() == [[0, 2]]
        assert encoded.words.begin.to_list() == [[0, 2, 4]]

    def test_a_blank_within_a_word_does_not_part_it(self, preprocessor):
        assert self.encode(preprocessor, ["a\u00a0b", "c"]).word.to_list() == [[0, 0, 1]]

    def test_texts_without_given_words_are_searched(self, preprocessor):
        encoded = self.encode(preprocessor, ["a.b"], [])
        assert encoded.word.to_list() == [[0, 0, 0], []]
        mixed = preprocessor.encode(
            {
                "text": ["ab, c", "ab, c"],
                "word_begin": tf.ragged.constant([[0], []], tf.int32),
                "word_end": tf.ragged.constant([[5], []], tf.int32),
            }
        )
        assert mixed.words.begin.to_list() == [[0], [0, 2, 4]]

    def test_a_mark_puts_the_pieces_that_it_touches_into_segment_1(self, tokenizer):
        preprocessor = WordPreprocessor(tokenizer, max_length=12, marked=True)
        encoded = preprocessor.encode({"text": ["ab cd ef"], "mark": [[3, 5]]})
        assert encoded.windows.segment_ids.to_list() == [[0, 0, 0, 1, 1, 0, 0, 0]]


class TestSettings:
    @pytest.mark.parametrize("options", [{"max_length": 2}, {"max_length": 8, "overlap": 6}, {"overlap": -1}])
    def test_no_room(self, tokenizer, options):
        with pytest.raises(BadInput, match="expected"):
            WordPreprocessor(tokenizer, **options)

    def test_config_round_trip(self, tokenizer):
        config = WordPreprocessor(tokenizer, max_length=20, overlap=3, marked=True).get_config()
        assert (config["max_length"], config["overlap"], config["marked"]) == (20, 3, True)

    def test_a_call_gives_the_models_inputs(self, preprocessor):
        features = preprocessor(["ab c"])
        assert features["token_ids"].shape == (1, 5) and set(features) == {"token_ids", "segment_ids", "padding_mask"}


@pytest.mark.parametrize(
    "points, begin, end, expected",
    [
        ([[0, 2, 3, 9]], [[0, 3]], [[2, 6]], [0, -1, 1, -1]),
        ([[5], [0, 5]], [[], [4]], [[], [6]], [-1, -1, 0]),
        ([[1], [1]], [[1], [0]], [[2], [1]], [0, -1]),
        ([[7]], [[]], [[]], [-1]),
    ],
)
def test_containing(points, begin, end, expected):
    ragged = [tf.ragged.constant(values, tf.int32, ragged_rank=1) for values in (points, begin, end)]
    np.testing.assert_array_equal(containing(*ragged), expected)


@pytest.mark.parametrize(
    "words, text, begin",
    [
        (["a", "bc"], "a bc", [0, 2]),
        (["北", "京"], "北京", [0, 1]),
        (["in", "北", "x", "1", "9"], "in北x 1 9", [0, 2, 3, 5, 7]),
        # An ideograph that came into Unicode after BERT, which therefore does not part it from its neighbour.
        (["\U0002ceb0", "\U0002ceb1"], "\U0002ceb0 \U0002ceb1", [0, 2]),
        ([], "", []),
    ],
)
def test_join_words(words, text, begin):
    joined = join_words(words)
    assert (joined.text, joined.begin) == (text, begin)
    assert [joined.text[b:e] for b, e in zip(joined.begin, joined.end)] == words
