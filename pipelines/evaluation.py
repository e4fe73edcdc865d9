"""What the Evaluator computes: the task's own metrics, inside TFMA.

TFMA brings Keras' metrics, but none for spans or answers, and names its own differently. Here the plain functions of
`bert_keras.metrics` run over all labels and predictions of a slice, so that a pipeline and `bert-keras evaluate` give
the same numbers under the same names.
"""

import importlib
import json
import math
import sys

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import config_pb2

from pipelines.config import EvaluateConfig, Threshold

# Names of the exported model's signatures: answers for serialized examples, and the targets as the model numbers them.
EXAMPLES_SIGNATURE = "examples"
TARGETS_SIGNATURE = "targets"

# A change of exactly the allowed size must pass although floats are not exact.
_SLACK = 1e-9


class TaskMetrics(metric_types.Metric):
    """All metrics that one function of arrays gives.

    Args:
        function: `module:name` of a function `(labels, predictions) -> dict of name to float`.
        names: the names to report; one that the function leaves out for some rows is reported as NaN there.
    """

    def __init__(self, function, names, name="task_metrics"):
        super().__init__(
            metric_util.merge_per_key_computations(_computations), name=name, function=function, names=list(names)
        )


metric_types.register_metric(TaskMetrics)


def _computations(function, names, name="", eval_config=None, model_name="", output_name="", sub_key=None):
    keys = [
        metric_types.MetricKey(
            name=metric,
            model_name=model_name,
            output_name=output_name,
            sub_key=sub_key,
            # As TFMA writes the keys of thresholds that stand beside the metrics.
            example_weighted=None,
        )
        for metric in names
    ]
    combiner = _WholeArrays(keys, function, eval_config)
    return [metric_types.MetricComputation(keys=keys, preprocessors=None, combiner=combiner)]


class _WholeArrays(beam.CombineFn):
    """Gathers labels and predictions, and calls the function once with all of them."""

    def __init__(self, keys, function, eval_config):
        self._keys, self._function, self._eval_config = keys, function, eval_config

    def create_accumulator(self):
        return [], []

    def add_input(self, accumulator, element):
        labels, predictions = accumulator
        for label, prediction, _ in metric_util.to_label_prediction_example_weight(
            element,
            eval_config=self._eval_config,
            model_name=self._keys[0].model_name,
            output_name=self._keys[0].output_name,
            flatten=False,
            squeeze=False,
        ):
            labels.append(label)
            predictions.append(prediction)
        return accumulator

    def merge_accumulators(self, accumulators):
        labels, predictions = self.create_accumulator()
        for more_labels, more_predictions in accumulators:
            labels += more_labels
            predictions += more_predictions
        return labels, predictions

    def extract_output(self, accumulator):
        labels, predictions = (np.stack([np.asarray(row) for row in rows]) for rows in accumulator)
        # TFMA hands a class's number over as an array of one.
        if labels.shape[1:] == (1,) and predictions.shape[1:] != (1,):
            labels = labels[:, 0]
        module, name = self._function.split(":")
        values = getattr(importlib.import_module(module), name)(labels, predictions)
        return {key: values.get(key.name, math.nan) for key in self._keys}


def eval_config(spec, evaluate: EvaluateConfig, has_baseline: bool = True) -> config_pb2.EvalConfig:
    """TFMA's config from the task's `EvalSpec` and the user's thresholds and slices."""
    model = {
        # Set, because TFMA otherwise guesses by trying Keras' loaders on the SavedModel.
        "model_type": "tf_generic",
        "signature_name": EXAMPLES_SIGNATURE,
        "preprocessing_function_names": [TARGETS_SIGNATURE],
        "label_key": spec.label_key,
        "prediction_key": spec.prediction_key,
    }
    specs = [config_pb2.ModelSpec(name="candidate", **model)]
    if has_baseline:
        specs.append(config_pb2.ModelSpec(name="baseline", is_baseline=True, **model))
    metric = TaskMetrics(spec.function, spec.metrics)
    metrics = config_pb2.MetricsSpec(
        metrics=[
            config_pb2.MetricConfig(class_name="ExampleCount"),
            config_pb2.MetricConfig(
                class_name=type(metric).__name__, module=type(metric).__module__, config=json.dumps(metric.get_config())
            ),
        ],
        # For the empty slice, all rows: plain thresholds would hold for every slice.
        per_slice_thresholds={
            name: config_pb2.PerSliceMetricThresholds(
                thresholds=[
                    config_pb2.PerSliceMetricThreshold(
                        slicing_specs=[config_pb2.SlicingSpec()],
                        threshold=metric_threshold(threshold, name in spec.lower_is_better),
                    )
                ]
            )
            for name, threshold in thresholds(spec, evaluate).items()
        },
    )
    slices = [config_pb2.SlicingSpec()] + [config_pb2.SlicingSpec(feature_keys=[name]) for name in evaluate.slices]
    return config_pb2.EvalConfig(model_specs=specs, metrics_specs=[metrics], slicing_specs=slices)


def thresholds(spec, evaluate: EvaluateConfig) -> dict[str, Threshold]:
    """The user's thresholds; without any, the main metric must not fall behind the last blessed model."""
    return evaluate.thresholds or {spec.main_metric: Threshold(change=0.0)}


def metric_threshold(threshold: Threshold, lower_is_better: bool) -> config_pb2.MetricThreshold:
    """A threshold in TFMA's terms."""
    out = config_pb2.MetricThreshold()
    # Without a base line TFMA drops what is said about changes, and blesses nothing that has no other threshold. This
    # one passes every number, and stops NaN.
    out.value_threshold.lower_bound.value = -sys.float_info.max
    if threshold.lower_bound is not None:
        out.value_threshold.lower_bound.value = threshold.lower_bound
    if threshold.upper_bound is not None:
        out.value_threshold.upper_bound.value = threshold.upper_bound
    if threshold.change is not None:
        slack = _SLACK if lower_is_better else -_SLACK
        out.change_threshold.absolute.value = threshold.change + slack
        out.change_threshold.direction = (
            config_pb2.MetricDirection.LOWER_IS_BETTER
            if lower_is_better
            else config_pb2.MetricDirection.HIGHER_IS_BETTER
        )
    return out
