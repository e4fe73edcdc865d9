"""1.5: REST paths, bodies and answers. Bodies that do not fit are in rest_refusals.py, metrics in metrics.py."""

import base64
import gzip
import json
import re

from serving.conformance.case import Case, Section, same

CASES: list[Case] = []
section = Section(CASES, "1.5", "plain", "rest")
flags = Section(CASES, "1.5", "flags", "rest")

PREDICT = "/v1/models/ops:predict"
ONE = {"instances": [1.0]}
_TWO = {"predictions": [2.0]}

# === Paths ===

for _name, _path, _says in (
    ("plain", PREDICT, "POST /v1/models/NAME:predict"),
    ("version", "/v1/models/ops/versions/1:predict", "POST /v1/models/NAME/versions/N:predict"),
    ("case", "/V1/Models/ops/Versions/1:PREDICT", "Paths ignore case."),
    ("decoded", "/v1/models/o%70s:predict", "Names are URL-decoded."),
):
    section.add(f"paths:{_name}", _says, lambda server, path=_path: server.http_says(path, ONE, _TWO))


@flags.case("paths:label")
def label_in_the_path(server):
    """POST /v1/models/NAME/labels/LABEL:predict, GET /v1/models/NAME/labels/LABEL[/metadata]"""
    path = "/v1/models/ops/labels/stable"
    server.http_says(f"{path}:predict", ONE, _TWO)
    same(f"GET {path}[/metadata]", [server.http(path + more).status for more in ("", "/metadata")], [200, 200])
    text = "Unrecognized servable version label: canary"
    server.http_refused("/v1/models/ops/labels/canary:predict", ONE, 400, text)


@section.case("paths:classify-and-regress")
def other_calls(server):
    """POST ...:classify and ...:regress"""
    body = {"signature_name": "regress", "examples": [{"x": 0.25}]}
    server.http_says("/v1/models/zoo:regress", body, {"results": [0.5]})
    body = {"signature_name": "classify", "examples": [{"x": 0.25}]}
    server.http_says("/v1/models/zoo:classify", body, {"results": [[["neg", 0.75], ["pos", 0.25]]]})


@section.case("paths:status-and-metadata")
def status_and_metadata(server):
    """GET /v1/models/NAME[/versions/N][/metadata]"""
    for path in ("", "/versions/1", "/metadata", "/versions/1/metadata"):
        same(f"GET /v1/models/ops{path}", server.http(f"/v1/models/ops{path}").status, 200)


for _method, _path, _text in (
    ("GET", "/v1/foo", "Malformed request: GET /v1/foo"),
    ("POST", "/v1/models", "Malformed request: POST /v1/models"),
    ("GET", "/v1/models/ops:predict", "Malformed request: GET /v1/models/ops:predict"),
    ("POST", "/v1/models/a/versions/HI:regress", "Malformed request: POST /v1/models/a/versions/HI:regress"),
    ("GET", "/v1/models", "Missing model name in request."),
    ("POST", f"/v1/models/ops/versions/{2**64}:predict", f"Failed to convert version: {2**64} to numeric."),
):
    section.add(
        f"other-paths:{_method}{_path.removeprefix('/v1')}",
        f"400. {_text}",
        lambda server, method=_method, path=_path, text=_text: server.http_refused(
            path, b"{}" if method == "POST" else None, 400, text, method
        ),
    )


@section.case("other-paths:outside")
def outside_of_v1(server):
    """Outside of /v1/ there is nothing: 404 from the HTTP library."""
    same("/no/such/page", server.http("/no/such/page").status, 404)


@section.case("no-multi-inference")
def no_multi_inference(server):
    """MultiInference is no REST call: 400, Malformed request."""
    path = "/v1/models/old:multiInference"
    server.http_refused(path, b"{}", 400, f"Malformed request: POST {path}")


# === Errors and codes ===


@section.case("errors")
def errors(server):
    """An error is {"error": "<message>"} with Content-Type: application/json."""
    answer = server.http("/v1/models/nobody:predict", ONE)
    got = answer.headers["Content-Type"].partition(";")[0], json.loads(answer.text)
    same("body for no model", got, ("application/json", {"error": "Servable not found for request: Latest(nobody)"}))


