"""Files to targets and answers: what training fixes, what evaluation checks, what the graph answers."""

import numpy as np
import pytest
import tensorflow as tf

from bert_keras import BadInput, TextClassifier
from bert_keras.data.records import Records


def records(targets, rows=None, **features):
    features = features or {"text": ["good"] * len(targets)}
    return Records(features, targets, rows or list(range(2, len(targets) + 2)), "dev.csv", {"label": "y"})


class TestDescription:
    @pytest.mark.parametrize("targets, options, expected", [
        (["pos", "neg"], {}, {"problem": "binary", "labels": ["neg", "pos"], "pair": False}),
        (["3", "1", "2"], {}, {"problem": "multiclass", "labels": ["1", "2", "3"], "pair": False}),
        (["0.5", "1"], {}, {"problem": "regression", "labels": [], "pair": False}),
        (["a|b", "a"], {"label_separator": "|"},
         {"problem": "multilabel", "labels": ["a", "b"], "label_separator": "|", "pair": False}),
        (["1", "2", "3"], {"problem": "regression"}, {"problem": "regression", "labels": [], "pair": False}),
    ])  # fmt: skip
    def test_training_records_fix_the_constructors_arguments(self, targets, options, expected):
        assert TextClassifier.describe_targets(records(targets), **options) == expected

    def test_a_second_text_makes_it_a_model_of_pairs(self):
        pair = records(["a", "b"], text=["x", "y"], text_pair=["x", "y"])
        assert TextClassifier.describe_targets(pair)["pair"] is True


class TestEncoding:
    def test_labels_become_ids_and_texts_the_models_inputs(self, trained):
        x, y, weights = trained.encode_records(records(["pos", "neg"], text=["a", "b"], text_pair=["c", "d"]))
        assert x == {"text": ["a", "b"]} and y.tolist() == [1, 0] and weights is None

    def test_records_without_targets_have_none(self, trained):
        x, y, _ = trained.encode_records(Records({"text": ["a"]}, None, [2], "f.csv"))
        assert x == {"text": ["a"]} and y is None

    def test_an_unknown_label_names_its_row_and_the_nearest(self, trained):
        with pytest.raises(BadInput) as caught:
            trained.encode_records(records(["pos", "ng"], rows=[2, 7]))
        assert "dev.csv, row 7, field 'y': the label 'ng' is not one of the model's (did you mean 'neg'?)" in str(
            caught.value
        )

    def test_a_missing_column_is_named(self, make_classifier):
        model = make_classifier(pair=True, backbone={"num_layers": 1})
        with pytest.raises(BadInput, match="dev.csv has no column for 'text_pair', which this model reads"):
            model.encode_records(records(["pos"]))

    def test_several_labels_become_a_row_of_zeros_and_ones(self, make_classifier):
        model = make_classifier(
            labels=["a", "b", "c"], problem="multilabel", label_separator="|", backbone={"num_layers": 1}
        )
        assert model.encode_records(records(["a|c", "", "b"]))[1].tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]

    def test_evaluation_without_targets_is_refused(self, trained):
        with pytest.raises(BadInput, match="f.csv"):
            trained.evaluate_records(Records({"text": ["a"]}, None, [2], "f.csv"))


