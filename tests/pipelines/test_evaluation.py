"""The task's metrics and the user's thresholds in TFMA's terms."""

import functools
import math

import numpy as np
import pytest

pytest.importorskip("tfx")

from tensorflow_model_analysis.metrics import metric_types  # noqa: E402

from bert_keras.metrics import multilabel_metrics, single_label_metrics  # noqa: E402
from bert_keras.tasks import get_task  # noqa: E402
from bert_keras.tasks.example_counts import count_answers, count_intents, count_roles  # noqa: E402
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


def entities(*spans):
    """Spans as a served model gives them, filled up by one more place."""
    columns = [*zip(*spans, (-1, -1, b""))]
    return dict(zip(("begin", "end", "label"), map(np.array, columns)))


def inputs(gold, found):
    """An example as TFMA hands it to a combiner."""
    labels = {f"span_{part}": values for part, values in entities(*gold).items()}
    answers = {f"entities_{part}": values for part, values in entities(*found).items()}
    return metric_types.StandardMetricInputs({"labels": labels, "predictions": answers})


def counting_combiner(labels):
    spec = get_task("token-classification").eval_spec(labels=labels)
    metric = TaskMetrics(spec.function, spec.metrics, spec.count, spec.arguments)
    (computation,) = metric.computations(model_names=[""])
    return computation.combiner


PER, LOC = (0, 3, b"PER"), (7, 11, b"LOC")


def test_counts_of_examples_add_up_in_whatever_way_they_are_cut():
    combiner = counting_combiner(["PER", "LOC"])
    rows = [inputs([PER, LOC], [PER]), inputs([LOC], [LOC, PER]), inputs([], []), inputs([PER], [LOC])]
    results = []
    for cuts in ([rows], [rows[:1], rows[1:]], [[row] for row in reversed(rows)]):
        parts = [functools.reduce(combiner.add_input, part, combiner.create_accumulator()) for part in cuts]
        results.append(combiner.extract_output(combiner.merge_accumulators(parts)))
    values = {key.name: value for key, value in results[0].items()}
    assert (values["precision"], values["recall"], values["f1_PER"]) == (0.5, 0.5, 0.5)
    assert results[0] == results[1] == results[2]


def test_the_score_of_a_label_that_nowhere_occurs_is_nan():
    combiner = counting_combiner(["PER", "ORG"])
    found = combiner.extract_output(combiner.add_input(combiner.create_accumulator(), inputs([PER], [PER])))
    values = {key.name: value for key, value in found.items()}
    assert values["f1_PER"] == 1 and math.isnan(values["f1_ORG"])


def test_an_accumulator_does_not_grow_with_the_examples():
    combiner = counting_combiner(["PER"])
    accumulator = functools.reduce(combiner.add_input, [inputs([PER], [PER])] * 50, combiner.create_accumulator())
    assert {name: values.tolist() for name, values in accumulator.items()} == {"PER": [50, 50, 50]}


def test_answers_are_counted_by_their_texts():
    def count(gold, answer, **arguments):
        labels = {"answer_text": np.array([text.encode() for text in (*gold, "")])}
        counts = count_answers(labels, {"answer": np.array([answer.encode()])}, **arguments)
        return {name: values.tolist() for name, values in counts.items()}

    squad, cmrc = {"metric": "squad", "unanswerable": False}, {"metric": "cmrc", "unanswerable": False}
    assert count(["the Rome", "Oslo"], "rome", **squad) == {"all": [1, 1, 1]}
    assert count([], "", **squad) == {"all": [1, 1, 1], "no_answer": [1, 1, 1]}
    assert count(["北京"], "北", **cmrc)["all"] == pytest.approx([0, 2 / 3, 1])
    assert count([], "北", **cmrc) == {"all": [0, 0, 1], "no_answer": [0, 0, 1]}


def test_roles_are_counted_without_the_predicate():
    labels = {f"span_{part}": values for part, values in entities((0, 3, b"A0"), (4, 8, b"V")).items()}
    answers = {f"roles_{part}": values for part, values in entities((0, 3, b"A0")).items()}
    assert {name: values.tolist() for name, values in count_roles(labels, answers, "roles").items()} == {
        "A0": [1, 1, 1]
    }


def test_intents_and_slots_are_counted_by_utterance():
    words = {"word_begin": np.array([0, 4, 9, -1]), "word_end": np.array([3, 8, 11, -1])}
    span = {f"span_{part}": values for part, values in entities((4, 11, b"song")).items()}
    labels = {**words, **span, "intent": np.array([b"play#book"])}
    answers = {f"slots_{part}": values for part, values in entities((4, 8, b"song")).items()}
    counts = count_intents(labels, {**answers, "intent": np.array([b"book#play"])}, name="slots", separator="#")
    assert {name: values.tolist() for name, values in counts.items()} == {
        "sentences": [1, 0, 1],
        "intents": [2, 2, 2],
        "slots": [0, 1, 1],
    }
