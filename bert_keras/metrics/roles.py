"""Metrics of semantic roles: the labelled spans around each predicate."""

from collections.abc import Iterable, Sequence

from bert_keras.metrics.entities import Counts, each_row, metrics_of_counts, span_counts, sum_counts

Span = tuple[int, int, str]

# The predicate itself is given, not found: CoNLL-2005's and CoNLL-2012's scores leave it out.
PREDICATE_ROLES = frozenset(("V", "C-V"))


def role_metrics(gold: Sequence[Iterable[Span]], predicted: Sequence[Iterable[Span]]) -> dict[str, float]:
    """Role metrics over predicates.

    Args:
        gold: of each predicate its `(begin, end, role)` spans; a sentence with two predicates gives two rows.
        predicted: the same, in the same order.

    Returns:
        What `metrics_of_counts` gives, with roles as the types; fractions from 0 to 1.

    Raises:
        ValueError: the numbers of predicates differ.
    """
    return metrics_of_counts(sum_counts(each_row(role_counts, gold, predicted)))


def role_counts(gold_spans: Iterable[Span], predicted_spans: Iterable[Span]) -> Counts:
    """The counts of one predicate: role -> int64 `[correct, predicted, gold]`, which add up over predicates.

    The predicate itself (`V`, `C-V`) is left out. A continuation (`C-A1`) and a reference (`R-A1`) count as roles of
    their own, each span by itself. CoNLL-2005's `srl-eval.pl` joins `C-A1` to the `A1` before it and counts the two as
    one argument, so its numbers differ where roles are broken into parts.
    """
    return span_counts(_without_predicate(gold_spans), _without_predicate(predicted_spans))


def _without_predicate(spans):
    return [span for span in spans if span[2] not in PREDICATE_ROLES]
