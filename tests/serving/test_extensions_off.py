"""Extensions are off unless asked for; on, they change nothing of an answer that they let through."""

import json

import grpc
import numpy as np
import pytest

from serving.protos import predict_pb2
from serving.server import configuration
from serving.server.flags import Flags
from tests.serving.endpoint import predict_request

TOKEN = "anna-secret-0123456789"
REST = [
    ("/v1/models/zoo", None),
    ("/v1/models/zoo/metadata", None),
    ("/v1/models/zoo:predict", {"instances": [1.0, 2.0]}),
    ("/v1/models/zoo/versions/1:predict", {"signature_name": "sentiment", "inputs": ["good", "bad bad"]}),
    ("/v1/models/zoo:classify", {"signature_name": "classify", "examples": [{"x": 1.0}]}),
    ("/v1/models/zoo:regress", {"signature_name": "regress", "examples": [{"x": 1.0}]}),
    ("/v1/models/zoo:predict", {"instances": "a"}),
    ("/v1/models/zoo:predict", b"{"),
    ("/v1/models/nobody:predict", {"instances": [1.0]}),
    ("/v1/models", None),
    ("/v1/nothing", None),
    ("/nothing", None),
    ("/ext/nothing", None),
]
GRPC = [
    predict_request("zoo", inputs={"x": np.float32([1.0])}),
    predict_request("zoo", "sentiment", {"text": ["good"]}),
    predict_request("zoo", "none"),
    predict_request("nobody"),
    predict_request("zoo", inputs={"x": ["text"]}),
]


@pytest.fixture(scope="module")
def extended(zoo_path, tmp_path_factory):
    """A server with every extension on."""
    from tests.serving.conftest import model, serve
    from tests.serving.endpoint import Endpoint

    folder = tmp_path_factory.mktemp("extended")
    (folder / "tokens").write_text(f"anna {TOKEN}\n")
    flags = {
        "ext_auth_token_file": str(folder / "tokens"),
        "ext_max_requests_per_second": 1e6,
        "ext_max_request_bytes": 10**6,
        "ext_request_log": str(folder / "log"),
        "ext_slow_request_ms": 1,
        "ext_status_page": True,
        "enable_batching": True,
        "ext_max_batch_tokens": 1000,
    }
    with serve(model("zoo", zoo_path), **flags) as server:
        yield Endpoint(f"127.0.0.1:{server.port}", f"http://127.0.0.1:{server.rest_port}")


def answered(endpoint, path, body, **headers):
    status, text, found = endpoint.http_with_headers(path, body, headers=headers)
    if found["Content-Type"] == "application/json":
        text = json.loads(text)  # messages have their maps in any order
    return status, text, {name: value for name, value in found.items() if name != "Date"}


def called(endpoint, request, metadata=()):
    """Response or refusal, and all that came with it."""
    with grpc.insecure_channel(endpoint.grpc) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        future = call.future(request.SerializeToString(), timeout=20, metadata=metadata)
        response = predict_pb2.PredictResponse.FromString(future.result()) if future.exception() is None else None
        beside = [dict(future.initial_metadata()), dict(future.trailing_metadata())]
        return response, future.code(), future.details(), beside


@pytest.mark.parametrize("path, body", REST)
def test_over_rest_answers_and_headers_are_the_same(endpoint, extended, path, body):
    plain = answered(endpoint, path, body)
    # The connection is ended where the client asks for it, as this one does.
    assert set(plain[2]) == {"Server", "Content-Type", "Content-Length", "Connection"} - (
        set() if "Connection" in plain[2] else {"Connection"}
    )
    assert answered(extended, path, body, Authorization=f"Bearer {TOKEN}") == plain


@pytest.mark.parametrize("request_", GRPC)
def test_over_grpc_answers_and_metadata_are_the_same(endpoint, extended, request_):
    plain = called(endpoint, request_)
    assert plain[3] == [{}, {}]
    assert called(extended, request_, [("authorization", f"Bearer {TOKEN}")]) == plain


def test_without_flags_nothing_stands_before_a_call_or_in_a_batch():
    found = configuration.read(Flags(enable_batching=True))
    assert (found.gate, found.budget) == (None, None)
