"""REST: both predict formats, classify, regress, status, metadata, paths."""

import base64
import gzip
import http.client
import json

import pytest

PREDICT = "/v1/models/zoo:predict"


def predict(endpoint, body, path=PREDICT):
    status, text = endpoint.http(path, body)
    assert status == 200, text
    return json.loads(text)


# === Predict ===


def test_rows_of_one_input_answer_rows_of_one_output(endpoint):
    status, text, headers = endpoint.http_with_headers(PREDICT, {"instances": [1.0, 2.0, 5.0]})
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert text == '{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}'


def test_columns_answer_columns(endpoint):
    assert endpoint.http(PREDICT, {"inputs": [1.0, 2.0]})[1] == (
        '{\n    "outputs": [\n        2.5,\n        3.0\n    ]\n}'
    )
    assert predict(endpoint, {"inputs": {"x": [1.0]}}) == {"outputs": [2.5]}
    assert predict(endpoint, {"inputs": 1.0}) == {"outputs": 2.5}


def test_rows_of_several_inputs_are_objects(endpoint):
    body = {"signature_name": "two", "instances": [{"x": 1.0, "k": 2}, {"x": 0.5, "k": 3}]}
    assert predict(endpoint, body) == {"predictions": [{"double_k": 4, "total": 3.0}, {"double_k": 6, "total": 3.5}]}


def test_columns_of_several_inputs_are_an_object(endpoint):
    body = {"signature_name": "two", "inputs": {"x": [1.0, 0.5], "k": [2, 3]}}
    assert predict(endpoint, body) == {"outputs": {"double_k": [4, 6], "total": [3.0, 3.5]}}


def test_text_goes_in_and_named_answers_come_out(endpoint):
    body = {"signature_name": "sentiment", "instances": ["good good", "bad — schlecht"]}
    first, second = predict(endpoint, body)["predictions"]
    assert (first["label"], second["label"]) == ("pos", "neg")
    assert (first["score"], second["scores"]) == (1.0, [0.75, 0.25])
    assert first["classes"] == ["neg", "pos"]


def test_binary_goes_in_and_out_as_base64(endpoint):
    coded = {"b64": base64.b64encode(b"GOOD").decode()}
    body = {"signature_name": "sentiment", "instances": [coded]}
    assert predict(endpoint, body)["predictions"][0]["label"] == "pos"
    body = {"signature_name": "kinds", "instances": [1.0]}
    assert predict(endpoint, body)["predictions"][0]["raw_bytes"] == {"b64": "AP8="}


def test_a_half_output_has_no_json_form(endpoint):
    body = {"signature_name": "half", "instances": [1.0]}
    assert endpoint.http_error(PREDICT, body) == (400, "Failed to write JSON value for tensor type: half")


def test_numbers_that_json_does_not_have_are_read_and_written(endpoint):
    status, text = endpoint.http(PREDICT, b'{"instances": [NaN, Infinity, -Infinity]}')
    assert (status, text) == (200, '{\n    "predictions": [NaN, Infinity, -Infinity\n    ]\n}')


def test_a_version_in_the_path(endpoint):
    assert predict(endpoint, {"instances": [1]}, "/v1/models/zoo/versions/1:predict") == {"predictions": [2.5]}
    assert endpoint.http_error("/v1/models/zoo/versions/2:predict", {"instances": [1]}) == (
        404,
        "Servable not found for request: Specific(zoo, 2)",
    )


def test_paths_ignore_case_and_names_are_decoded(endpoint):
    assert predict(endpoint, {"instances": [1]}, "/V1/Models/z%6Fo:PREDICT") == {"predictions": [2.5]}


def test_a_gzip_body_is_taken(endpoint):
    body = gzip.compress(b'{"instances": [1]}')
    assert endpoint.http(PREDICT, body, headers={"Content-Encoding": "gzip"})[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b'{"instances": [1]}')[:-12],
        b"no gzip",
        gzip.compress(b" " * (10 * 2**20 + 1)),  # one byte more than TensorFlow Serving unzips
        gzip.compress(b" " * 10**9, compresslevel=1),
    ],
    ids=["cut off", "not gzip", "a byte too many", "a bomb"],
)
def test_a_gzip_body_that_cannot_be_unzipped_is_an_empty_one(endpoint, body):
    status, text = endpoint.http(PREDICT, body, headers={"Content-Encoding": "gzip"})
    assert (status, json.loads(text)) == (400, {"error": "JSON Parse error: The document is empty"})


