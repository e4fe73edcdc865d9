"""Role metrics, worked by hand."""

import pytest

from bert_keras.metrics import metrics_of_counts, role_counts, role_metrics, sum_counts

GOLD = [
    [(0, 2, "A0"), (2, 3, "V"), (3, 6, "A1"), (7, 8, "R-A1")],
    [(4, 5, "V"), (5, 6, "C-V"), (0, 1, "A1"), (8, 9, "C-A1")],
]
PREDICTED = [
    [(0, 2, "A0"), (2, 3, "V"), (3, 5, "A1"), (7, 8, "R-A1")],
    [(0, 1, "A1"), (8, 9, "A1")],
]


def test_metrics_by_hand():
    # A0 1 of 1; A1 1 of 3 predicted, 2 gold; R-A1 1 of 1; C-A1 0 of 0, 1 gold. Together 3 of 5 predicted, 5 gold.
    metrics = role_metrics(GOLD, PREDICTED)
    assert metrics.items() >= {"precision": 3 / 5, "recall": 3 / 5, "f1_A0": 1.0, "f1_R-A1": 1.0}.items()
    assert metrics["f1"] == pytest.approx(3 / 5)
    assert metrics["f1_A1"] == pytest.approx(2 * 1 / (3 + 2))
    assert metrics["f1_C-A1"] == 0 and metrics["support_C-A1"] == 1
    assert metrics["macro_f1"] == pytest.approx((1 + 2 / 5 + 0 + 1) / 4)


def test_the_predicate_itself_is_not_counted():
    assert role_counts([(0, 1, "V"), (2, 3, "C-V")], [(5, 6, "V")]) == {}
    assert not any(name.endswith("_V") for name in role_metrics(GOLD, PREDICTED))


def test_counts_of_predicates_add_up_to_the_metrics():
    counts = [role_counts(*rows) for rows in zip(GOLD, PREDICTED)]
    assert metrics_of_counts(sum_counts(reversed(counts))) == role_metrics(GOLD, PREDICTED)


def test_a_missing_predicate_is_refused():
    with pytest.raises(ValueError, match="got 1 and 2"):
        role_metrics(GOLD, PREDICTED[:1])
