"""Requests that a version answers before it serves, as section 1.7 of the contract has them."""

import shutil

import numpy as np
import pytest

from serving.protos import prediction_log_pb2
from serving.server.status import ServingError
from tests.serving.endpoint import fill_spec, predict_request
from tests.serving.warmup_file import write_warmup


def warm_up(folder, **kwargs):
    from serving.server.core import CallOptions
    from serving.server.servable import Servable
    from serving.server.session import ModelSession
    from serving.server.warmup import warm_up

    servable = Servable("m", 1, ModelSession.load(str(folder)))
    return warm_up(servable, str(folder), CallOptions(), **kwargs), servable.metrics


def predict_log(name="another model", inputs="x"):
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(predict_request(name, inputs={inputs: np.float32([1.0])}))
    return log


@pytest.fixture
def version_folder(saved_versions, tmp_path):
    return shutil.copytree(saved_versions / "1", tmp_path / "1")


def test_warm_up_replays_requests_whatever_model_they_name(version_folder):
    write_warmup(version_folder, predict_log(), predict_log("m"))
    count, metrics = warm_up(version_folder, iterations=3)
    assert (count, metrics.runtime_latency.count("m", "Predict", "TF1")) == (2, 6)
    assert metrics.model_warmup_latency.count(str(version_folder), "OK") == 1


def test_a_record_without_a_request_is_passed_over(version_folder):
    write_warmup(version_folder, prediction_log_pb2.PredictionLog(), predict_log())
    count, metrics = warm_up(version_folder)
    assert (count, metrics.runtime_latency.count("m", "Predict", "TF1")) == (2, 1)


def test_all_four_calls_are_replayed(zoo_path, tmp_path):
    folder = shutil.copytree(zoo_path / "1", tmp_path / "1")
    logs = [prediction_log_pb2.PredictionLog() for _ in range(4)]
    logs[0].predict_log.request.CopyFrom(predict_request("zoo", inputs={"x": np.float32([1.0])}))
    for log, kind in zip(logs[1:3], ("classify", "regress")):
        request = getattr(log, f"{kind}_log").request
        fill_spec(request.model_spec, "zoo", kind)
        request.input.example_list.examples.add()
    task = logs[3].multi_inference_log.request.tasks.add(method_name="tensorflow/serving/regress")
    fill_spec(task.model_spec, "zoo", "regress")
    logs[3].multi_inference_log.request.input.example_list.examples.add()
    write_warmup(folder, *logs)
    count, metrics = warm_up(folder)
    calls = "Predict", "Classify", "Regress", "MultiInference"
    assert (count, [metrics.runtime_latency.count("m", call, "TF1") for call in calls]) == (4, [1, 1, 1, 1])


def test_the_flag_turns_warm_up_off(start_server, settings_of, version_folder):
    write_warmup(version_folder, predict_log(inputs="z"))  # it would fail the load
    server, _ = start_server(settings_of("m", version_folder.parent), enable_model_warmup=False)
    assert list(server.manager.available("m")) == [1]


def test_a_failing_warm_up_stops_the_start(start_server, settings_of, version_folder):
    write_warmup(version_folder, predict_log(inputs="z"))
    with pytest.raises(ServingError) as caught:
        start_server(settings_of("m", version_folder.parent), max_num_load_retries=0)
    assert str(caught.value).startswith(
        "UNKNOWN: 1 servable(s) did not become available: {{{name: m version: 1} due to error: INVALID_ARGUMENT: "
        "Signature input alias: x"
    )


@pytest.mark.parametrize(
    "log, text",
    [
        (b"\xff\xff", "INVALID_ARGUMENT: Failed to parse warmup record: "),
        (predict_log(inputs="z"), "INVALID_ARGUMENT: Signature input alias: x"),
        (prediction_log_pb2.PredictionLog(session_run_log={}), "UNIMPLEMENTED: Unsupported log_type for warmup: 5"),
        (
            prediction_log_pb2.PredictionLog(predict_streamed_log={}),
            "UNIMPLEMENTED: Unsupported log_type for warmup: 7",
        ),
    ],
)
def test_a_warm_up_request_that_fails_fails_the_load(version_folder, log, text):
    write_warmup(version_folder, log)
    with pytest.raises(ServingError) as caught:
        warm_up(version_folder)
    assert str(caught.value).startswith(text)


def test_more_than_1000_warm_up_records_fail_the_load(version_folder):
    write_warmup(version_folder, *[predict_log()] * 1001)
    with pytest.raises(ServingError, match="Number of warmup records exceeds the maximum \\(1000\\) at "):
        warm_up(version_folder)


def test_a_warm_up_file_that_is_no_tfrecord_file_fails_the_load(version_folder):
    (version_folder / "assets.extra").mkdir()
    (version_folder / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no records at all")
    with pytest.raises(ServingError, match="DATA_LOSS: .* Please verify your warmup data is in TFRecord format."):
        warm_up(version_folder)