def test_a_gzip_body_as_large_as_it_may_be_is_taken(endpoint):
    document = b'{"instances": [1]}'
    body = gzip.compress(document + b" " * (10 * 2**20 - len(document)))
    assert endpoint.http(PREDICT, body, headers={"Content-Encoding": "gzip"})[0] == 200


def test_a_chunked_body_and_a_kept_connection(endpoint):
    connection = http.client.HTTPConnection(endpoint.rest.removeprefix("http://"))
    for _ in range(2):
        connection.request("POST", PREDICT, iter([b'{"instances"', b": [1]}"]), encode_chunked=True)
        response = connection.getresponse()
        assert json.loads(response.read()) == {"predictions": [2.5]}
    connection.close()


# === Classify and regress ===


def test_classify_and_regress(endpoint):
    body = {"signature_name": "classify", "examples": [{"x": 0.25}, {"x": [1.0]}]}
    status, text = endpoint.http("/v1/models/zoo:classify", body)
    assert (status, text) == (
        200,
        '{\n    "results": [[["neg", 0.75], ["pos", 0.25]], [["neg", 0.0], ["pos", 1.0]]\n    ]\n}',
    )
    body = {"signature_name": "regress", "context": {"x": 3.0}, "examples": [{}, {"other": ["a", {"b64": "AP8="}]}]}
    assert endpoint.http("/v1/models/zoo:regress", body) == (200, '{\n    "results": [6.0, 6.0]\n}')


@pytest.mark.parametrize(
    "body, text",
    [
        ({}, "JSON Value: {} When method is classify, key 'examples' is expected and was not found"),
        ({"examples": 1}, "JSON Value: {\n    \"examples\": 1\n} Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type: Null"),
        ({"examples": [{"x": [[1]]}]}, "Feature: x has element with unexpected JSON type: Array"),
        ({"examples": [{"x": [1.5, "a"]}]}, "Unexpected element type in feature: x expecting type: float"),
        ({"examples": [{"x": 2**63}]}, "Feature: x has uint64 element. Only int64 is supported."),
        ({"signature_name": "none", "examples": [{}]}, "No signature was found with the name: none"),
    ],
)
def test_examples_that_do_not_fit_are_told_why(endpoint, body, text):
    assert endpoint.http_error("/v1/models/zoo:classify", body) == (400, text)


# === Status, metadata, paths ===


def test_status_is_json_with_the_names_of_the_message(endpoint):
    status, text = endpoint.http("/v1/models/zoo")
    assert (status, json.loads(text)) == (
        200,
        {
            "model_version_status": [
                {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
            ]
        },
    )
    assert endpoint.http("/v1/models/zoo/versions/1")[1] == text
    assert endpoint.http_error("/v1/models/nobody") == (404, "Could not find any versions of model nobody")


def test_metadata_keeps_the_names_of_the_message(endpoint):
    status, text = endpoint.http("/v1/models/zoo/metadata")
    answer = json.loads(text)
    assert status == 200
    assert answer["model_spec"] == {"name": "zoo", "version": "1", "signature_name": ""}
    x = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["x"]
    assert x == {
        "dtype": "DT_FLOAT",
        "name": "serving_default_x:0",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    }


@pytest.mark.parametrize(
    "method, path, status, text",
    [
        ("GET", "/v1/foo", 400, "Malformed request: GET /v1/foo"),
        ("POST", "/v1/models", 400, "Malformed request: POST /v1/models"),
        ("GET", "/v1/models/foo:predict", 400, "Malformed request: GET /v1/models/foo:predict"),
        ("POST", "/v1/models/a/versions/HI:regress", 400, "Malformed request: POST /v1/models/a/versions/HI:regress"),
        ("DELETE", "/v1/models/zoo", 400, "Malformed request: DELETE /v1/models/zoo"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        (
            "POST",
            f"/v1/models/zoo/versions/{2**64 - 1}:regress",
            400,
            f"Failed to convert version: {2**64 - 1} to numeric.",
        ),
    ],
)
def test_other_paths_are_malformed(endpoint, method, path, status, text):
    assert endpoint.http_error(path, b"{}" if method == "POST" else None, method) == (status, text)


def test_outside_of_v1_there_is_nothing(endpoint):
    assert endpoint.http("/status")[0] == 404


def test_cors_headers_only_when_asked_for(endpoint, start_server, settings_of, zoo_path):
    origin = {"Origin": "http://page.example"}
    assert "Access-Control-Allow-Origin" not in endpoint.http_with_headers("/v1/models/zoo", headers=origin)[2]
    _, open_one = start_server(settings_of("zoo", zoo_path), rest_api_enable_cors_support=True)
    status, _, headers = open_one.http_with_headers(PREDICT, method="OPTIONS", headers=origin)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*")
