"""Whatever is sent, the answer is a result or a refusal that blames the request; and the next request is answered."""

import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.protos import classification_pb2, inference_pb2, predict_pb2, tensor_pb2
from serving.server.core import CallOptions, ServerCore
from serving.server.rest_routes import Routes
from serving.server.servable import Servable
from serving.server.session import ModelSession
from serving.server.status import Code, ServingError
from tests.serving.endpoint import fill_spec, predict_request

SERVERS_OWN = {Code.INTERNAL, Code.UNKNOWN, Code.DATA_LOSS}
SIGNATURES = ["", "two", "matmul", "sentiment", "same", "text_ops", "classify", "regress", "kinds", "none"]
# SERVING_EXAMPLES=20000 makes a hundred thousand requests of the five tests.
many = settings(
    max_examples=int(os.environ.get("SERVING_EXAMPLES", 300)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class OneModel:
    """Stands for the manager: the zoo, loaded."""

    def __init__(self, servable):
        self.servables = {1: servable}

    def available(self, name):
        return self.servables if name == "zoo" else {}

    def records(self, name):
        return []


@pytest.fixture(scope="module")
def core(zoo_path):
    servable = Servable("zoo", 1, ModelSession.load(str(zoo_path / "1")))
    yield ServerCore(OneModel(servable), CallOptions())
    servable.close()


def blames_the_request(call, request):
    try:
        call(request)
    except ServingError as error:
        assert error.code not in SERVERS_OWN, str(error)


small = st.integers(-3, 5)
tensor_protos = st.builds(
    lambda dtype, shape, floats, ints, strings, content: _tensor(dtype, shape, floats, ints, strings, content),
    st.integers(0, 30) | st.sampled_from([1, 3, 7]),
    st.lists(small, max_size=3),
    st.lists(st.floats(width=32), max_size=4),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4),
    st.lists(st.binary(max_size=8), max_size=4),
    st.binary(max_size=12) | st.just(b""),
)


def _tensor(dtype, shape, floats, ints, strings, content):
    proto = tensor_pb2.TensorProto(
        dtype=dtype, float_val=floats, int_val=ints, string_val=strings, tensor_content=content
    )
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


@many
@given(
    st.sampled_from(SIGNATURES),
    st.dictionaries(st.sampled_from(["x", "k", "text", "text_pair", "inputs", "z"]), tensor_protos, max_size=3),
    st.lists(st.sampled_from(["y", "total", "label", "z"]), max_size=2),
)
def test_any_predict_request(core, signature, inputs, outputs):
    blames_the_request(core.predict, predict_request("zoo", signature, inputs, outputs))


@many
@given(st.binary(max_size=80), st.sampled_from(SIGNATURES), st.sampled_from(["classify", "regress"]))
def test_any_example_bytes(core, data, signature, call):
    request = predict_request("zoo", signature, {"inputs": np.array([data], object)})
    blames_the_request(core.predict, request)
    request = classification_pb2.ClassificationRequest()
    fill_spec(request.model_spec, "zoo", signature)
    request.input.example_list.examples.add().features.feature[signature].bytes_list.value.append(data)
    blames_the_request(getattr(core, call), request)


def test_no_tasks_at_all(core):
    blames_the_request(core.multi_inference, inference_pb2.MultiInferenceRequest())


_text = st.text(st.characters(codec="utf-8"), max_size=5)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | _text | st.just({"b64": "AP8="}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "k", "text", "b64"]), inner),
    max_leaves=8,
)
_bodies = st.dictionaries(
    st.sampled_from(["instances", "inputs", "signature_name", "examples", "context"]),
    _values | st.sampled_from(SIGNATURES),
    max_size=3,
)


@many
@given(_bodies, st.sampled_from(["predict", "classify", "regress"]))
def test_any_json_body(core, body, call):
    status, text = Routes(core, 5000).answer("POST", f"/v1/models/zoo:{call}", json.dumps(body).encode())
    assert status in (200, 400, 404, 501), text


@many
@given(st.binary(max_size=80), st.text(max_size=40))
def test_any_bytes_and_any_path(core, body, path):
    routes = Routes(core, 5000)
    assert routes.answer("POST", "/v1/models/zoo:predict", body)[0] == 400
    assert routes.answer("GET", "/v1/models/" + path, b"")[0] in (200, 400, 404)


def test_the_next_request_is_answered(core):
    request = predict_request("zoo", inputs={"x": np.float32([1.0])})
    assert list(core.predict(request).outputs["y"].float_val) == [2.5]
    assert isinstance(core.predict(request), predict_pb2.PredictResponse)
