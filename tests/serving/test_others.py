"""Clients from elsewhere, and a model exported by an older TensorFlow."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from serving.client import Client

ROOT = Path(__file__).resolve().parents[2]

OVMSCLIENT = """
import json, sys
import numpy as np
import requests
from ovmsclient import make_grpc_client, make_http_client
from ovmsclient.tfs_compat.base.errors import ModelNotFoundError

grpc_address, rest_address = sys.argv[1:]
grpc, http = make_grpc_client(grpc_address), make_http_client(rest_address)
x = np.array([1.0, 2.0, 5.0], np.float32)
found = {}
found["grpc predict"] = grpc.predict({"x": x}, "zoo", model_version=1).tolist()
found["rest predict"] = http.predict({"x": x}, "zoo", model_version=1).tolist()
found["grpc status"] = grpc.get_model_status("zoo", model_version=1)
found["rest status"] = http.get_model_status("zoo", model_version=1)
metadata = grpc.get_model_metadata("zoo", model_version=1)
found["grpc metadata"] = [metadata["inputs"]["x"]["shape"], metadata["inputs"]["x"]["dtype"]]
try:
    grpc.predict({"x": x}, "zoo")  # sends version 0, present: that is not "the latest"
except ModelNotFoundError as error:
    found["version 0"] = str(error)
print(json.dumps(found))
"""


# ovmsclient's REST metadata call is left out: it reads `signatureDef`, where TensorFlow Serving writes `signature_def`.
@pytest.mark.slow
def test_ovmsclient_reads_our_answers(endpoint, ovmsclient_python):
    argv = [str(ovmsclient_python), "-c", OVMSCLIENT, endpoint.grpc, endpoint.rest.removeprefix("http://")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "Servable not found for request: Specific(zoo, 0)" in found.pop("version 0")
    status = {"1": {"state": "AVAILABLE", "error_code": 0, "error_message": ""}}
    assert found == {
        "grpc predict": [2.5, 3.0, 4.5],
        "rest predict": [2.5, 3.0, 4.5],
        "grpc status": status,
        "rest status": status,
        "grpc metadata": [[-1], "DT_FLOAT"],
    }


MIN_TFS_CLIENT = """
import json, sys
import grpc
import numpy as np
from min_tfs_client.requests import TensorServingClient
from min_tfs_client.tensors import tensor_proto_to_ndarray

host, port = sys.argv[1].split(":")
client = TensorServingClient(host=host, port=int(port))

def predict(**inputs):
    answer = client.predict_request("zoo", inputs)
    return {name: tensor_proto_to_ndarray(proto) for name, proto in answer.outputs.items()}

found = {}
found["floats"] = predict(x=np.array([1.0, 2.0, 5.0], np.float32))["y"].tolist()
found["a column"] = predict(x=np.array([[1.0], [2.0]], np.float32))["y"].tolist()
answer = client.predict_request("zoo", {"x": np.array([1.0], np.float32)}, model_version=1)
found["version"] = answer.model_spec.version.value
for name, model, version, inputs in (
    ("no model", "none", None, {"x": np.array([1.0], np.float32)}),
    ("no version", "zoo", 7, {"x": np.array([1.0], np.float32)}),
    ("text for numbers", "zoo", None, {"x": np.array(["one"])}),
):
    try:
        client.predict_request(model, inputs, model_version=version)
    except grpc.RpcError as error:
        found[name] = [error.code().name, error.details()]
answer = client.predict_request("sentiment", {"text": np.array(["good", "bad bad"])})
found["texts"] = {
    name: tensor_proto_to_ndarray(proto).tolist()
    for name, proto in answer.outputs.items() if name in ("label", "score")
}
print(json.dumps(found))
"""


# Predict alone, of `serving_default`: its calls for Classify and Regress fail before anything is sent.
@pytest.mark.slow
def test_min_tfs_client_reads_our_answers(start_server, settings_of, zoo_path, sentiment_path, min_tfs_client_python):
    _, endpoint = start_server(settings_of("zoo", zoo_path), settings_of("sentiment", sentiment_path))
    argv = [str(min_tfs_client_python), "-c", MIN_TFS_CLIENT, endpoint.grpc]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "floats": [2.5, 3.0, 4.5],
        "a column": [[2.5], [3.0]],
        "version": 1,
        "no model": ["NOT_FOUND", "Servable not found for request: Latest(none)"],
        "no version": ["NOT_FOUND", "Servable not found for request: Specific(zoo, 7)"],
        "text for numbers": ["INVALID_ARGUMENT", "Expects arg[0] to be float but string is provided"],
        "texts": {"label": ["pos", "neg"], "score": [0.75, 1.0]},
    }


@pytest.mark.slow
def test_a_model_of_the_other_stack_answers_the_same_here(start_server, settings_of, other_python, tmp_path):
    """In the core stack: exported by TensorFlow 2.16, served by 2.21."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    # What importing tensorflow_transform leaves behind; the other environment has no Keras 2.
    environment.pop("TF_USE_LEGACY_KERAS", None)
    argv = [str(other_python), "-m", "serving.conformance.zoo", "zoo", str(tmp_path / "1")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    _, endpoint = start_server(settings_of("zoo", tmp_path))
    with Client(endpoint.grpc, "zoo") as client:
        assert client.predict([1.0, 2.0])["y"].tolist() == [2.5, 3.0]
        assert client.predict(["good", "bad bad"], signature="sentiment")["label"].tolist() == ["pos", "neg"]
        assert client.predict("ÀB", signature="text_ops")["folded"].tolist() == ["a\u0300b"]
        assert np.array_equal(client.regress([{"x": 0.5}], signature="regress"), [1.0])
        assert client.classify([{"x": 0.5}], signature="classify") == [[("neg", 0.5), ("pos", 0.5)]]


@pytest.fixture
def other_python(request):
    """Python of an environment with another TensorFlow than this one."""
    import tensorflow as tf

    return request.getfixturevalue("tfx_python" if tf.__version__ > "2.17" else "core_python")
