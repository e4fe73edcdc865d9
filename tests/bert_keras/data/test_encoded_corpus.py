"""Documents as ids, with the borders of words, sentences and documents."""

import numpy as np
import pytest

from bert_keras.data.encoded_corpus import encode_documents
from bert_keras.data.segmenters import LongestMatch, load_segmenter
from bert_keras.errors import BadInput

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing", "##ed", ".", *"我在北京大学", "nba"]


@pytest.fixture(scope="module")
def tokenizer():
    from bert_keras import WordPieceTokenizer

    return WordPieceTokenizer(PIECES)


def words(corpus):
    """The corpus' words as strings of pieces."""
    starts = np.flatnonzero(corpus.word_starts)
    return ["".join(PIECES[token] for token in part) for part in np.split(corpus.token_ids, starts[1:])]


def test_borders_of_words_sentences_and_documents(tokenizer):
    corpus = encode_documents([["playing.", "played playing"], ["play"]], tokenizer)
    assert [PIECES[token] for token in corpus.token_ids] == [
        "play",
        "##ing",
        ".",
        "play",
        "##ed",
        "play",
        "##ing",
        "play",
    ]
    assert words(corpus) == ["play##ing", ".", "play##ed", "play##ing", "play"]
    assert corpus.sentences.tolist() == [0, 3, 7, 8] and corpus.documents.tolist() == [0, 2, 3]


def test_sentences_and_documents_without_tokens_are_dropped(tokenizer):
    corpus = encode_documents([["\u200b", "play"], [], ["\u200b"], ["played"]], tokenizer)
    assert corpus.sentences.tolist() == [0, 1, 3] and corpus.documents.tolist() == [0, 1, 2]


def test_many_documents_are_encoded_as_each_alone(tokenizer):
    documents = [["playing", "play."] * (index % 5 + 1) for index in range(1500)]
    corpus = encode_documents(documents, tokenizer)
    assert np.diff(corpus.documents).tolist() == [len(document) for document in documents]
    assert corpus.num_tokens == 2 * corpus.num_sentences


def test_unknown_tokens_are_counted(tokenizer):
    assert encode_documents([["play quux", "zzz"]], tokenizer).unknown == 2


def test_without_a_segmenter_each_ideograph_is_a_word(tokenizer):
    assert words(encode_documents([["我在北京大学"]], tokenizer)) == list("我在北京大学")


def test_a_segmenter_says_what_a_word_is(tokenizer):
    segmenter = LongestMatch(["北京", "大学", "北京大学"])
    corpus = encode_documents([["我在北京大学 playing. 我nba", "北京"]], tokenizer, segmenter)
    assert words(corpus) == ["我", "在", "北京大学", "play##ing", ".", "我", "nba", "北京"]


def test_a_segmenter_may_drop_blanks(tokenizer):
    corpus = encode_documents([["我 在北京  大学"]], tokenizer, lambda text: ["我", "在", "北京", "大学"])
    assert words(corpus) == ["我", "在", "北京", "大学"]


def test_a_segmenter_that_changes_the_text_is_refused(tokenizer):
    with pytest.raises(BadInput, match="The segmenter gave the word 'beijing', which is not where it should be"):
        encode_documents([["北京"]], tokenizer, lambda text: ["beijing"])


def test_the_longest_word_of_the_list_wins():
    cut = LongestMatch(["ab", "abc", "cd"])
    assert cut("abcd") == ["abc", "d"] and cut("xcdab") == ["x", "cd", "ab"] and cut("") == []


def test_a_list_of_words_may_have_counts(tmp_path):
    (tmp_path / "words.txt").write_text("北京 34488 ns\n\n大学 20025 n\n", encoding="utf-8")
    assert load_segmenter(str(tmp_path / "words.txt"))("北京大学") == ["北京", "大学"]


def test_a_function_can_be_named():
    assert load_segmenter("shlex:split")("a b") == ["a", "b"]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("no_such_module:cut", "No module named 'no_such_module'; expected an installed module, or a list of words"),
        ("shlex:cut", "has no attribute 'cut'"),
        ("missing.txt", "missing.txt: there is no such file"),
    ],
)
def test_a_segmenter_that_is_not_there_is_refused(named, said):
    with pytest.raises(BadInput, match=said):
        load_segmenter(named)
