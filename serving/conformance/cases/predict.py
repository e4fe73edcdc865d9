"""1.2: Predict over gRPC."""

import re
import time

import numpy as np

from serving import tensors
from serving.conformance.case import Case, Section, same
from serving.conformance.subject import PREDICT, shown
from serving.conformance.wire import predict_request
from serving.protos import tensor_pb2, types_pb2

CASES: list[Case] = []
section = Section(CASES, "1.2", "plain")

X = {"x": np.float32([1.0, 2.0])}
_TWO = {"x": np.float32([1.0]), "k": np.int32([4])}


def _float_proto(size: int, **fields):
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, **fields)
    proto.tensor_shape.dim.add(size=size)
    return proto


def _refused(name: str, says: str, request, code: str, text) -> None:
    section.refused(name, says, PREDICT, request, code, text)


# === Refusals ===

_refused(
    "unknown-signature",
    "The message names the signature.",
    predict_request("ops", "none", X),
    "FAILED_PRECONDITION",
    'Serving signature key "none" not found.',
)
_refused(
    "number-of-inputs:too-many",
    "The message lists the inputs sent, those of the signature, and what is extra.",
    predict_request("ops", inputs={**X, "z": np.float32([1.0])}),
    "INVALID_ARGUMENT",
    "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. Missing but required: {}.",
)
_refused(
    "number-of-inputs:too-few",
    "The message lists the inputs sent, those of the signature, and what is missing.",
    predict_request("zoo", "two", {"x": np.float32([1.0])}),
    "INVALID_ARGUMENT",
    "input size does not match signature: 1!=2 len({x}) != len({k,x}). Sent extra: {}. Missing but required: {k}.",
)
_refused(
    "wrong-input-name",
    "The message names the missing input and the tensor that it feeds.",
    predict_request("ops", inputs={"z": np.float32([1.0])}),
    "INVALID_ARGUMENT",
    re.compile(
        r"Signature input alias: x\(feed name: x:0\) not found in request and no default value provided\. .*", re.DOTALL
    ),
)
for _name, _proto in {
    "content-too-short": _float_proto(1, tensor_content=b"123"),
    "content-too-long": _float_proto(1, tensor_content=b"12345678"),
    "negative-dimension": _float_proto(-1, float_val=[1.0]),
}.items():
    _refused(
        f"tensor-does-not-parse:{_name}",
        "The message names the input whose TensorProto does not parse.",
        predict_request("ops", inputs={"x": _proto}),
        "INVALID_ARGUMENT",
        "tensor parsing error: x",
    )


@section.case("tensor-does-not-parse:too-many-typed-values")
def too_many_typed_values(server):
    """Typed fields with more values than the shape has elements do parse: TensorFlow's Tensor::FromProto cuts them
    (seen with its own ParseTensor op; only a tensor_content of another size does not parse)."""
    server.predicted(predict_request("ops", inputs={"x": _float_proto(1, float_val=[1.0, 5.0])}), {"y": [2.0]})


_refused(
    "unknown-output",
    "The message names the output, and those that there are.",
    predict_request("zoo", "two", _TWO, ["sum"]),
    "INVALID_ARGUMENT",
    "output tensor alias not found in signature: sum Outputs expected to be in the set {double_k,total}.",
)
_refused(
    "duplicate-output",
    "The message names the output that is asked for twice.",
    predict_request("ops", inputs=X, outputs=["y", "y"]),
    "INVALID_ARGUMENT",
    "duplicate output tensor alias: y",
)
_refused(
    "wrong-dtype",
    "The session's own words.",
    predict_request("ops", inputs={"x": ["a"]}),
    "INVALID_ARGUMENT",
    "Expects arg[0] to be float but string is provided",
)
_refused(
    "wrong-shape",
    "The op that meets the shape says what is wrong, and which node it is.",
    predict_request("zoo", "matmul", {"x": np.ones((1, 3), np.float32)}),
    "INVALID_ARGUMENT",
    re.compile(
        r"Matrix size-incompatible: In\[0\]: \[1,3\], In\[1\]: \[2,3\]\n\t "
        r"\[\[(\{\{function_node [^}]*\}\})?\{\{node .*",
        re.DOTALL,
    ),
)


