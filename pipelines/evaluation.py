"""What the Evaluator computes: the task's own metrics, inside TFMA.

TFMA brings Keras' metrics, but none for spans or answers, and names its own differently. Here the plain functions of
`bert_keras.metrics` run over the examples of a slice, so that a pipeline and `bert-keras evaluate` give the same
numbers under the same names. What can be counted example by example is, and added up; for the rest all arrays of a
slice come together.
"""

import importlib
import json
import math
import sys
from collections.abc import Sequence

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import config_pb2

from bert_keras.metrics import sum_counts
from pipelines.config import EvaluateConfig, Threshold

# Names of the exported model's signatures: answers for serialized examples, and the targets as the model numbers them.
EXAMPLES_SIGNATURE = "examples"
TARGETS_SIGNATURE = "targets"

# A change of exactly the allowed size must pass although floats are not exact.
_SLACK = 1e-9


class TaskMetrics(metric_types.Metric):
    """All metrics that a task has, of its `EvalSpec`.

    Args:
        function: `module:name`; see `EvalSpec`.
        names: the names to report; one that the function leaves out for some examples is reported as NaN there.
        count: `module:name` of the function that counts an example, or "" for metrics that do not add up.
        arguments: further arguments of `count`.
    """

    def __init__(self, function, names, count="", arguments=None, name="task_metrics"):
        super().__init__(
            metric_util.merge_per_key_computations(_computations),
            name=name,
            function=function,
            names=list(names),
            count=count,
            arguments=arguments or {},
        )


metric_types.register_metric(TaskMetrics)


def _computations(
    function, names, count, arguments, name="", eval_config=None, model_name="", output_name="", sub_key=None
):
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
    combiner = _Counts(keys, function, count, arguments) if count else _WholeArrays(keys, function, eval_config)
    return [metric_types.MetricComputation(keys=keys, preprocessors=None, combiner=combiner)]


def _named(function: str):
    module, name = function.split(":")
    return getattr(importlib.import_module(module), name)


class _Counts(beam.CombineFn):
    """Counts each example by itself and adds up: the accumulator is a dict of name to array, whatever the examples."""

    def __init__(self, keys, function, count, arguments):
        self._keys, self._function, self._count, self._arguments = keys, function, count, arguments

    def create_accumulator(self):
        return {}

    def add_input(self, accumulator, element):
        model = self._keys[0].model_name
        labels, answers = element.get_labels(model), element.get_predictions(model)
        arrays = ({name: np.asarray(values) for name, values in some.items()} for some in (labels, answers))
        return sum_counts((accumulator, _named(self._count)(*arrays, **self._arguments)))

    def merge_accumulators(self, accumulators):
        return sum_counts(accumulators)

    def extract_output(self, accumulator):
        values = _named(self._function)(accumulator)
        return {key: values.get(key.name, math.nan) for key in self._keys}


class _WholeArrays(beam.CombineFn):
    """Gathers labels and predictions, and calls the function once with all of them: metrics of ranks do not add up."""

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
        values = _named(self._function)(labels, predictions)
        return {key: values.get(key.name, math.nan) for key in self._keys}


def eval_config(
    spec, evaluate: EvaluateConfig, slices: Sequence[str] = (), has_baseline: bool = True
) -> config_pb2.EvalConfig:
    """TFMA's config from the task's `EvalSpec`, the user's thresholds, and the features to break metrics down by."""
    model = {
        # Set, because TFMA otherwise guesses by trying Keras' loaders on the SavedModel.
        "model_type": "tf_generic",
        "signature_name": EXAMPLES_SIGNATURE,
        "preprocessing_function_names": [TARGETS_SIGNATURE],
        # Without a prediction key a metric gets all outputs.
        "label_key": spec.label_key,
        "label_keys": {name: name for name in spec.label_keys},
        "prediction_key": spec.prediction_key,
    }
    specs = [config_pb2.ModelSpec(name="candidate", **model)]
    if has_baseline:
        specs.append(config_pb2.ModelSpec(name="baseline", is_baseline=True, **model))
    metric = TaskMetrics(spec.function, spec.metrics, spec.count, spec.arguments)
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
    slicing = [config_pb2.SlicingSpec()] + [config_pb2.SlicingSpec(feature_keys=[name]) for name in slices]
    return config_pb2.EvalConfig(model_specs=specs, metrics_specs=[metrics], slicing_specs=slicing)


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
