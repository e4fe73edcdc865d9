"""Finding the model and Predict over gRPC: a test for each row of the contract's tables."""

import re
import time

import numpy as np
import pytest

from serving import tensors
from serving.protos import predict_pb2, tensor_pb2, types_pb2
from tests.serving.endpoint import predict_request

PREDICT = "PredictionService/Predict"


def outputs(response):
    return {name: tensors.from_proto(proto).tolist() for name, proto in response.outputs.items()}


# === Finding the model ===


def test_a_request_without_a_model_spec_is_refused(endpoint):
    assert endpoint.refusal(PREDICT, predict_pb2.PredictRequest()) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_an_empty_model_name_is_refused(endpoint):
    refusal = endpoint.refusal(PREDICT, predict_request(""))
    assert refusal == ("INVALID_ARGUMENT", "ModelSpec has no name specified.")


def test_an_unknown_model_is_not_found(endpoint):
    refusal = endpoint.refusal(PREDICT, predict_request("nobody"))
    assert refusal == ("NOT_FOUND", "Servable not found for request: Latest(nobody)")


@pytest.mark.parametrize("version", [0, 7])
def test_an_unknown_version_is_not_found_and_0_is_not_the_latest(endpoint, version):
    refusal = endpoint.refusal(PREDICT, predict_request("zoo", version=version))
    assert refusal == ("NOT_FOUND", f"Servable not found for request: Specific(zoo, {version})")


def test_an_unknown_label_is_refused(endpoint):
    refusal = endpoint.refusal(PREDICT, predict_request("zoo", label="canary"))
    assert refusal == ("INVALID_ARGUMENT", "Unrecognized servable version label: canary")


def test_without_a_version_the_answer_says_which_one_answered(endpoint):
    spec = endpoint.call(PREDICT, predict_request("zoo", inputs={"x": np.float32([1.0])})).model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("zoo", 1, "serving_default")
    assert spec.version_label == ""


# === Answers ===


def test_half_plus_two_by_value(endpoint):
    response = endpoint.call(PREDICT, predict_request("zoo", inputs={"x": np.float32([1.0, 2.0, 5.0])}))
    assert outputs(response) == {"y": [2.5, 3.0, 4.5]}


def test_numbers_come_in_typed_fields(endpoint):
    response = endpoint.call(PREDICT, predict_request("zoo", inputs={"x": np.float32([1.0])}))
    assert list(response.outputs["y"].float_val) == [2.5]
    assert response.outputs["y"].tensor_content == b""


def test_every_kind_of_output_by_value(endpoint):
    response = endpoint.call(PREDICT, predict_request("zoo", "kinds", {"x": np.float32([1.0, 0.0])}))
    assert outputs(response) == {
        "f64": [1.0, 0.0],
        "i64": [1, 0],
        "u8": [1, 0],
        "flag": [True, False],
        "text": [b"1.0", b"0.0"],
        "raw_bytes": [b"\x00\xff", b"\x00\xff"],
    }


def test_half_floats_by_value(endpoint):
    response = endpoint.call(PREDICT, predict_request("zoo", "half", {"x": np.float32([1.5, -0.25])}))
    assert outputs(response) == {"half": [1.5, -0.25]}


def test_a_scalar_or_a_vector_is_taken_where_the_signature_says_otherwise(endpoint):
    response = endpoint.call(PREDICT, predict_request("zoo", inputs={"x": np.float32(3.0)}))
    assert outputs(response) == {"y": 3.5}
    response = endpoint.call(PREDICT, predict_request("zoo", inputs={"x": np.float32([[1.0], [2.0]])}))
    assert outputs(response) == {"y": [[2.5], [3.0]]}


def test_fewer_typed_values_than_elements_repeat_the_last_one(endpoint):
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1.0, 2.0])
    proto.tensor_shape.dim.add(size=4)
    assert outputs(endpoint.call(PREDICT, predict_request("zoo", inputs={"x": proto}))) == {"y": [2.5, 3.0, 3.0, 3.0]}


def test_an_output_filter_leaves_the_other_outputs_out(endpoint):
    inputs = {"x": np.float32([1.0]), "k": np.int32([4])}
    response = endpoint.call(PREDICT, predict_request("zoo", "two", inputs, ["double_k"]))
    assert outputs(response) == {"double_k": [8]}


def test_ops_of_tensorflow_text_run(endpoint):
    response = endpoint.call(PREDICT, predict_request("zoo", "text_ops", {"text": ["Crème BRÛLÉE"]}))
    assert outputs(response) == {"folded": ["cre\u0300me bru\u0302le\u0301e".encode()]}


# === Refusals ===


def test_an_unknown_signature_is_a_failed_precondition(endpoint):
    refusal = endpoint.refusal(PREDICT, predict_request("zoo", "none"))
    assert refusal == ("FAILED_PRECONDITION", 'Serving signature key "none" not found.')


def test_too_many_inputs_name_what_is_extra(endpoint):
    refusal = endpoint.refusal(PREDICT, predict_request("zoo", inputs={"x": [1.0], "z": [1.0]}))
    assert refusal == (
        "INVALID_ARGUMENT",
        "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. Missing but required: {}.",
    )


