"""Batching around real models: what callers of a server see of it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving import tensors
from serving.protos import classification_pb2, prediction_log_pb2
from tests.serving.endpoint import fill_spec, predict_request
from tests.serving.warmup_file import write_warmup

PREDICT = "PredictionService/Predict"


@pytest.fixture
def batching_server(start_server, settings_of, zoo_path, tmp_path):
    """`batching_server("max_batch_size { value: 4 }")`: the zoo, batched; the server and its endpoint."""

    def start(parameters, **flags):
        path = tmp_path / "batching.config"
        path.write_text(parameters)
        flags = {"enable_batching": True, "batching_parameters_file": str(path), **flags}
        return start_server(settings_of("zoo", zoo_path), **flags)

    return start


def together(endpoint, requests):
    """Answers, in the order of the requests, which are all sent at once."""
    with ThreadPoolExecutor(len(requests)) as callers:
        return list(callers.map(lambda request: endpoint.call(PREDICT, request), requests))


def y(response):
    return tensors.from_proto(response.outputs["y"]).tolist()


def test_requests_at_the_same_time_run_as_one_and_answer_as_if_alone(batching_server):
    # The batch runs when it is full: 12 rows.
    server, endpoint = batching_server("max_batch_size { value: 12 } batch_timeout_micros { value: 600000000 }")
    rows = [[1.0], [2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0, 10.0, 11.0, 12.0]]
    responses = together(endpoint, [predict_request("zoo", inputs={"x": np.float32(row)}) for row in rows])
    assert [y(response) for response in responses] == [[x / 2 + 2 for x in row] for row in rows]
    metrics = server.metrics
    assert metrics.wrapped_run_count.first_value() == 1
    assert (metrics.processed_batch_size.count(), metrics.processed_batch_size.total()) == (1, 12)
    assert metrics.runtime_latency.count("zoo", "Predict", "TF1") == 4


def test_signatures_and_calls_share_the_threads_and_answer_right(batching_server):
    _, endpoint = batching_server("num_batch_threads { value: 1 }")
    requests = [predict_request("zoo", inputs={"x": np.float32([n])}) for n in range(4)]
    requests += [predict_request("zoo", "sentiment", {"text": [text]}) for text in ("good", "bad bad")]
    responses = together(endpoint, requests)
    assert [y(response) for response in responses[:4]] == [[n / 2 + 2] for n in range(4)]
    labels = [tensors.from_proto(response.outputs["label"]).tolist() for response in responses[4:]]
    assert labels == [[b"pos"], [b"neg"]]
    classify = classification_pb2.ClassificationRequest()
    fill_spec(classify.model_spec, "zoo", "classify")
    classify.input.example_list.examples.add()
    (row,) = endpoint.call("PredictionService/Classify", classify).result.classifications
    assert [(one.label, one.score) for one in row.classes] == [("neg", 0.75), ("pos", 0.25)]
    assert endpoint.http("/v1/models/zoo:predict", {"instances": [1.0]})[0] == 200


def test_texts_of_any_length_answer_in_a_batch_as_they_do_alone(batching_server):
    server, endpoint = batching_server("max_batch_size { value: 9 } batch_timeout_micros { value: 600000000 }")
    texts = [["good " * n + "bad " * m for m in range(3)] for n in (0, 1, 20)]
    responses = together(endpoint, [predict_request("zoo", "sentiment", {"text": text}) for text in texts])
    assert server.metrics.wrapped_run_count.first_value() == 1
    servable = server.manager.available("zoo")[1]
    signature = servable.signatures["sentiment"]
    for text, response in zip(texts, responses):
        feeds = {signature.inputs["text"].name: np.array([one.encode() for one in text], object)}
        names = sorted(signature.outputs)
        alone = servable._session._session.run(feeds, [signature.outputs[name].name for name in names])
        found = {name: tensors.from_proto(proto).tolist() for name, proto in response.outputs.items()}
        assert found == {name: value.tolist() for name, value in zip(names, alone)}


def test_refusals_are_those_of_batching(batching_server):
    _, endpoint = batching_server("max_batch_size { value: 2 }")
    assert endpoint.refusal(PREDICT, predict_request("zoo", inputs={"x": np.float32([1, 2, 3])})) == (
        "INVALID_ARGUMENT",
        "Task size 3 is larger than maximum input batch size 2",
    )
    assert endpoint.refusal(PREDICT, predict_request("zoo", inputs={"x": np.float32(1)})) == (
        "INVALID_ARGUMENT",
        "Batching Run() input tensors must have at least one dimension",
    )
    assert endpoint.refusal(PREDICT, predict_request("zoo", "scalar", {"x": np.float32([1, 2])})) == (
        "FAILED_PRECONDITION",
        "Batched output tensor has 0 dimensions",
    )
    assert endpoint.http_error("/v1/models/zoo:predict", {"instances": [1.0, 2.0, 3.0]}) == (
        400,
        "Task size 3 is larger than maximum input batch size 2",
    )


def test_large_requests_are_spread_where_that_is_asked_for(batching_server):
    server, endpoint = batching_server(
        "max_batch_size { value: 10 } max_execution_batch_size { value: 4 } "
        "enable_large_batch_splitting { value: true }"
    )
    response = endpoint.call(PREDICT, predict_request("zoo", inputs={"x": np.arange(10, dtype=np.float32)}))
    assert y(response) == [n / 2 + 2 for n in range(10)]
    assert server.metrics.wrapped_run_count.first_value() == 3


def test_rest_waits_no_longer_than_its_limit(batching_server):
    """Alone in a batch that waits for more, a request runs out of time there."""
    _, endpoint = batching_server("batch_timeout_micros { value: 300000 }", rest_api_timeout_in_ms=100)
    assert endpoint.http_error("/v1/models/zoo:predict", {"instances": [1.0]}) == (
        429,
        "Run() timeout exceeded while waiting in batching queue",
    )


def test_a_version_brings_its_own_parameters_or_is_not_batched(start_server, settings_of, put_version, tmp_path):
    for name in ("own", "none"):
        (tmp_path / name).mkdir()
        put_version(tmp_path / name, 1)
    (tmp_path / "own" / "1" / "batching_params.pbtxt").write_text("max_batch_size { value: 2 }")
    server, endpoint = start_server(
        settings_of("own", tmp_path / "own"),
        settings_of("none", tmp_path / "none"),
        enable_batching=True,
        enable_per_model_batching_parameters=True,
    )
    three = np.float32([1, 2, 3])
    assert endpoint.refusal(PREDICT, predict_request("own", inputs={"x": three}))[0] == "INVALID_ARGUMENT"
    assert y(endpoint.call(PREDICT, predict_request("none", inputs={"x": three}))) == [2.0, 3.0, 4.0]
    assert server.metrics.wrapped_run_count.first_value() == 0


def test_closing_a_server_leaves_no_queue(start_server, settings_of, put_version, tmp_path):
    put_version(tmp_path, 1)
    server, endpoint = start_server(settings_of("m", tmp_path), enable_batching=True)
    assert y(endpoint.call(PREDICT, predict_request("m", inputs={"x": np.float32([10.0])}))) == [11.0]
    assert len(server._scheduler._queues) == 1
    server.stop()
    assert server._scheduler._queues == []
    assert not any(thread.is_alive() for thread in server._scheduler._threads)


def test_warm_up_goes_through_the_batches(start_server, settings_of, put_version, tmp_path):
    put_version(tmp_path, 1)
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(predict_request("m", inputs={"x": np.float32([1.0])}))
    write_warmup(tmp_path / "1", log)
    server, _ = start_server(settings_of("m", tmp_path), enable_batching=True)
    assert server.metrics.wrapped_run_count.first_value() == 1
