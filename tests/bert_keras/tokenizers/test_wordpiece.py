"""WordPiece by value on vocabularies of a few pieces; beside the real ones see test_golden_tokenizer.py."""

import unicodedata

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bert_keras import BadInput, WordPieceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [
    *SPECIAL,
    "hello",
    "hell",
    "##o",
    "world",
    "!",
    "a",
    "##b",
    "cafe",
    "café",
    "Hello",
    "中",
    "国",
    "##国",
    "don",
    "'",
    "t",
]


@pytest.fixture(scope="module")
def uncased():
    return WordPieceTokenizer(WORDS)


@pytest.fixture(scope="module")
def cased():
    return WordPieceTokenizer(WORDS, lowercase=False)


def pieces_of(tokenizer, text):
    return [tokenizer.id_to_token(id) for id in tokenizer(text).numpy()]


class TestPieces:
    @pytest.mark.parametrize("text, expected", [
        ("hello world!", ["hello", "world", "!"]),
        ("hell hello", ["hell", "hello"]),  # the longest piece wins
        ("abb", ["a", "##b", "##b"]),
        ("abc", ["[UNK]"]),  # what cannot be cut to the end is unknown as a whole
        ("don't", ["don", "'", "t"]),
        ("hello\tworld\n\r hello", ["hello", "world", "hello"]),
        ("中国a", ["中", "国", "a"]),  # ideographs stand alone
        ("Hello WORLD", ["hello", "world"]),
        ("café", ["cafe"]),
        ("cafe\u0301", ["cafe"]),
        ("[MASK] [CLS]", ["[UNK]"] * 6),  # special tokens in a text are plain text
        ("he\u200bllo wor\u00adld", ["hello", "world"]),  # invisible characters go
        ("", []),
        (" \t\n", []),
        ("\x00\ufffd", []),
    ])  # fmt: skip
    def test_uncased(self, uncased, text, expected):
        assert pieces_of(uncased, text) == expected

    @pytest.mark.parametrize("text, expected", [
        ("Hello hello", ["Hello", "hello"]),
        ("HELLO", ["[UNK]"]),
        ("café", ["café"]),
        ("cafe\u0301", ["[UNK]"]),  # nothing is decomposed or composed
        ("中国", ["中", "国"]),
    ])  # fmt: skip
    def test_cased(self, cased, text, expected):
        assert pieces_of(cased, text) == expected

    def test_lower_case_with_accents_kept(self):
        assert pieces_of(WordPieceTokenizer(WORDS, strip_accents=False), "CAFÉ") == ["café"]

    def test_letter_case_kept_without_accents(self):
        tokenizer = WordPieceTokenizer(WORDS, lowercase=False, strip_accents=True)
        assert pieces_of(tokenizer, "café Hello") == ["cafe", "Hello"]

    @pytest.mark.parametrize("letters, expected", [(100, 100), (101, 1)])
    def test_a_word_of_more_than_100_characters_is_unknown(self, uncased, letters, expected):
        word = "a" + "b" * (letters - 1)
        assert len(pieces_of(uncased, word)) == expected
        assert pieces_of(uncased, f"{word} hello")[-1] == "hello"

    def test_a_long_text_keeps_every_word(self, uncased):
        ids = uncased("hello world! " * 20_000).numpy()
        assert len(ids) == 60_000 and (ids[:3] == ids[-3:]).all()

    def test_broken_utf8_does_not_raise(self, uncased):
        assert uncased(tf.constant([b"hello \xff world"])).to_list() == [[5, 8]]


