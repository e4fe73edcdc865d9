"""Warm-up requests: what a server runs through the model before it serves."""

import numpy as np
import pytest
import tensorflow as tf

prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")


def requests(path):
    """The Predict requests of the warm-up file, parsed."""
    logs = []
    for record in tf.data.TFRecordDataset(str(path / "assets.extra" / "tf_serving_warmup_requests")):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        logs.append(log.predict_log.request)
    return logs


def rows(request):
    return {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}


def test_its_requests_run_through_the_model(exported, served):
    found = requests(exported)
    assert len(found) == 3
    for request in found:
        outputs = served(request.model_spec.signature_name, **rows(request))
        assert np.isfinite(outputs["scores"]).all() and outputs["scores"].shape == (1, 2)


def test_its_texts_have_the_lengths_of_a_sentence_a_query_and_a_paragraph(exported):
    assert [len(rows(request)["text"][0].split()) for request in requests(exported)] == [20, 6, 100]


def test_given_texts_are_written_in_order(classifier, tmp_path):
    classifier.export(tmp_path / "1", warmup_texts=["good film", "日本"])
    assert [rows(request)["text"][0].decode() for request in requests(tmp_path / "1")] == ["good film", "日本"]


def test_pairs_are_written_under_both_names(random_classifier, tmp_path):
    random_classifier(pair=True).export(tmp_path / "1", warmup_texts=[("good", "bad")])
    (request,) = requests(tmp_path / "1")
    assert {name: values.tolist() for name, values in rows(request).items()} == {
        "text": [b"good"],
        "text_pair": [b"bad"],
    }


def test_an_empty_list_writes_no_file(classifier, tmp_path):
    classifier.export(tmp_path / "1", warmup_texts=[])
    assert not (tmp_path / "1" / "assets.extra").exists()


def test_no_more_are_written_than_a_server_takes(classifier, tmp_path):
    classifier.export(tmp_path / "1", warmup_texts=["good"] * 1001)
    assert len(requests(tmp_path / "1")) == 1000