def test_too_few_inputs_name_what_is_missing(endpoint):
    refusal = endpoint.refusal(PREDICT, predict_request("zoo", "two", {"x": np.float32([1.0])}))
    assert refusal == (
        "INVALID_ARGUMENT",
        "input size does not match signature: 1!=2 len({x}) != len({k,x}). Sent extra: {}. Missing but required: {k}.",
    )


def test_the_right_number_of_inputs_under_a_wrong_name(endpoint):
    code, text = endpoint.refusal(PREDICT, predict_request("zoo", inputs={"z": np.float32([1.0])}))
    assert code == "INVALID_ARGUMENT"
    assert text == (
        "Signature input alias: x(feed name: serving_default_x:0) not found in request and no default value provided. "
        "Inputs expected to be in the request {z}, or default input alias set: "
    )


@pytest.mark.parametrize("content", [b"123", b"12345678"])
def test_a_tensor_content_of_the_wrong_size_does_not_parse(endpoint, content):
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_content=content)
    proto.tensor_shape.dim.add(size=1)
    refusal = endpoint.refusal(PREDICT, predict_request("zoo", inputs={"x": proto}))
    assert refusal == ("INVALID_ARGUMENT", "tensor parsing error: x")


def test_a_negative_or_enormous_dimension_does_not_parse(endpoint):
    for size in (-1, 2**62):
        proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1.0])
        proto.tensor_shape.dim.add(size=size)
        refusal = endpoint.refusal(PREDICT, predict_request("zoo", inputs={"x": proto}))
        assert refusal == ("INVALID_ARGUMENT", "tensor parsing error: x")


def test_an_unknown_output_is_refused_with_the_known_ones(endpoint):
    inputs = {"x": np.float32([1.0]), "k": np.int32([4])}
    refusal = endpoint.refusal(PREDICT, predict_request("zoo", "two", inputs, ["sum"]))
    assert refusal == (
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: sum Outputs expected to be in the set {double_k,total}.",
    )


def test_an_output_asked_for_twice_is_refused(endpoint):
    inputs = {"x": np.float32([1.0])}
    refusal = endpoint.refusal(PREDICT, predict_request("zoo", inputs=inputs, outputs=["y", "y"]))
    assert refusal == ("INVALID_ARGUMENT", "duplicate output tensor alias: y")


def test_a_wrong_dtype_is_refused_in_tensorflows_words(endpoint):
    refusal = endpoint.refusal(PREDICT, predict_request("zoo", inputs={"x": ["a"]}))
    assert refusal == ("INVALID_ARGUMENT", "Expects arg[0] to be float but string is provided")


def test_a_wrong_shape_is_refused_by_the_op_itself(endpoint):
    code, text = endpoint.refusal(PREDICT, predict_request("zoo", "matmul", {"x": np.ones((1, 3), np.float32)}))
    assert code == "INVALID_ARGUMENT"
    # Where the product is not fused TensorFlow keeps it in its function and names that too.
    where = r"\[\[(\{\{function_node [^}]*\}\})?\{\{node "
    assert re.match(rf"Matrix size-incompatible: In\[0\]: \[1,3\], In\[1\]: \[2,3\]\n\t {where}", text)


def test_a_deadline_that_passes_while_the_model_runs(endpoint):
    started = time.monotonic()
    code, _ = endpoint.refusal(PREDICT, predict_request("zoo", "slow", {"seconds": np.float32([20.0])}), timeout=0.5)
    assert code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - started < 10


def test_a_long_message_is_cut_at_1024_characters(endpoint):
    inputs = {f"{n:0100}": np.float32([1.0]) for n in range(20)}
    code, text = endpoint.refusal(PREDICT, predict_request("zoo", inputs=inputs))
    assert (code, len(text), text[-13:]) == ("INVALID_ARGUMENT", 1024 + 12, "0...TRUNCATED")


def test_a_message_above_4_megabytes_is_taken_and_answered(endpoint):
    x = np.zeros(3_000_000, np.float32)
    response = endpoint.call(PREDICT, predict_request("zoo", inputs={"x": x}))
    assert tensors.from_proto(response.outputs["y"]).sum() == 6_000_000


def test_the_server_can_answer_with_tensor_content(start_server, settings_of, put_version, tmp_path):
    put_version(tmp_path, 1)
    _, endpoint = start_server(settings_of("m", tmp_path), enable_serialization_as_tensor_content=True)
    proto = endpoint.call(PREDICT, predict_request("m", inputs={"x": np.float32([1.0])})).outputs["y"]
    assert (proto.tensor_content, list(proto.float_val)) == (np.float32([2.0]).tobytes(), [])


def test_deadlines_reach_the_session(zoo_path):
    from serving.server.session import ModelSession
    from serving.server.status import Code, ServingError

    model = ModelSession.load(str(zoo_path / "1"))
    slow = model.signatures["slow"]
    with pytest.raises(ServingError) as caught:
        model.run({slow.inputs["seconds"].name: np.float32([20.0])}, [slow.outputs["y"].name], timeout_ms=200)
    assert (caught.value.code, caught.value.message) == (Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")