class TestForms:
    def test_a_batch_is_ragged_int32(self, uncased):
        ids = uncased(["hello world", "", "a"])
        assert isinstance(ids, tf.RaggedTensor) and ids.dtype == tf.int32
        assert ids.to_list() == [[5, 8], [], [10]]

    def test_a_single_string_is_a_vector(self, uncased):
        ids = uncased("hello world")
        assert ids.dtype == tf.int32 and ids.numpy().tolist() == [5, 8]

    @pytest.mark.parametrize("make", [list, tuple, np.array, lambda x: np.array(x, object), tf.constant])
    def test_strings_may_come_as_any_sequence(self, uncased, make):
        assert uncased(make(["hello", "world"])).to_list() == [[5], [8]]

    def test_in_a_graph(self, uncased):
        graph = tf.function(uncased, input_signature=[tf.TensorSpec([None], tf.string)])
        assert graph(tf.constant(["Hello!", "中国"])).to_list() == [[5, 9], [15, 16]]

    def test_in_tf_data_one_by_one_and_in_batches(self, uncased):
        texts = tf.data.Dataset.from_tensor_slices(["hello", "a b", "world!"])
        assert [row.numpy().tolist() for row in texts.map(uncased)] == [[5], [10, 1], [8, 9]]
        assert [rows.to_list() for rows in texts.batch(2).map(uncased)] == [[[5], [10, 1]], [[8, 9]]]

    def test_offsets_in_a_graph(self, uncased):
        graph = tf.function(uncased.tokenize_with_offsets, input_signature=[tf.TensorSpec([None], tf.string)])
        ids, begin, end = graph(tf.constant(["中 hello", ""]))
        assert (ids.to_list(), begin.to_list(), end.to_list()) == ([[15, 5], []], [[0, 2], []], [[1, 7], []])

    def test_offsets_of_a_single_string_are_vectors(self, uncased):
        ids, begin, end = (part.numpy().tolist() for part in uncased.tokenize_with_offsets("a hello"))
        assert (ids, begin, end) == ([10, 5], [0, 2], [1, 7])

    def test_a_piece_and_its_id(self, uncased):
        assert uncased.token_to_id("world") == 8 and uncased.id_to_token(8) == "world"
        assert uncased.token_to_id("nowhere") == uncased.unk_token_id == 1

    def test_an_id_beyond_the_vocabulary_is_refused(self, uncased):
        with pytest.raises(ValueError, match=f"no piece with id {len(WORDS)}; ids run from 0 to {len(WORDS) - 1}"):
            uncased.id_to_token(len(WORDS))

    @pytest.mark.parametrize("make", [list, tf.ragged.constant])
    def test_ids_become_text_again(self, uncased, make):
        texts = uncased.detokenize(make([[6, 7, 8, 9], [10, 11, 11], []])).numpy()
        assert texts.tolist() == [b"hello world !", b"abb", b""]

    def test_dense_ids_become_text_again(self, uncased):
        assert uncased.detokenize(tf.constant([[5, 8]])).numpy().tolist() == [b"hello world"]


class TestOffsets:
    @pytest.mark.parametrize("text, spans", [
        ("hello world!", ["hello", "world", "!"]),
        ("  Hello\tWORLD ", ["Hello", "WORLD"]),
        ("abb", ["a", "b", "b"]),
        ("caf\u00e9 a", ["café", "a"]),
        ("cafe\u0301s", ["cafe\u0301s"]),
        ("cafe\u0301 a", ["cafe", "a"]),  # dropped at the end of a word, as Hugging Face does
        ("😀 hello", ["😀", "hello"]),
        ("中国a", ["中", "国", "a"]),
        ("Ｈello world", ["Ｈello", "world"]),
        ("he\u200bllo", ["he\u200bllo"]),
        ("a" + "b" * 100 + " a", ["a" + "b" * 100, "a"]),
        ("", []),
    ])  # fmt: skip
    def test_spans_are_the_pieces_as_written(self, uncased, text, spans):
        _, begin, end = uncased.tokenize_with_offsets(text)
        assert [text[b:e] for b, e in zip(begin.numpy(), end.numpy())] == spans

    def test_spans_count_from_the_start_of_each_text(self, uncased):
        _, begin, end = uncased.tokenize_with_offsets(["中国", "", "😀😀 a"])
        assert begin.to_list() == [[0, 1], [], [0, 3]] and end.to_list() == [[1, 2], [], [2, 4]]