_CODES = {
    "INVALID_ARGUMENT": (400, "ops", "pruned", "plain"),
    "FAILED_PRECONDITION": (400, "ops", "failed_precondition", "plain"),
    "OUT_OF_RANGE": (400, "ops", "out_of_range", "plain"),
    "NOT_FOUND": (404, "ops", "not_found", "plain"),
    "CANCELLED": (499, "ops", "cancelled", "plain"),
    "DATA_LOSS": (500, "ops", "data_loss", "plain"),
    "INTERNAL": (500, "old", "other", "flags"),
    "UNIMPLEMENTED": (501, "ops", "half", "plain"),
    "DEADLINE_EXCEEDED": (504, "ops", "wait", "flags"),
    "RESOURCE_EXHAUSTED": (429, "waiting", "serving_default", "batching"),
}


def _code(status: int, model: str, signature: str):
    def check(server):
        # By column: what is wrong with a row is INVALID_ARGUMENT, whatever it is.
        answer = server.http(f"/v1/models/{model}:predict", {"signature_name": signature, "inputs": [1.0]})
        same(f"status of {model}, signature {signature}: {answer.text[:300]}", answer.status, status)
        same("keys of the body", list(json.loads(answer.text)), ["error"])

    return check


for _name, (_status, _model, _signature, _setup) in _CODES.items():
    _check = _code(_status, _model, _signature)
    section.add(f"codes:{_name}", f"{_name} is HTTP {_status}.", _check, setup=_setup)


@flags.case("timeout")
def timeout(server):
    """A request that takes longer than --rest_api_timeout_in_ms ends: 504, in the session's words."""
    body = {"signature_name": "wait", "instances": [1.0]}
    server.http_refused(PREDICT, body, 504, "Timed out waiting for notification")


# === Predict ===

for _name, _says, _body, _answer in (
    (
        "rows",
        "Rows in, rows out; a single output drops its name.",
        {"instances": [1, 2.5]},
        {"predictions": [2.0, 3.5]},
    ),
    ("columns", "Columns in, columns out.", {"inputs": [1.0, 2.5]}, {"outputs": [2.0, 3.5]}),
    ("named-columns", "Columns by name.", {"inputs": {"x": [1.0]}}, {"outputs": [2.0]}),
    ("a-scalar", "A column may be a single value.", {"inputs": 1.0}, {"outputs": 2.0}),
    ("named-rows", "Rows by name.", {"instances": [{"x": 1.0}]}, {"predictions": [2.0]}),
    (
        "signature",
        "signature_name chooses the signature.",
        {"signature_name": "column", "instances": [[1.0]]},
        {"predictions": [[2.0]]},
    ),
):
    section.add(
        f"predict:{_name}", _says, lambda server, body=_body, answer=_answer: server.http_says(PREDICT, body, answer)
    )


@section.case("predict:several-inputs-and-outputs")
def several_inputs_and_outputs(server):
    """Several inputs are objects, and several outputs give objects, by row and by column."""
    path = "/v1/models/zoo:predict"
    body = {"signature_name": "two", "instances": [{"x": 1.0, "k": 2}, {"x": 0.5, "k": 3}]}
    server.http_says(path, body, {"predictions": [{"double_k": 4, "total": 3.0}, {"double_k": 6, "total": 3.5}]})
    body = {"signature_name": "two", "inputs": {"x": [1.0, 0.5], "k": [2, 3]}}
    server.http_says(path, body, {"outputs": {"double_k": [4, 6], "total": [3.0, 3.5]}})


@section.case("binary")
def binary(server):
    """{"b64": ".."} is bytes; outputs whose name ends in _bytes come back so, others as text."""
    coded = {"b64": base64.b64encode("é".encode()).decode()}
    body = {"signature_name": "bytes", "instances": [coded, "b"]}
    rows = [{"plain": "é", "same_bytes": coded}, {"plain": "b", "same_bytes": {"b64": "Yg=="}}]
    server.http_says(PREDICT, body, {"predictions": rows})


@section.case("numbers-json-lacks")
def numbers_that_json_lacks(server):
    """NaN, Infinity and -Infinity are read and written."""
    answer = server.http(PREDICT, b'{"instances": [NaN, Infinity, -Infinity]}')
    same(PREDICT, (answer.status, answer.text.split()), (200, '{ "predictions": [NaN, Infinity, -Infinity ] }'.split()))


