"""The task's metrics and the user's thresholds in TFMA's terms."""

import math

import numpy as np
import pytest

pytest.importorskip("tfx")

from bert_keras.metrics import multilabel_metrics, single_label_metrics  # noqa: E402
from bert_keras.tasks import get_task  # noqa: E402
from pipelines.config import EvaluateConfig, Threshold  # noqa: E402
from pipelines.evaluation import TaskMetrics, eval_config, metric_threshold, thresholds  # noqa: E402


def computed(function, names, labels, predictions):
    """What the metric gives for rows as TFMA hands them over, gathered in two parts."""
    (computation,) = TaskMetrics(function, names).computations(model_names=[""])
    parts = [([row], [scores]) for row, scores in zip(labels, predictions)]
    merged = computation.combiner.merge_accumulators(parts)
    return {key.name: value for key, value in computation.combiner.extract_output(merged).items()}


def test_classes_are_measured_by_our_own_function():
    labels, scores = np.array([[0], [1], [1]]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    expected = single_label_metrics(labels[:, 0], scores)
    assert computed("bert_keras.metrics:single_label_metrics", list(expected), labels, scores) == expected


def test_a_single_label_of_many_hot_rows_keeps_its_column():
    labels, scores = np.array([[1.0], [0.0], [1.0]]), np.array([[0.9], [0.2], [0.4]])
    expected = multilabel_metrics(labels, scores)
    assert computed("bert_keras.metrics:multilabel_metrics", list(expected), labels, scores) == expected


def test_a_metric_that_is_undefined_for_some_rows_is_nan_there():
    found = computed("bert_keras.metrics:single_label_metrics", ["accuracy", "roc_auc"], [[1]], [[0.3, 0.7]])
    assert found["accuracy"] == 1 and math.isnan(found["roc_auc"])


def test_a_gain_is_asked_of_what_should_rise_and_a_rise_forbidden_to_what_should_fall():
    rises = metric_threshold(Threshold(change=-0.01), lower_is_better=False).change_threshold
    falls = metric_threshold(Threshold(change=0.01), lower_is_better=True).change_threshold
    assert (rises.absolute.value, falls.absolute.value) == pytest.approx((-0.01, 0.01), abs=1e-8)
    assert (rises.direction, falls.direction) == (2, 1)


def test_a_change_alone_still_stops_nan():
    """Without a base line TFMA drops the change, and would bless nothing for want of a threshold."""
    bound = metric_threshold(Threshold(change=0.0), lower_is_better=False).value_threshold.lower_bound.value
    assert -1e300 > bound > -math.inf


def test_without_thresholds_the_main_metric_must_not_fall_behind():
    spec = get_task("classification").eval_spec(problem="binary", labels=["a", "b"])
    assert thresholds(spec, EvaluateConfig()) == {"accuracy": Threshold(change=0.0)}


def test_thresholds_hold_for_all_rows_together_and_not_for_each_slice():
    spec = get_task("classification").eval_spec(problem="binary", labels=["a", "b"])
    made = eval_config(spec, EvaluateConfig(thresholds={"f1": {"lower_bound": 0.5}}), ["channel"])
    (metrics,) = made.metrics_specs
    (threshold,) = metrics.per_slice_thresholds["f1"].thresholds
    assert [list(slice.feature_keys) for slice in threshold.slicing_specs] == [[]]
    assert [list(slice.feature_keys) for slice in made.slicing_specs] == [[], ["channel"]]
    assert threshold.threshold.value_threshold.lower_bound.value == 0.5