def plain(text):
    """A text as the uncased clean-up leaves it, spaces aside; a second opinion in Python."""
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if character in "\t\n\r" or category[0] == "Z" or category[0] == "C" or character == "\ufffd":
            continue
        kept.append(character)
    decomposed = unicodedata.normalize("NFD", "".join(kept))
    return "".join(c for c in decomposed if unicodedata.category(c) != "Mn").replace("Σ", "σ").lower()


# A vocabulary of single letters: few words are unknown, and a piece is one character of the cleaned-up text.
LETTERS = [chr(c) for c in range(0x21, 0x7F)] + list("äσßαω中国東京한あｆ…½😀")
ALPHABET = [*SPECIAL, *dict.fromkeys([*LETTERS, *(f"##{letter}" for letter in LETTERS if letter.isalnum())])]
PLAIN_CHARACTERS = st.sampled_from(
    [*"aAbB zZ.!'09", "é", "e\u0301", "ü", "Σ", "中", "国", "ｆ", "Ｆ", "한", "😀", "\u200d", "\u3000"]
)
ANY_TEXT = st.one_of(
    st.lists(PLAIN_CHARACTERS, max_size=25).map("".join),
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.text(st.characters(codec="utf-8", categories=["L", "M", "N", "P", "S", "Z"]), max_size=30),
)
# Many texts an example: a call of the tokenizer costs as much for twenty as for one.
ANY_TEXTS = st.lists(ANY_TEXT, min_size=1, max_size=20)
PLAIN_TEXTS = st.lists(st.lists(PLAIN_CHARACTERS, max_size=25).map("".join), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def letters():
    return WordPieceTokenizer(ALPHABET)


@pytest.fixture(scope="module")
def cased_letters():
    return WordPieceTokenizer(ALPHABET, lowercase=False)


def spans(tokenizer, texts):
    """`(text, [(piece, begin, end), …])` of each text."""
    ids, begin, end = (part.to_list() for part in tokenizer.tokenize_with_offsets(texts))
    for text, *row in zip(texts, ids, begin, end):
        yield text, [(tokenizer.id_to_token(id), b, e) for id, b, e in zip(*row)]


class TestAnyText:
    @settings(max_examples=30, deadline=None)
    @given(ANY_TEXTS)
    @example(["", "a", "\ud7ff\ue000", "👩\u200d👩\u200d👧", "a\u0301\u0302b", "\uffff"])
    def test_ids_are_the_same_with_and_without_offsets(self, letters, cased_letters, texts):
        for tokenizer in (letters, cased_letters):
            assert tokenizer.tokenize_with_offsets(texts)[0].to_list() == tokenizer(texts).to_list()

    @settings(max_examples=30, deadline=None)
    @given(ANY_TEXTS)
    @example(["\u0301a", "İstanbul ßẞ ǅ"])
    def test_spans_lie_within_the_text_in_order_and_are_not_empty(self, letters, texts):
        for text, row in spans(letters, texts):
            assert all(0 <= b < e <= len(text) for _, b, e in row)
            for (_, b, e), (_, next_b, next_e) in zip(row, row[1:]):
                assert b <= next_b and e <= next_e

    @settings(max_examples=25, deadline=None)
    @given(PLAIN_TEXTS)
    def test_a_known_piece_is_its_span_cleaned_up(self, letters, texts):
        for text, row in spans(letters, texts):
            for piece, b, e in row:
                assert piece == "[UNK]" or plain(text[b:e]) == piece.removeprefix("##")

    @settings(max_examples=25, deadline=None)
    @given(PLAIN_TEXTS)
    def test_the_spans_leave_out_nothing_but_spaces_and_what_is_dropped(self, letters, texts):
        for text, row in spans(letters, texts):
            covered = {index for _, b, e in row for index in range(b, e)}
            assert plain("".join(c for index, c in enumerate(text) if index not in covered)) == ""

    @settings(max_examples=5, deadline=None)
    @given(ANY_TEXTS)
    def test_a_text_has_the_same_ids_alone_and_in_a_batch(self, letters, texts):
        assert letters(texts).to_list() == [letters(text).numpy().tolist() for text in texts]


class TestVocabulary:
    def test_a_file_has_a_piece_a_line(self, tmp_path):
        (tmp_path / "vocab.txt").write_bytes("\n".join(WORDS).encode() + b"\n")
        assert WordPieceTokenizer(tmp_path / "vocab.txt").get_vocabulary() == WORDS

    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_windows_line_ends_are_fine_with_and_without_one_at_the_end(self, tmp_path, newline):
        for end in ("", newline):
            (tmp_path / "vocab.txt").write_bytes((newline.join(WORDS) + end).encode())
            assert WordPieceTokenizer(str(tmp_path / "vocab.txt")).get_vocabulary() == WORDS

    @pytest.mark.parametrize("pieces, said", [
        ([*SPECIAL, "a", "b", "a"], "the vocabulary has the piece 'a' more than once"),
        (SPECIAL[1:], r"the vocabulary lacks \[PAD\]; a BERT vocabulary has"),
        (["a"], r"the vocabulary lacks \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK\]"),
        ([], r"lacks \[PAD\]"),
    ])  # fmt: skip
    def test_a_vocabulary_that_is_none_is_refused(self, pieces, said):
        with pytest.raises(BadInput, match=said):
            WordPieceTokenizer(pieces)

    @pytest.mark.parametrize("content, said", [
        (None, "Cannot read the vocabulary .*vocab.txt: No such file"),
        (b"[PAD]\n\xff\xfe", r"vocabulary .*vocab.txt is not UTF-8 \(byte 6\); save it as UTF-8"),
        (b"", r"vocab.txt lacks \[PAD\]"),
    ])  # fmt: skip
    def test_a_file_that_is_none_is_named(self, tmp_path, content, said):
        if content is not None:
            (tmp_path / "vocab.txt").write_bytes(content)
        with pytest.raises(BadInput, match=said):
            WordPieceTokenizer(tmp_path / "vocab.txt")

    def test_without_a_vocabulary_it_says_so(self):
        with pytest.raises(ValueError, match="has no vocabulary yet"):
            WordPieceTokenizer()("a")

    def test_special_ids_follow_the_vocabulary(self):
        tokenizer = WordPieceTokenizer(["x", *SPECIAL[::-1]])
        ids = [tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id]
        assert [*ids, tokenizer.sep_token_id, tokenizer.mask_token_id] == [5, 4, 3, 2, 1]


class TestSaving:
    @pytest.mark.parametrize("options", [{}, {"lowercase": False}, {"lowercase": True, "strip_accents": False}])
    def test_a_preset_gives_the_tokenizer_back(self, tmp_path, options):
        tokenizer = WordPieceTokenizer(WORDS, **options)
        tokenizer.save_to_preset(str(tmp_path))
        back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(tokenizer))
        back.load_assets(tmp_path / "assets" / "tokenizer")
        assert back.get_vocabulary() == WORDS
        assert (back.lowercase, back.strip_accents) == (tokenizer.lowercase, tokenizer.strip_accents)
        text = "Café cafe Hello hello 中国"
        assert back(text).numpy().tolist() == tokenizer(text).numpy().tolist()

    def test_the_vocabulary_is_in_the_file_and_not_in_the_config(self, uncased, tmp_path):
        uncased.save_to_preset(str(tmp_path))
        assert uncased.get_config()["vocabulary"] is None
        text = (tmp_path / "assets" / "tokenizer" / "vocabulary.txt").read_text(encoding="utf-8")
        assert text == "".join(f"{piece}\n" for piece in WORDS)