@section.case("integers")
def integers(server):
    """Integers must be written as integers: 1.0 is none; a float may be written as one."""
    body = {"signature_name": "two", "inputs": {"x": [1], "k": [1.0]}}
    text = "JSON Value: 1.0 Type: Number is not of expected type: int32"
    server.http_refused("/v1/models/zoo:predict", body, 400, text)
    body = {"signature_name": "two", "inputs": {"x": [1], "k": [1]}}
    server.http_says("/v1/models/zoo:predict", body, {"outputs": {"double_k": [2], "total": [2.0]}})


@section.case("number-text")
def number_text(server):
    """Floats have 6 digits where these read back as the same value, else 9; whole numbers end in .0."""
    body = b'{"signature_name": "column", "instances": [[0.5], [0.1], [8388607.5], [500000], [0.166666672]]}'
    answer = server.http(PREDICT, body)  # twice as much each
    expected = ["1.0", "0.2", "16777215.0", "1e+06", "0.333333343"]
    got = re.findall(r"[-+.e0-9]+", answer.text.partition('"predictions"')[2])
    same(f"{PREDICT} {body.decode()}", got, expected)


@section.case("layout")
def layout(server):
    """The answer is pretty-printed, indented by 4; rows stand on one line."""
    for body, text in (
        (b'{"instances": [1, 2]}', '{\n    "predictions": [2.0, 3.0\n    ]\n}'),
        (b'{"inputs": [1, 2]}', '{\n    "outputs": [\n        2.0,\n        3.0\n    ]\n}'),
    ):
        same(f"{PREDICT} {body.decode()}", server.http(PREDICT, body).text, text)


# === Status, metadata, classify ===


@section.case("status-json")
def status_json(server):
    """Names are the message's own, int64 is text, and values that are the default are there."""
    status = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    server.http_says("/v1/models/ops", None, {"model_version_status": [status]})
    server.http_refused("/v1/models/nobody", None, 404, "Could not find any versions of model nobody")


@section.case("metadata-json")
def metadata_json(server):
    """{"model_spec": .., "metadata": {"signature_def": {"signature_def": {..}}}}, with the messages' own names."""
    answer = json.loads(server.http("/v1/models/ops/metadata").text)
    same("model_spec", answer["model_spec"], {"name": "ops", "signature_name": "", "version": "1"})
    column = answer["metadata"]["signature_def"]["signature_def"]["column"]
    same("method_name", column["method_name"], "tensorflow/serving/predict")
    shape = {"dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}], "unknown_rank": False}
    same("input x", column["inputs"]["x"], {"dtype": "DT_FLOAT", "name": "column:0", "tensor_shape": shape})


@section.case("classify-and-regress:context")
def context(server):
    """`context` holds features of every example; values are numbers, strings or {"b64"}, single or in lists."""
    body = {"signature_name": "regress", "context": {"x": 3.0}, "examples": [{}, {"other": ["a", {"b64": "AP8="}]}]}
    server.http_says("/v1/models/zoo:regress", body, {"results": [6.0, 6.0]})


# === Transport ===


@section.case("gzip")
def gzip_body(server):
    """A body may be compressed with gzip."""
    answer = server.http(PREDICT, gzip.compress(json.dumps(ONE).encode()), headers={"Content-Encoding": "gzip"})
    same("a gzip body", (answer.status, json.loads(answer.text)), (200, _TWO))


_ORIGIN = {"Origin": "http://page.example"}


@section.case("cors:off")
def cors_off(server):
    """Without --rest_api_enable_cors_support no answer has CORS headers."""
    answer = server.http("/v1/models/ops", headers=_ORIGIN)
    same("Access-Control-Allow-Origin", answer.headers.get("Access-Control-Allow-Origin"), None)


@flags.case("cors:on")
def cors_on(server):
    """With it OPTIONS from an http(s) origin is answered 200, and answers may be read by any page."""
    answer = server.http(PREDICT, method="OPTIONS", headers=_ORIGIN)
    same("OPTIONS", (answer.status, answer.headers.get("Access-Control-Allow-Origin")), (200, "*"))


@section.case("no-tls", "tls", setup="once")
def no_tls(server):
    """REST takes plain connections where gRPC has TLS."""
    server.http_says("/v1/models/tagged", None, _TAGGED)


_TAGGED = {
    "model_version_status": [
        {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]
}
