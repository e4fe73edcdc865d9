"""Intent and slot metrics, worked by hand."""

import pytest

from bert_keras.metrics import intent_slot_counts, intent_slot_metrics, intent_slot_metrics_of_counts, sum_counts

GOLD = [
    ("flight", ["O", "B-city", "I-city"]),
    (("flight", "fare"), ["B-city", "O"]),
    ({"fare"}, ["O"]),
]
PREDICTED = [
    ("flight", ["O", "B-city", "I-city"]),  # all right
    (["fare"], ["B-city", "B-date"]),  # one intent of two; one slot of two predicted
    ({"flight"}, ["O"]),  # another intent
]


def test_metrics_by_hand():
    # Intents: 2 of 3 predicted right, 4 gold. Slots: 2 of 3 predicted right, 2 gold.
    assert intent_slot_metrics(GOLD, PREDICTED) == pytest.approx({
        "intent_accuracy": 1 / 3, "intent_f1": 2 * 2 / (3 + 4),
        "slot_precision": 2 / 3, "slot_recall": 1, "slot_f1": 4 / 5,
        "sentence_accuracy": 1 / 3,
    })  # fmt: skip


def test_the_order_of_intents_says_nothing():
    assert intent_slot_metrics([(["a", "b"], ["O"])], [(["b", "a"], ["O"])])["intent_accuracy"] == 1


def test_a_slot_that_begins_with_an_inside_tag_counts_but_the_sentence_is_not_right():
    metrics = intent_slot_metrics([("x", ["B-city"])], [("x", ["I-city"])])
    assert metrics["slot_f1"] == 1 and metrics["sentence_accuracy"] == 0


def test_right_tags_with_a_wrong_intent_are_not_a_right_sentence():
    metrics = intent_slot_metrics([("x", ["O"])], [("y", ["O"])])
    assert metrics["sentence_accuracy"] == 0 and metrics["slot_f1"] == 0


def test_counts_of_sentences_add_up_to_the_metrics():
    counts = [intent_slot_counts(*rows) for rows in zip(GOLD, PREDICTED)]
    total = sum_counts([sum_counts(counts[2:]), sum_counts(counts[:2])])
    assert intent_slot_metrics_of_counts(total) == intent_slot_metrics(GOLD, PREDICTED)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at least one sentence"):
        intent_slot_metrics([], [])
    with pytest.raises(ValueError, match="got 2 and 3"):
        intent_slot_metrics(GOLD, PREDICTED[:2])
    with pytest.raises(ValueError, match="row 1: 2 predicted tags for 1 gold tags"):
        intent_slot_metrics([("x", ["O"]), ("x", ["O"])], [("x", ["O"]), ("x", ["O", "O"])])