@section.case("deadline")
def deadline(server):
    """DEADLINE_EXCEEDED when the deadline passes while the model runs; the run is given up, not waited for."""
    started = time.monotonic()
    request = predict_request("ops", "wait", X)
    server.refused(PREDICT, request, "DEADLINE_EXCEEDED", re.compile(".*"), timeout=0.5)
    same("seconds until the refusal are few", time.monotonic() - started < 30, True)
    server.predicted(predict_request("ops", inputs=X), {"y": [2.0, 3.0]})


# === The signature's method ===


@section.case("method-name:not-looked-at")
def method_name_is_not_looked_at(server):
    """Without --enable_signature_method_name_check a signature of any method answers Predict."""
    server.predicted(predict_request("old", "other", X), {"y": [2.0, 3.0]})


section.refused(
    "method-name:looked-at",
    "With --enable_signature_method_name_check the message names the methods that Predict takes.",
    PREDICT,
    predict_request("old", "other", X),
    "INTERNAL",
    re.compile(r"Expected prediction signature method_name to be one of \{.*\}\. Was: some/method"),
    setup="flags",
)

# === What is taken ===


@section.case("declared-shapes-are-not-checked")
def declared_shapes_are_not_checked(server):
    """A scalar, [1] or more dimensions are taken where the signature says [-1, 1]: only ops look at shapes."""
    for x in (np.float32(3.0), np.float32([3.0]), np.float32([[3.0, 4.0]])):
        server.predicted(predict_request("ops", "column", {"x": x}), {"y": (2 * x).tolist()})


@section.case("defaults")
def defaults(server):
    """An input that the request leaves out has the value of SignatureDef.defaults."""
    server.predicted(predict_request("old"), {"y": [42.0]})
    server.predicted(predict_request("old", inputs=X), {"y": [2.0, 3.0]})


@section.case("last-value-repeats")
def last_value_repeats(server):
    """Typed fields with fewer values than the shape has elements repeat the last one."""
    request = predict_request("ops", inputs={"x": _float_proto(4, float_val=[1.0, 2.0])})
    server.predicted(request, {"y": [2.0, 3.0, 3.0, 3.0]})


# === What is answered ===


@section.case("all-outputs:without-a-filter")
def all_outputs(server):
    """Without an output_filter all outputs of the signature come, of any dtype."""
    expected = {
        "f64": [1.0, 0.0],
        "i64": [1, 0],
        "u8": [1, 0],
        "flag": [True, False],
        "text": [b"1.0", b"0.0"],
        "raw_bytes": [b"\x00\xff", b"\x00\xff"],
    }
    server.predicted(predict_request("zoo", "kinds", {"x": np.float32([1.0, 0.0])}), expected)


@section.case("all-outputs:with-a-filter")
def filtered_outputs(server):
    """With an output_filter only the outputs in it come."""
    server.predicted(predict_request("zoo", "two", _TWO, ["double_k"]), {"double_k": [8]})


@section.case("only-fetched-outputs-are-computed")
def only_fetched_outputs_are_computed(server):
    """An output that is not asked for is not computed: that computing it would fail does not show."""
    server.predicted(predict_request("ops", "pruned", X, ["good"]), {"good": [2.0, 3.0]})
    failing = re.compile(r"not computed : Tensor had Inf.*", re.DOTALL)
    server.refused(PREDICT, predict_request("ops", "pruned", X), "INVALID_ARGUMENT", failing)


@section.case("typed-fields")
def typed_fields(server):
    """Numbers come in typed fields (float_val and its like), not in tensor_content."""
    request = predict_request("ops", inputs=X)
    proto = server.call(PREDICT, request).outputs["y"]
    same(shown(PREDICT, request), (list(proto.float_val), proto.tensor_content), ([2.0, 3.0], b""))
    request = predict_request("zoo", "kinds", {"x": np.float32([1.0])})
    found = server.call(PREDICT, request).outputs
    typed = list(found["f64"].double_val), list(found["i64"].int64_val), list(found["flag"].bool_val)
    same(shown(PREDICT, request), typed, ([1.0], [1], [True]))


@section.case("tensor-content", "flag:enable_serialization_as_tensor_content", setup="flags")
def tensor_content(server):
    """With --enable_serialization_as_tensor_content (release 2.19 and later) numbers come in tensor_content."""
    request = predict_request("ops", inputs=X)
    proto = server.call(PREDICT, request).outputs["y"]
    got = proto.tensor_content, list(proto.float_val)
    same(shown(PREDICT, request), got, (np.float32([2.0, 3.0]).tobytes(), []))
    same(shown(PREDICT, request), tensors.from_proto(proto).tolist(), [2.0, 3.0])
