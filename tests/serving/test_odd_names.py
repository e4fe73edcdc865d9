"""Names that look like paths, code or headers: of models, labels and versions. No name ever becomes a path."""

import json
import socket
from urllib.parse import quote

import numpy as np
import pytest

from serving.protos import get_model_status_pb2, model_management_pb2, model_server_config_pb2
from serving.server import config
from serving.server.status import ServingError
from tests.serving.endpoint import fill_spec, predict_request

PREDICT = "PredictionService/Predict"
NAMES = [
    "..",
    "../../etc/passwd",
    "/etc",
    "a/b",
    "a b",
    "a%2Fb",
    "a:predict",
    "a\r\nSet-Cookie: b",
    "nul\x00",
    "\u540d\u524d \U0001f600",
    "x" * 2000,
]


@pytest.fixture(scope="module")
def odd(saved_versions, tmp_path_factory):
    """A server of one model under many names, with a label that looks like a path."""
    import shutil

    from tests.serving.conftest import model, serve
    from tests.serving.endpoint import Endpoint

    base = tmp_path_factory.mktemp("odd") / "base"
    shutil.copytree(saved_versions / "1", base / "1")
    flags = {"allow_version_labels_for_unavailable_models": True}
    with serve(*(model(name, base, labels={"../1": 1}) for name in NAMES), **flags) as server:
        yield base, Endpoint(f"127.0.0.1:{server.port}", f"http://127.0.0.1:{server.rest_port}")


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_model_of_any_name_is_served_under_just_that_name(odd, name):
    _, endpoint = odd
    response = endpoint.call(PREDICT, predict_request(name, inputs={"x": np.float32([1.0])}, label="../1"))
    assert (response.model_spec.name, list(response.outputs["y"].float_val)) == (name, [2.0])
    path = f"/v1/models/{quote(name, safe='')}"
    assert endpoint.http(f"{path}/labels/{quote('../1', safe='')}:predict", {"instances": [1.0]})[0] == 200
    status, text, headers = endpoint.http_with_headers(path)
    assert (status, json.loads(text)["model_version_status"][0]["state"]) == (200, "AVAILABLE")
    assert headers["Set-Cookie"] is None


def test_serving_them_writes_no_file(odd):
    base, _ = odd
    assert [path.name for path in base.parent.iterdir()] == ["base"]
    assert [path.name for path in base.iterdir()] == ["1"]


@pytest.mark.parametrize("name", ["../base", "..%2fbase", "%2e%2e", "base/../..", "file:///etc/passwd", "~"])
def test_a_name_that_is_not_served_is_not_found_whatever_lies_there(odd, name):
    _, endpoint = odd
    request = predict_request(name, inputs={"x": np.float32([1.0])})
    assert endpoint.refusal(PREDICT, request) == ("NOT_FOUND", f"Servable not found for request: Latest({name})")
    status = get_model_status_pb2.GetModelStatusRequest()
    fill_spec(status.model_spec, name)
    assert endpoint.refusal("ModelService/GetModelStatus", status)[0] == "NOT_FOUND"
    body = endpoint.http(f"/v1/models/{quote(name, safe='')}:predict", {"instances": [1.0]})
    assert (body[0], json.loads(body[1])["error"]) == (404, f"Servable not found for request: Latest({name})")


@pytest.mark.parametrize(
    "target, status",
    [
        ("/../../../../etc/passwd", 404),
        ("//etc/passwd", 404),
        ("/v1/../../etc/passwd", 400),
        ("/v1/models/../../../etc/passwd", 400),
        ("/v1/models/a/versions/../../etc", 400),
        ("/v1/models/%ff", 400),
        ("/monitoring/prometheus/../../etc/passwd", 404),
        ("http://elsewhere/etc/passwd", 404),
    ],
)
def test_a_path_as_it_is_reaches_no_file(odd, target, status):
    """Sent raw: an ordinary client would tidy the path up first."""
    _, endpoint = odd
    port = int(endpoint.rest.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"root:" not in answer


@pytest.mark.parametrize("path", ["", "models", "../models", "./models", "~/models", "file:models", "C:\\models"])
def test_a_base_path_that_is_not_absolute_is_refused_in_a_file_and_in_a_call(odd, path):
    models = model_server_config_pb2.ModelServerConfig()
    models.model_config_list.config.add(name="m", base_path=path, model_platform="tensorflow")
    text = f"Expected model m to have an absolute path or URI; got base_path()={path}"
    with pytest.raises(ServingError) as caught:
        config.from_proto(models)
    assert str(caught.value) == f"INVALID_ARGUMENT: {text}"
    request = model_management_pb2.ReloadConfigRequest(config=models)
    assert odd[1].refusal("ModelService/HandleReloadConfigRequest", request) == ("INVALID_ARGUMENT", text)


def test_version_folders_are_whole_numbers_and_nothing_else(tmp_path):
    from serving.server import versions

    for name in ("1", "007", "1.5", "-1", "+2", "1e3", "\u0663", " 4", "9223372036854775808", "..1"):
        (tmp_path / name).mkdir()
    (tmp_path / "5").write_text("a file")
    assert sorted(versions.scan(str(tmp_path))) == [1, 7]
