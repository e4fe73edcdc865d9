"""Pieces learnt from counted words, beside the `tokenizers` library and beside counting all pairs anew each time."""

import collections
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

GOLDEN = Path(__file__).parents[2] / "golden" / "pieces.json"


@pytest.fixture(scope="module")
def learn_pieces():
    from bert_keras.tokenizers.piece_learner import learn_pieces

    return learn_pieces


def test_the_pieces_are_those_of_the_tokenizers_library_in_its_order(learn_pieces):
    golden = json.loads(GOLDEN.read_text(encoding="ascii"))
    assert len(golden["pieces"]) == 60
    letters = sorted({letter for word in golden["words"] for letter in word})
    assert learn_pieces(golden["words"], letters, len(golden["pieces"])) == golden["pieces"]


@given(st.dictionaries(st.text(st.sampled_from("aab"), min_size=1, max_size=7), st.integers(1, 9), max_size=8))
def test_the_pieces_are_those_of_a_trainer_that_counts_all_pairs_anew(learn_pieces, words):
    assert learn_pieces(words, ["a", "b"], 20) == counted_anew(words, 20)


@given(st.dictionaries(st.text(st.sampled_from("abc"), min_size=1, max_size=5), st.integers(1, 9)), st.randoms())
def test_the_order_of_the_words_changes_nothing(learn_pieces, words, random):
    shuffled = list(words.items())
    random.shuffle(shuffled)
    assert learn_pieces(dict(shuffled), list("abc"), 12) == learn_pieces(words, list("abc"), 12)


def test_a_beginning_that_words_share_becomes_a_piece(learn_pieces):
    words = {f"under{a}{b}": 3 for a in "bcfghijk" for b in "lmopqstv"}
    assert "under" in learn_pieces(words, list("abcdefghijklmnopqrstuv"), 10)


def test_a_word_with_another_character_is_left_out(learn_pieces):
    assert learn_pieces({"ab": 5, "é0é0": 9}, ["a", "b"], 5) == ["ab"]


def test_a_pair_that_is_too_rare_becomes_no_piece(learn_pieces):
    assert learn_pieces({"ab": 5, "ac": 4}, ["a", "b", "c"], 5, min_count=5) == ["ab"]


def counted_anew(words, size, min_count=2):
    cut = {word: [word[0], *("##" + letter for letter in word[1:])] for word in words}
    pieces = {}
    while len(pieces) < size:
        pairs = collections.Counter()
        for word, parts in cut.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[word]
        best, count = min(pairs.items(), key=lambda item: (-item[1], item[0]), default=(None, 0))
        if count < min_count:
            break
        pieces[best[0] + best[1][2:]] = None
        for word, parts in cut.items():
            cut[word] = joined(parts, best)
    return list(pieces)


def joined(parts, pair):
    if tuple(parts[:2]) == pair:
        return [parts[0] + parts[1][2:], *joined(parts[2:], pair)]
    return [parts[0], *joined(parts[1:], pair)] if parts else []
