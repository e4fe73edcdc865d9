"""REST predict: every message of the contract for a body that does not fit."""

import json

import pytest

PREDICT = "/v1/models/zoo:predict"


@pytest.mark.parametrize(
    "body, text",
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"instances = [1]", "JSON Parse error: Invalid value. at offset: 0"),
        (b'{"instances": [1, }', "JSON Parse error: Invalid value. at offset: 18"),
        (b'{"instances" [1]}', "JSON Parse error: Missing a colon after a name of object member. at offset: 13"),
        (b'{"instances": [1 2]}', "JSON Parse error: Missing a comma or ] after an array element. at offset: 17"),
        (b'{"instances": [1] "a"}', "JSON Parse error: Missing a comma or } after an object member. at offset: 18"),
        (
            b'{"instances": [1]} x',
            "JSON Parse error: The document root must not be followed by other values. at offset: 19",
        ),
        (b"{1: 2}", "JSON Parse error: Missing a name for object member. at offset: 1"),
        (b"[1]", "JSON Value: [\n    1\n] Is not object"),
        (b"{}", "Missing 'inputs' or 'instances' key"),
        (
            b'{"instances": [1], "inputs": [1]}',
            'JSON Value: {\n    "instances": [\n        1\n    ],\n    "inputs": [\n        1\n    ]\n} Not formatted '
            "correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        ),
        (b'{"instances": 1}', "JSON Value: {\n    \"instances\": 1\n} Expecting 'instances' to be an list/array"),
        (b'{"instances": []}', "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
        (
            b'{"signature_name": 1, "instances": [1]}',
            'JSON Value: {\n    "signature_name": 1,\n    "instances": [\n        1\n    ]\n} not formatted correctly. '
            "'signature_name' key must be a string value.",
        ),
        (
            b'{"signature_name": "none", "instances": [1]}',
            'Serving signature name: "none" not found in signature def',
        ),
        (
            b'{"instances": ["a"]}',
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"a\" Type: String "
            "is not of expected type: float",
        ),
        (
            b'{"instances": [1, true]}',
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: true Type: True "
            "is not of expected type: float",
        ),
        (
            b'{"instances": [[1], [1, 2]]}',
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 1 but "
            "got: 2",
        ),
        (
            b'{"instances": [[[1, 2]], [[1], [2]]]}',
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting shape [1,2] but got: "
            "[2,1]",
        ),
        (b'{"instances": [1, {"x": 1}]}', "Expecting value/list but got object at item 1 of input list"),
        (b'{"instances": [{"x": 1}, 1]}', "Expecting object but got list at item 1 of input list"),
        (
            b'{"instances": [{"z": 1}]}',
            "Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not "
            "have named input: z",
        ),
        (
            b'{"signature_name": "two", "instances": [{"x": 1}]}',
            "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"x\": 1\n} keys must be equal to: "
            "k,x",
        ),
        (
            b'{"signature_name": "two", "instances": [1]}',
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map",
        ),
        (
            b'{"signature_name": "two", "inputs": [1]}',
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map",
        ),
        (b'{"signature_name": "two", "inputs": {"x": [1]}}', "Missing named input: k in 'inputs' object."),
        (
            b'{"signature_name": "two", "inputs": {"x": [1], "k": [1.0]}}',
            "JSON Value: 1.0 Type: Number is not of expected type: int32",
        ),
        (
            b'{"inputs": [[1, 2], [3]]}',
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        (b'{"inputs": [1, [2]]}', "Encountered list at unexpected level: 1 expected < 1"),
        (
            b'{"inputs": [[1], 2]}',
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        (b'{"inputs": [16777217]}', "Cannot convert JSON value: 16777217 to float without loss of precision."),
        (b'{"inputs": [1e39]}', "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        (b'{"signature_name": "sentiment", "inputs": [{"b64": "?"}]}', "Unable to base64 decode"),
        (
            b'{"signature_name": "sentiment", "inputs": [{"c64": ""}]}',
            'JSON Value: {\n    "c64": ""\n} not formatted correctly for base64 data',
        ),
    ],
)
def test_a_body_that_does_not_fit_is_told_why(endpoint, body, text):
    assert endpoint.http_error(PREDICT, body) == (400, text)


def test_an_output_without_rows_cannot_answer_rows(endpoint):
    body = {"signature_name": "scalar", "instances": [1.0]}
    assert endpoint.http_error(PREDICT, body) == (400, "Tensor name: total has no shape information ")
    columns = {"signature_name": "scalar", "inputs": [1.0, 2.0]}
    assert json.loads(endpoint.http(PREDICT, columns)[1]) == {"outputs": 3.0}


def test_deep_nesting_is_refused_and_the_server_lives_on(endpoint):
    status, text = endpoint.http_error(PREDICT, b'{"instances": ' + b"[" * 100_000)
    assert (status, text[:16]) == (400, "JSON Parse error")
    assert json.loads(endpoint.http(PREDICT, {"instances": [1]})[1]) == {"predictions": [2.5]}


def test_a_rest_request_has_a_time_limit(start_server, settings_of, zoo_path):
    _, endpoint = start_server(settings_of("zoo", zoo_path), rest_api_timeout_in_ms=200)
    body = {"signature_name": "slow", "instances": [20.0]}
    assert endpoint.http_error(PREDICT, body) == (504, "Timed out waiting for notification")
