"""Versions replaced under load, broken versions beside a serving one; with real models and a real server."""

import shutil
import time

import numpy as np
import pytest

from serving import tensors
from serving.protos import get_model_status_pb2, model_pb2
from serving.server.session import ModelSession
from serving.server.status import ServingError
from tests.serving import faults
from tests.serving.endpoint import predict_request
from tests.serving.until import until

PREDICT = "PredictionService/Predict"


def answer(endpoint):
    response = endpoint.call(PREDICT, predict_request("m", inputs={"x": np.float32([10.0])}))
    return response.model_spec.version.value, tensors.from_proto(response.outputs["y"]).tolist()


def states(endpoint):
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=model_pb2.ModelSpec(name="m"))
    response = endpoint.call("ModelService/GetModelStatus", request)
    return {s.version: (s.state, s.status.error_code) for s in response.model_version_status}


@pytest.mark.parametrize("batching", [False, True])
def test_swaps_under_load_fail_no_request_and_mix_no_version(
    start_server, settings_of, put_version, saved_versions, tmp_path, batching
):
    put_version(tmp_path, 1)
    _, endpoint = start_server(settings_of("m", tmp_path), enable_batching=batching)
    assert faults.swaps(endpoint, tmp_path, saved_versions, 6)["answers"] > 6
    until(lambda: states(endpoint)[6] == (50, 0))


def test_a_half_copied_version_is_not_touched_while_the_old_one_serves(
    start_server, settings_of, put_version, saved_versions, tmp_path
):
    put_version(tmp_path, 1)
    _, endpoint = start_server(settings_of("m", tmp_path))
    shutil.copytree(saved_versions / "2", tmp_path / "2", ignore=shutil.ignore_patterns("saved_model.pb"))
    time.sleep(1.5)
    assert (answer(endpoint), states(endpoint)) == ((1, [11.0]), {1: (30, 0)})
    shutil.copy(saved_versions / "2" / "saved_model.pb", tmp_path / "2")
    until(lambda: answer(endpoint) == (2, [12.0]))


@pytest.mark.filterwarnings("ignore:Unexpected end-group tag")  # an older protobuf's remark on such a file
def test_a_corrupted_version_is_given_up_while_the_old_one_serves_until_it_is_mended(
    start_server, settings_of, put_version, saved_versions, tmp_path
):
    put_version(tmp_path, 1)
    _, endpoint = start_server(settings_of("m", tmp_path), max_num_load_retries=0)
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "saved_model.pb").write_bytes(b"\x00 half a graph")
    until(lambda: states(endpoint).get(2) == (50, 15))  # END, DATA_LOSS
    assert answer(endpoint) == (1, [11.0])
    shutil.copytree(saved_versions / "2", tmp_path / "2", dirs_exist_ok=True)
    until(lambda: answer(endpoint) == (2, [12.0]))


def test_removing_all_versions_unloads_the_model(start_server, settings_of, put_version, tmp_path):
    put_version(tmp_path, 1)
    _, endpoint = start_server(settings_of("m", tmp_path))
    shutil.rmtree(tmp_path / "1")
    until(lambda: states(endpoint) == {1: (50, 0)})
    assert endpoint.refusal(PREDICT, predict_request("m")) == (
        "NOT_FOUND",
        "Servable not found for request: Latest(m)",
    )


# === Loading ===


def test_a_missing_tag_is_not_found(saved_versions):
    with pytest.raises(ServingError, match="NOT_FOUND: Could not find meta graph def matching supplied tags: { gpu }"):
        ModelSession.load(str(saved_versions / "1"), tags=("gpu",))
