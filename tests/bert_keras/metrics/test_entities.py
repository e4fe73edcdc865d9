"""Entity metrics beside seqeval's, and worked by hand."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.metrics import entity_counts, entity_metrics, metrics_of_counts, span_counts, sum_counts
from bert_keras.metrics.entities import tag_spans

CASES = json.loads((Path(__file__).parents[2] / "golden" / "entities.json").read_text(encoding="utf-8"))
TAGS = st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B", "I-C"])


# Sentences with E- and S- tags have lenient numbers only: strict is IOB2.
MODES = [(index, mode) for index, case in enumerate(CASES) for mode in ("lenient", "strict") if mode in case]


@pytest.mark.parametrize("index, mode", MODES, ids=[f"{CASES[index]['name']} {index} {mode}" for index, mode in MODES])
def test_the_numbers_are_seqevals(index, mode):
    case = CASES[index]
    found = entity_metrics(case["gold"], case["predicted"], strict=mode == "strict")
    # seqeval has no numbers where there is no entity at all; ours are 0.
    expected = case[mode] or dict.fromkeys(found, 0.0)
    assert found == pytest.approx(expected)


def test_metrics_by_hand():
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O"]]
    predicted = [["B-PER", "I-PER", "O", "O"], ["B-PER", "O"]]
    # PER: 1 of 2 predicted right, 1 gold. LOC: none predicted, 2 gold.
    assert entity_metrics(gold, predicted) == pytest.approx({
        "precision": 1 / 2, "recall": 1 / 3, "f1": 2 / 5,
        "macro_precision": 1 / 4, "macro_recall": 1 / 2, "macro_f1": 1 / 3,
        "precision_LOC": 0, "recall_LOC": 0, "f1_LOC": 0, "support_LOC": 2,
        "precision_PER": 1 / 2, "recall_PER": 1, "f1_PER": 2 / 3, "support_PER": 1,
    })  # fmt: skip


def test_an_inside_tag_without_a_beginning_counts_only_when_lenient():
    tags = ["O", "I-PER", "I-PER", "I-LOC", "B-LOC"]
    assert tag_spans(tags, strict=True) == [(4, 5, "LOC")]
    assert tag_spans(tags, strict=False) == [(1, 3, "PER"), (3, 4, "LOC"), (4, 5, "LOC")]


def test_an_inside_tag_of_another_type_ends_an_entity():
    assert tag_spans(["B-PER", "I-LOC", "I-PER"]) == [(0, 1, "PER")]


def test_an_end_tag_closes_what_it_stands_in_and_a_single_tag_stands_alone():
    tags = ["B-X", "I-X", "E-X", "E-X", "S-X", "I-X"]
    assert tag_spans(tags, strict=False) == [(0, 3, "X"), (3, 4, "X"), (4, 5, "X"), (5, 6, "X")]


@given(st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), max_size=6), st.booleans())
def test_counts_of_sentences_add_up_to_the_metrics(sentences, strict):
    gold = [[pair[0] for pair in sentence] for sentence in sentences]
    predicted = [[pair[1] for pair in sentence] for sentence in sentences]
    counts = [entity_counts(*pair, strict) for pair in zip(gold, predicted)]
    halves = [sum_counts(counts[::2]), sum_counts(counts[1::2])]
    assert metrics_of_counts(sum_counts(halves)) == entity_metrics(gold, predicted, strict)


def test_summing_leaves_the_parts_as_they_were():
    part = entity_counts(["B-X"], ["B-X"])
    assert sum_counts([part, part])["X"].tolist() == [2, 2, 2]
    assert part["X"].tolist() == [1, 1, 1]


def test_spans_are_right_where_begin_end_and_type_are():
    gold = [(0, 5, "PER"), (8, 12, "LOC"), (20, 22, "LOC")]
    predicted = [(0, 5, "PER"), (8, 12, "ORG"), (20, 23, "LOC"), [0, 5, "PER"]]
    counts = {name: values.tolist() for name, values in span_counts(gold, predicted).items()}
    assert counts == {"PER": [1, 1, 1], "LOC": [0, 1, 2], "ORG": [0, 1, 0]}


def test_nothing_to_find_and_nothing_found_is_0():
    assert set(entity_metrics([["O"]], [["O"]]).values()) == {0.0}


def test_a_sentence_with_too_few_tags_is_named():
    with pytest.raises(ValueError, match="row 1: 1 predicted tags for 2 gold tags"):
        entity_metrics([["O"], ["O", "O"]], [["O"], ["O"]])


def test_a_missing_sentence_is_refused():
    with pytest.raises(ValueError, match="got 1 and 2"):
        entity_metrics([["O"], ["O"]], [["O"]])


def test_a_tag_of_another_scheme_is_refused_when_strict():
    with pytest.raises(ValueError, match="row 0: tag 'S-PER' at token 1"):
        entity_metrics([["O", "S-PER"]], [["O", "O"]])


@pytest.mark.parametrize("strict", [False, True])
def test_an_empty_tag_is_refused(strict):
    with pytest.raises(ValueError, match="tag.* at token 0"):
        tag_spans([""], strict)