class TestMetrics:
    def test_one_label(self, trained):
        logits = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], "float32"))
        found = trained.metrics_of(np.array([0, 1, 1, 1]), logits)
        assert found["accuracy"] == pytest.approx(0.75)
        assert found["precision"] == pytest.approx(1) and found["recall"] == pytest.approx(2 / 3)
        assert found["f1"] == pytest.approx(0.8) and found["roc_auc"] == pytest.approx(1)

    def test_several_labels_count_from_a_score_of_a_half(self, make_classifier):
        model = make_classifier(labels=["a", "b"], problem="multilabel", backbone={"num_layers": 1})
        found = model.metrics_of(np.array([[1, 0], [1, 1.0]]), np.array([[2, -2], [2, -1.0]], "float32"))
        assert found["micro_f1"] == pytest.approx(0.8) and found["hamming_error"] == pytest.approx(0.25)
        assert found["subset_accuracy"] == pytest.approx(0.5)

    def test_metrics_and_answers_agree_on_a_score_of_exactly_a_half(self, make_classifier):
        model = make_classifier(labels=["a", "b"], problem="multilabel", backbone={"num_layers": 1})
        logits = np.array([[0.0, -3.0]], "float32")
        predicted = model.serving_outputs(tf.constant(logits))["predicted"].numpy()
        assert model.metrics_of(predicted.astype("float32"), logits)["subset_accuracy"] == 1

    def test_numbers(self, make_classifier):
        model = make_classifier(labels=[], problem="regression", backbone={"num_layers": 1})
        found = model.metrics_of(np.array([1.0, 2, 4]), np.array([[1.0], [2], [3]], "float32"))
        assert found["mean_squared_error"] == pytest.approx(1 / 3) and found["mean_absolute_error"] == pytest.approx(
            1 / 3
        )

    def test_every_metric_that_the_pipeline_is_promised_is_there(self, trained):
        spec = TextClassifier.eval_spec(problem="binary")
        found = trained.metrics_of(np.array([0, 1]), np.array([[1.0, 0], [0, 1]], "float32"))
        assert set(spec.metrics) == set(found) and spec.main_metric in found


class TestServingOutputs:
    def test_one_label(self, trained):
        served = trained.serving_outputs(tf.constant([[0.0, 2.0], [3.0, 0.0]]))
        assert served["label"].numpy().tolist() == [b"pos", b"neg"]
        assert served["classes"].numpy().tolist() == [[b"neg", b"pos"]] * 2
        high = 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-3))
        np.testing.assert_allclose(served["score"], high, rtol=1e-6)
        np.testing.assert_allclose(served["scores"], [[1 - high[0], high[0]], [high[1], 1 - high[1]]], rtol=1e-5)

    def test_several_labels(self, make_classifier):
        model = make_classifier(labels=["a", "b"], problem="multilabel", backbone={"num_layers": 1})
        served = model.serving_outputs(tf.constant([[2.0, -2.0]]))
        assert served["predicted"].numpy().tolist() == [[True, False]]
        np.testing.assert_allclose(served["scores"], [[0.880797, 0.119203]], rtol=1e-5)
        assert model.answers_of({name: value.numpy() for name, value in served.items()})[0]["labels"] == ["a"]

    def test_a_number(self, make_classifier):
        model = make_classifier(labels=[], problem="regression", backbone={"num_layers": 1})
        served = model.serving_outputs(tf.constant([[1.5]]))
        assert {name: value.numpy().tolist() for name, value in served.items()} == {"value": [1.5]}


class TestPipelineTargets:
    def test_targets_as_examples_hold_them(self):
        def raw(targets, **described):
            return TextClassifier.example_targets(records(targets), **described)

        assert raw(["1", "0"], problem="binary", labels=["0", "1"]) == [["1"], ["0"]]
        assert raw(["0.5", "2"], problem="regression", labels=[]) == [[0.5], [2.0]]
        assert raw(["b|a", ""], problem="multilabel", labels=["a", "b"], label_separator="|") == [["a", "b"], []]

    def test_names_become_ids_in_the_graph_and_unknown_ones_minus_1(self, trained):
        found = trained.target_features({"label": tf.constant(["pos", "neg", "other"])})
        assert found["label_id"].numpy().tolist() == [1, 0, -1]

    def test_several_names_become_a_row_of_zeros_and_ones_in_the_graph(self, make_classifier):
        model = make_classifier(labels=["a", "b", "c"], problem="multilabel", backbone={"num_layers": 1})
        target = tf.sparse.from_dense(tf.constant([["c", "a"], ["b", ""]]))
        assert model.target_features({"label": target})["label_id"].numpy().tolist() == [[1, 0, 1], [0, 1, 0]]
