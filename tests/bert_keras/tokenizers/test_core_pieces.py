"""WordPiece from core ops is WordPiece from TensorFlow Text, piece for piece, on any text."""

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

# Where the tables have edges: what is dropped, parts words, stands alone, becomes several, is put in another order.
ODD = [
    *" \t\n\r\x00\x1f\x7f\x85\xa0\xad\u1680\u2000\u200b\u200d\u2028\u202f\u205f\u3000\ufeff\ufffd\uffff",
    *"!$+<=>^`|~'\"#@_-.,;:¡§¿‐–—…、。「」〈〉・＂＃！？｡､",
    *"éÉñÑüÜßẞıİĐđŁłØøÆæŒœﬁﬂſſtΆάΣσςϐЙйЁёґҐאַ",
    *"\u0300\u0301\u0307\u0308\u0327\u0328\u0334\u0338\u0345\u034f\u0363\u0488\u05b0\u0651\u064b\u093c\u094d\u0902",
    *"\u0f71\u0f72\u0f74\u0f73\u1b44\u1bf2\u302a\u302e\u302f\ua953\ua9c0\U000111c0\U0001d15e\U0001d165\U0001d16d",
    *"한글가각힣각ㄱ㈀ｱｶﾞがガ゛",
    *"中国㐀䶵一龥鿿\U00020000\U0002a6df\U0002a6e0\U0002a700\U0002b81f\U0002b820\U0002ceaf\U0002f800\U00030000豈\ufaff",
    *"Ａａ０！～½²Ⅳⅷⓐℌℵ∑≠∞",
    *"😀👩🏽❤\ufe0f🇩🇪\U000e0061\U000e01ef\U000f0000\U0010ffff\U0010fffd\ue000",
]
LETTERS = [*"abcdeghilmnorstuz0123", *"äéßαβσςωжйиאه한각中国東あがｱ½😀", *"!#.'$¿、"]
VOCABULARY = [
    *SPECIAL,
    *LETTERS,
    *("##" + letter for letter in LETTERS if letter.isalnum()),
    *("hell", "hello", "##llo", "##lo", "help", "##helle", "un", "##believ", "unbelievab", "##able", "strasse", "cafe"),
    *("café", "##\u0301", "e\u0301", "\u302e\u1b44", "\u1b44\u302e", "i\u0307", "한국", "##국어", "ᄒ", "##ᅡᆫ", "中国"),
    # What can never match: marks and blanks inside, more characters than a word may have, nothing but the prefix.
    *("don't", "##!", "a b", "##", "###", "a!", "!!", "\u3000", "##\u2028", "b" * 101, "É", "CAFE"),
    *("b" * 63, "b" * 64, "##" + "b" * 100, "##" + "b" * 31, "z" * 100),
]
KINDS = {
    "uncased": {"lowercase": True},
    "cased": {"lowercase": False},
    "lower case with accents": {"lowercase": True, "strip_accents": False},
    "letter case without accents": {"lowercase": False, "strip_accents": True},
}


@pytest.fixture(scope="module", params=KINDS)
def pieces(request):
    """`(tokenize, tokenize)`: by TensorFlow Text and by core ops, each giving ids, ids with spans, as lists."""
    from bert_keras import WordPieceTokenizer

    return both(WordPieceTokenizer(VOCABULARY, **KINDS[request.param]))


def both(tokenizer):
    import tensorflow as tf

    def traced():
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def cut(texts):
            return tokenizer.tokenize(texts), tokenizer.tokenize_with_offsets(texts)

        return cut.get_concrete_function()

    with_text_ops = traced()
    with tokenizer.core_ops():
        with_core_ops = traced()

    def lists(function):
        def cut(texts):
            ids, spans = function(tf.constant(texts, tf.string))
            return ids.to_list(), *(part.to_list() for part in spans)

        return cut

    return lists(with_text_ops), lists(with_core_ops)


def assert_alike(pieces, texts):
    with_text_ops, with_core_ops = (cut(texts) for cut in pieces)
    if with_text_ops != with_core_ops:
        for text, expected, found in zip(texts, zip(*with_text_ops), zip(*with_core_ops)):
            assert found == expected, repr(text)
    assert with_text_ops == with_core_ops


