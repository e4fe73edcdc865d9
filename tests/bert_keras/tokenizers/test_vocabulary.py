"""Vocabularies trained on texts: what is in them, in which order, and that the tokenizer cuts texts with them."""

import gzip
from pathlib import Path

import pytest

from bert_keras.errors import BadInput

TEXTS = ["The lower the Löwe, the slower the flow.", "Slow, lower; low!", "北京 is low. 北方 下"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def training():
    from bert_keras.tokenizers import vocabulary

    return vocabulary


def test_special_tokens_come_first_then_characters_then_pieces_as_learnt(training):
    vocabulary = training.train_vocabulary(TEXTS, 40)
    # What stands once is left out.
    characters = sorted({*"thelowrs,.", "北"})
    letters = [character for character in characters if character.isalpha() and character != "北"]
    assert vocabulary[:5] == SPECIAL
    assert vocabulary[5 : 5 + len(characters) + len(letters)] == characters + ["##" + letter for letter in letters]
    # "ow" stands in seven words of these letters; no other pair is as frequent.
    assert vocabulary[5 + len(characters) + len(letters)] == "##ow"


def test_an_uncased_vocabulary_is_of_lower_case_without_accents(training):
    pieces = training.train_vocabulary(["Élan élan ELAN"] * 2, 60, kind="uncased")
    assert "elan" in pieces and not any(letter in piece for letter in "ÉéLAN" for piece in pieces[5:])


def test_a_cased_vocabulary_keeps_case_and_accents(training):
    pieces = training.train_vocabulary(["Élan élan"] * 3, 60, kind="cased")
    assert {"Élan", "élan"} < set(pieces)


def test_ideographs_and_marks_stand_alone(training):
    pieces = training.train_vocabulary(["北京北京。"] * 3, 60, kind="chinese")
    assert pieces == [*SPECIAL, "。", "京", "北"]


def test_any_word_of_known_letters_can_be_cut(training):
    from bert_keras import WordPieceTokenizer

    tokenizer = WordPieceTokenizer(training.train_vocabulary(TEXTS, 40))
    ids = tokenizer.tokenize("wolf shelter, 北 tower 京").numpy().tolist()
    assert ids.count(tokenizer.unk_token_id) == 2  # f and 京 stand once in the texts.


def test_the_size_is_never_exceeded_and_reached_where_the_corpus_allows(training):
    texts = [f"word{a}{b} other{b}{a}" for a in "abcdefgh" for b in "klmnop"] * 2
    assert [len(training.train_vocabulary(texts, size)) for size in (60, 75, 100)] == [60, 75, 100]


def test_the_same_texts_give_the_same_vocabulary_in_any_order(training):
    assert training.train_vocabulary(TEXTS[::-1], 45) == training.train_vocabulary(TEXTS, 45)


def test_words_are_counted_as_the_tokenizer_cuts_them(training):
    counts = training.count_words(["Don't, 北京 " + "x" * 101, "don"], lowercase=True)
    assert counts == {"don": 2, "'": 1, "t": 1, ",": 1, "北": 1, "京": 1}


def test_pieces_per_word_weighs_words_by_their_counts(training):
    vocabulary = [*SPECIAL, "low", "##er", "a"]
    assert training.pieces_per_word({"low": 5, "lower": 2, "zebra": 3}, vocabulary, True) == (1.2, 0.3)


@pytest.mark.parametrize("texts", ["one text", Path("corpus.txt"), [Path("corpus.txt")], ["a", None]])
def test_what_is_no_list_of_texts_is_refused(training, texts):
    with pytest.raises(BadInput, match="texts (is a single one|holds .*expected str)"):
        training.train_vocabulary(texts, 50)


def test_a_size_that_characters_fill_is_refused(training):
    with pytest.raises(BadInput, match=r"of 20 pieces has no room: special tokens and single characters take \d+"):
        training.train_vocabulary(TEXTS, 20)


def test_an_unknown_kind_is_refused(training):
    with pytest.raises(BadInput, match="no kind of vocabulary 'klingon'; expected one of uncased, cased, chinese"):
        training.train_vocabulary(TEXTS, 100, kind="klingon")


def test_texts_without_words_are_refused(training):
    with pytest.raises(BadInput, match="The corpus holds no word"):
        training.train_vocabulary([" "], 100)


@pytest.mark.slow
def test_english_news_need_few_pieces_a_word(training, shared_data):
    with gzip.open(shared_data / "pretrain_en_wikinews" / "wikinews.txt.gz", "rt", encoding="utf-8") as file:
        counts = training.count_words((line for _, line in zip(range(8000), file)), lowercase=True)
    vocabulary = training.pieces_of_words(counts, 4000, 1000)
    per_word, unknown = training.pieces_per_word(counts, vocabulary, lowercase=True)
    assert len(vocabulary) == 4000
    assert per_word < 1.45 and unknown < 1e-4
