"""Metrics of a sentence's intents and of the slots in it."""

from collections.abc import Sequence

import numpy as np

from bert_keras.metrics.entities import Counts, each_row, entity_counts, precision_recall_f1, sum_counts

Row = tuple[str | Sequence[str] | set[str], Sequence[str]]


def intent_slot_metrics(gold: Sequence[Row], predicted: Sequence[Row]) -> dict[str, float]:
    """Intent and slot metrics over sentences.

    Args:
        gold: of each sentence its intents (a name, or a set or sequence of names) and its slot tags.
        predicted: the same, with as many slot tags for each sentence.

    Returns:
        What `intent_slot_metrics_of_counts` gives.

    Raises:
        ValueError: no sentences, their numbers differ, or one has more or fewer predicted tags than gold ones (named
            by its row, counted from 0).
    """
    return intent_slot_metrics_of_counts(sum_counts(each_row(intent_slot_counts, gold, predicted)))


def intent_slot_counts(gold: Row, predicted: Row) -> Counts:
    """The counts of one sentence, which add up over sentences.

    Returns:
        "sentences": int64 `[intents right, intents and tags right, 1]`; "intents" and "slots": int64
        `[correct, predicted, gold]`. Slots are read as seqeval's default does, which the literature on ATIS and SNIPS
        uses: an `I-` without a `B-` before it begins a slot.

    Raises:
        ValueError: the numbers of tags differ.
    """
    gold_intents, predicted_intents = _names(gold[0]), _names(predicted[0])
    gold_tags, predicted_tags = list(gold[1]), list(predicted[1])
    intents_right = gold_intents == predicted_intents
    slots = entity_counts(gold_tags, predicted_tags, strict=False)
    return {
        "sentences": np.array([intents_right, intents_right and gold_tags == predicted_tags, 1], "int64"),
        "intents": np.array([len(gold_intents & predicted_intents), len(predicted_intents), len(gold_intents)]),
        "slots": sum(slots.values(), np.zeros(3, "int64")),
    }


def intent_slot_metrics_of_counts(counts: Counts) -> dict[str, float]:
    """Fractions from 0 to 1 from summed `intent_slot_counts`.

    Returns:
        intent_accuracy (the set of intents is exactly the gold one), intent_f1 (micro, over single intents),
        slot_precision, slot_recall and slot_f1 (micro, whole slots), sentence_accuracy (the intents and every slot tag
        right). A division of 0 by 0 gives 0.

    Raises:
        ValueError: no sentence was counted.
    """
    if not counts:
        raise ValueError("Expected at least one sentence; got none.")
    intents_right, all_right, number = map(float, counts["sentences"])
    slots = precision_recall_f1(counts["slots"])
    return {
        "intent_accuracy": intents_right / number,
        "intent_f1": precision_recall_f1(counts["intents"])[2],
        **dict(zip(("slot_precision", "slot_recall", "slot_f1"), slots)),
        "sentence_accuracy": all_right / number,
    }


def _names(intents) -> set[str]:
    return {intents} if isinstance(intents, str) else set(intents)