ODD_TEXT = st.lists(st.sampled_from([*ODD, *LETTERS, *VOCABULARY[5:90], " ", "hello"]), max_size=12).map("".join)
ANY_TEXT = st.one_of(ODD_TEXT, st.text(st.characters(codec="utf-8"), max_size=30))


@settings(max_examples=60)
@given(st.lists(ANY_TEXT, min_size=1, max_size=30))
@example(["", " ", "a", "", "\u00ad", "hello" * 21, "b" * 100, "b" * 101 + " hello", "[MASK] hello [SEP]", "[UNK]"])
@example(["İstanbul Σίσυφος ΟΔΟΣ straße ẞ ǅ", "\u1b44\u302e\u0301x \u302e\u1b44", "\u0f71\u0f74\u0f72", "\u0344"])
def test_any_text_is_cut_alike(pieces, texts):
    assert_alike(pieces, texts)


@settings(max_examples=25)
@given(st.lists(st.one_of(st.binary(max_size=20), ANY_TEXT.map(str.encode)), min_size=1, max_size=20))
@example(
    [b"hel\xfflo", b"\xe4\xb8", b"a\xe4\xb8", b"\xed\xa0\x80b", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xef\xbb\xbfa"]
)
def test_broken_utf8_is_cut_alike(pieces, texts):
    assert_alike(pieces, texts)


def test_every_character_is_cut_alike_by_itself_and_within_a_word(pieces):
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    # Half of the letters' planes and a sample of the rest; all of them are in `benchmarks/tokenizer_equality.py`.
    characters = [*ODD, *characters[:0x3000:2], *random.Random(0).sample(characters, 2000)]
    assert_alike(pieces, characters)
    assert_alike(pieces, [f"a{character}bé" for character in characters])


def test_marks_in_a_row_are_put_in_order_alike(pieces):
    marks = "\u302e\u1b44\U0001d165\u0301\u0902\u0345\u200d\U000e0061"
    assert_alike(pieces, ["e" + "".join(row) + "b" for row in itertools.product(marks, repeat=3)])


def test_a_long_word_costs_no_more_turns_than_a_word_may_have_characters(pieces):
    assert_alike(pieces, ["b" * 20_000 + " hello " + "!" * 3000, "hello world! " * 500])


def test_no_texts_give_no_rows(pieces):
    assert [cut([]) for cut in pieces] == [([], [], [], [])] * 2


def test_every_op_is_one_of_tensorflows_own():
    import tensorflow as tf

    from bert_keras import WordPieceTokenizer

    tokenizer = WordPieceTokenizer(VOCABULARY)
    with tokenizer.core_ops():
        traced = tf.function(tokenizer.tokenize_with_offsets, input_signature=[tf.TensorSpec([None], tf.string)])
        graph = traced.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    foreign = {node.op for node in nodes if not hasattr(tf.raw_ops, node.op) and node.op != "_Arg"}
    assert foreign == set()


def test_after_core_ops_the_tokenizer_is_what_it_was():
    from bert_keras import WordPieceTokenizer

    tokenizer = WordPieceTokenizer(VOCABULARY)
    before = tokenizer._pieces
    with pytest.raises(RuntimeError), tokenizer.core_ops():
        assert tokenizer._pieces is not before
        raise RuntimeError
    assert tokenizer._pieces is before
    assert tokenizer("hello help").numpy().tolist() == [VOCABULARY.index("hello"), VOCABULARY.index("help")]


@pytest.mark.slow
@pytest.mark.parametrize("vocabulary", ["bert-base-uncased", "bert-base-cased", "bert-base-chinese"])
def test_real_texts_are_cut_alike(shared_data, vocabulary):
    """A sample; `benchmarks/tokenizer_equality.py` takes every text."""
    program = "benchmarks/tokenizer_equality.py"
    command = [sys.executable, program, "--every", "300", "--vocabularies", vocabulary]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith(" pieces: the same\n"), done.stdout + done.stderr
