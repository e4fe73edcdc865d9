"""Metrics by value, worked by hand and against the definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras.errors import WorkFailed
from bert_keras.metrics import multilabel_metrics, regression_metrics, single_label_metrics

# True classes 1 1 1 0 0, predicted 1 1 0 0 1: tp 2, fn 1, fp 1, tn 1.
TRUE = [1, 1, 1, 0, 0]
SCORES = [[0.1, 0.9], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4], [0.45, 0.55]]


def test_binary_metrics_by_hand():
    metrics = single_label_metrics(TRUE, SCORES)
    matthews = (2 * 1 - 1 * 1) / math.sqrt(3 * 3 * 2 * 2)
    # Of the six pairs (positive, negative) the positive scores higher in four: 0.9 and 0.8 over both, 0.3 over none.
    expected = {"accuracy": 0.6, "f1": 2 / 3, "precision": 2 / 3, "recall": 2 / 3, "matthews": matthews}
    expected |= {"macro_f1": (2 / 3 + 1 / 2) / 2, "roc_auc": 4 / 6}
    assert metrics == pytest.approx(expected)


def test_three_classes_have_no_binary_metrics():
    metrics = single_label_metrics([0, 1, 2, 2], np.eye(3)[[0, 1, 2, 1]])
    assert metrics == pytest.approx({"accuracy": 0.75, "macro_f1": (1 + 2 / 3 + 2 / 3) / 3, "matthews": 0.7})


def test_one_class_in_the_data_gives_zeros_and_no_area_under_the_curve():
    metrics = single_label_metrics([0, 0], [[1.0, 0.0], [1.0, 0.0]])
    assert metrics == {"accuracy": 1.0, "macro_f1": 1.0, "matthews": 0.0, "f1": 0.0, "precision": 0.0, "recall": 0.0}


def test_multilabel_metrics_by_hand():
    true = [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    scores = [[0.9, 0.2, 0.4], [0.1, 0.5, 0.0], [0.6, 0.7, 0.1]]
    # Predicted: {0}, {}, {0, 1}. Labels: tp fp fn = (1 1 0), (1 0 0), (0 0 1).
    assert multilabel_metrics(true, scores) == pytest.approx({
        "micro_f1": 2 * 2 / (2 * 2 + 1 + 1),
        "macro_f1": (2 / 3 + 1 + 0) / 3,
        "samples_f1": (2 / 3 + 1 + 2 / 3) / 3,
        "subset_accuracy": 1 / 3,
        "hamming_error": 2 / 9,
    })  # fmt: skip


def test_multilabel_without_any_label_is_right_when_none_is_predicted():
    metrics = multilabel_metrics(np.zeros((2, 2)), np.zeros((2, 2)))
    expected = {"micro_f1": 1, "macro_f1": 1, "samples_f1": 1, "subset_accuracy": 1, "hamming_error": 0}
    assert metrics == expected


def test_regression_metrics_by_hand():
    # Deviations (-1, 0, 1) and (-1, -2, 3): pearson 4 / sqrt(2 * 14).
    # Ranks (1, 2, 3) and (2, 1, 3): spearman 1 - 6 * 2 / 24.
    metrics = regression_metrics([1.0, 2.0, 3.0], [2.0, 1.0, 6.0])
    errors = {"mean_squared_error": 11 / 3, "mean_absolute_error": 5 / 3}
    expected = {"pearson": 4 / math.sqrt(28), "spearman": 0.5, **errors}
    assert metrics == pytest.approx(expected)


@pytest.mark.parametrize("values, predicted", [([1, 1], [1, 2]), ([1, 2], [3, 3]), ([1], [2])])
def test_correlation_with_a_constant_is_zero(values, predicted):
    metrics = regression_metrics(values, predicted)
    assert (metrics["pearson"], metrics["spearman"]) == (0, 0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_accuracy_is_the_share_of_equals_and_every_metric_is_in_range(pairs):
    true, predicted = np.array(pairs).T
    metrics = single_label_metrics(true, np.eye(4)[predicted])
    assert metrics["accuracy"] == pytest.approx((true == predicted).mean())
    assert 0 <= metrics["macro_f1"] <= 1 and -1 <= metrics["matthews"] <= 1 + 1e-9


def test_a_model_that_diverged_is_said():
    for call in (
        lambda: single_label_metrics([0], [[math.nan, 0.0]]),
        lambda: multilabel_metrics([[1]], [[math.inf]]),
        lambda: regression_metrics([1.0], [math.nan]),
    ):
        with pytest.raises(WorkFailed, match="NaN or infinite"):
            call()


def test_different_lengths_are_refused():
    with pytest.raises(ValueError, match="got 1 and 2"):
        regression_metrics([1, 2], [1])
