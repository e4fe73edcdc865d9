"""Precision, recall and F1 of entities: spans with a type, counted as whole spans.

Counts of sentences add up, so that they can be summed in any order and on any machine before one division.
"""

from collections.abc import Iterable, Sequence

import numpy as np

Counts = dict[str, np.ndarray]


def entity_metrics(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], strict: bool = True
) -> dict[str, float]:
    """Entity metrics over sentences, equal to seqeval's.

    Args:
        gold: tags of each sentence, e.g. `["B-PER", "I-PER", "O"]`.
        predicted: the same number of tags for each sentence.
        strict: which tags make an entity; see `tag_spans`.

    Returns:
        What `metrics_of_counts` gives; fractions from 0 to 1.

    Raises:
        ValueError: a sentence has more or fewer predicted tags than gold ones (named by its row, counted from 0), the
            number of sentences differs, or a tag is not of the scheme.
    """
    return metrics_of_counts(sum_counts(each_row(lambda *row: entity_counts(*row, strict), gold, predicted)))


def entity_counts(gold_tags: Sequence[str], predicted_tags: Sequence[str], strict: bool = True) -> Counts:
    """The counts of one sentence: type -> int64 `[correct, predicted, gold]`; types without an entity are not in it.

    Raises:
        ValueError: the numbers of tags differ, or a tag is not of the scheme.
    """
    if len(gold_tags) != len(predicted_tags):
        raise ValueError(
            f"{len(predicted_tags)} predicted tags for {len(gold_tags)} gold tags; expected one for each token."
        )
    return span_counts(tag_spans(gold_tags, strict), tag_spans(predicted_tags, strict))


def span_counts(gold_spans: Iterable[tuple[int, int, str]], predicted_spans: Iterable[tuple[int, int, str]]) -> Counts:
    """The counts of one text's `(begin, end, type)` spans: type -> int64 `[correct, predicted, gold]`.

    A span is correct where begin, end and type are those of a gold span. A span given twice counts once.
    """
    gold, predicted = set(map(tuple, gold_spans)), set(map(tuple, predicted_spans))
    counts = {}
    for column, spans in enumerate((gold & predicted, predicted, gold)):
        for *_, kind in spans:
            counts.setdefault(kind, np.zeros(3, "int64"))[column] += 1
    return counts


def sum_counts(many: Iterable[Counts]) -> Counts:
    """The sum of any number of counts, name by name; names come sorted."""
    total = {}
    for counts in many:
        for name, values in counts.items():
            total[name] = total[name] + values if name in total else values
    return dict(sorted(total.items()))


def metrics_of_counts(counts: Counts) -> dict[str, float]:
    """Fractions from summed counts.

    Args:
        counts: type -> `[correct, predicted, gold]`.

    Returns:
        precision, recall and f1 over all spans (micro); macro_precision, macro_recall and macro_f1, means over the
        types that occur in gold or prediction; precision_TYPE, recall_TYPE and f1_TYPE, and support_TYPE, the number
        of gold spans. A division of 0 by 0 gives 0.
    """
    by_type = {name: precision_recall_f1(values) for name, values in counts.items()}
    macro = np.mean(list(by_type.values()), axis=0) if by_type else np.zeros(3)
    micro = precision_recall_f1(np.sum(list(counts.values()), axis=0) if counts else np.zeros(3))
    out = dict(zip(("precision", "recall", "f1"), micro))
    out |= dict(zip(("macro_precision", "macro_recall", "macro_f1"), map(float, macro)))
    for name, values in by_type.items():
        out |= dict(zip((f"precision_{name}", f"recall_{name}", f"f1_{name}"), values))
        out[f"support_{name}"] = float(counts[name][2])
    return out


def precision_recall_f1(values: np.ndarray) -> tuple[float, float, float]:
    """Three fractions from `[correct, predicted, gold]`; 0 where there is nothing to divide by."""
    correct, predicted, gold = map(float, values)
    precision = correct / predicted if predicted else 0.0
    recall = correct / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
    return precision, recall, f1


def tag_spans(tags: Sequence[str], strict: bool = True) -> list[tuple[int, int, str]]:
    """The entities of one sentence's tags as `(begin, end, type)` in tokens, `end` past the last one.

    Args:
        tags: `O`, or a prefix and a type such as `B-PER`. A prefix alone has the type `_`.
        strict: True is seqeval's `mode="strict", scheme=IOB2`: an entity begins at `B-` and goes on with `I-` of the
            same type; an `I-` that follows neither is no entity. False is seqeval's default, conlleval's way: an `I-`
            or `E-` after `O`, after `E-` or `S-`, or after another type begins an entity too, and `E-` and `S-` end
            one.

    Raises:
        ValueError: an empty tag; with `strict` also a prefix other than B, I and O.
    """
    return _strict_spans(tags) if strict else _lenient_spans(tags)


def each_row(function, gold: Sequence, predicted: Sequence):
    """Yields `function(gold[i], predicted[i])`; ValueErrors get the row's number before them."""
    if len(gold) != len(predicted):
        raise ValueError(f"Expected as many predicted rows as gold ones; got {len(predicted)} and {len(gold)}.")
    for row, pair in enumerate(zip(gold, predicted)):
        try:
            yield function(*pair)
        except ValueError as error:
            raise ValueError(f"row {row}: {error}") from error


def _strict_spans(tags):
    spans, begin, kind = [], None, None
    for index, tag in enumerate([*tags, "O"]):
        prefix, here = tag[:1], tag[1:].strip("-") or "_"
        if prefix not in ("B", "I", "O"):
            raise ValueError(f"tag {tag!r} at token {index}; expected O, or B- or I- and a type.")
        if begin is not None and not (prefix == "I" and here == kind):
            spans.append((begin, index, kind))
            begin = None
        if prefix == "B":
            begin, kind = index, here
    return spans


def _lenient_spans(tags):
    spans, begin, before, kind = [], 0, "O", "_"
    for index, tag in enumerate([*tags, "O"]):
        if not tag:
            raise ValueError(f"an empty tag at token {index}; expected O, or a prefix and a type.")
        prefix, here = tag[0], tag[1:].split("-", maxsplit=1)[-1] or "_"
        changed = here != kind
        if before in "ES" or (before in "BI" and prefix in "BSO") or (before not in "O." and changed):
            spans.append((begin, index, kind))
        if prefix in "BS" or (before in "ESO" and prefix in "EI") or (prefix not in "O." and changed):
            begin = index
        before, kind = prefix, here
    return spans
