"""REST predict: every message of the contract for a body that does not fit."""

import gc
import json
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from serving.conformance.cases.rest_refusals import BODIES
from serving.server.status import ServingError
from tests.serving.endpoint import predict_request

PREDICT = "/v1/models/zoo:predict"


@pytest.mark.parametrize("body, text", [pytest.param(*rest, id=name) for name, *rest in BODIES])
def test_a_body_that_does_not_fit_is_told_why(endpoint, body, text):
    assert endpoint.http_error(PREDICT, body) == (400, text)


def test_a_refused_request_is_not_kept_until_garbage_is_collected(endpoint):
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        endpoint.http_error(PREDICT, {"instances": ["a"]})
        endpoint.refusal("PredictionService/Predict", predict_request("zoo", inputs={"z": np.float32([1.0])}))
        time.sleep(0.1)  # the server's threads let go of the call after its answer
        gc.collect()
        kept = [error for error in gc.garbage if isinstance(error, ServingError)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert kept == []


def test_an_output_without_rows_cannot_answer_rows(endpoint):
    body = {"signature_name": "scalar", "instances": [1.0]}
    assert endpoint.http_error(PREDICT, body) == (400, "Tensor name: total has no shape information ")
    columns = {"signature_name": "scalar", "inputs": [1.0, 2.0]}
    assert json.loads(endpoint.http(PREDICT, columns)[1]) == {"outputs": 3.0}


@pytest.mark.parametrize(
    "call, body, text",
    [
        ("classify", b'{"examples": [{"x\xff": 1}]}', "Feature: x\udcff has a name that is not UTF-8"),
        (
            "regress",
            b'{"context": {"\xff": 1}, "examples": [{}]}',
            "Feature: \udcff has a name that is not UTF-8",
        ),
        (
            "predict",
            b'{"signature_name": "\xff", "instances": [1]}',
            'Serving signature name: "\udcff" not found in signature def',
        ),
        (
            "predict",
            b'{"instances": ["\\ud83d\\ude00", "\\\\ud800", "a \\uD83D!"]}',
            "JSON Parse error: The surrogate pair in string is invalid. at offset: 45",
        ),
        ("predict", b'{"\\udc80": 1}', "JSON Parse error: The surrogate pair in string is invalid. at offset: 2"),
        (
            "classify",
            b'{"examples": ["\\ud800"]}',
            "JSON Parse error: The surrogate pair in string is invalid. at offset: 15",
        ),
    ],
)
def test_text_that_is_no_unicode_is_refused_where_it_names_something_or_could_not_be_written(
    endpoint, call, body, text
):
    request = urllib.request.Request(f"{endpoint.rest}/v1/models/zoo:{call}", body)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)
    answer = json.loads(caught.value.read().decode("utf-8", "surrogateescape"))
    assert (caught.value.code, answer["error"]) == (400, text)


def test_deep_nesting_is_refused_and_the_server_lives_on(endpoint):
    status, text = endpoint.http_error(PREDICT, b'{"instances": ' + b"[" * 100_000)
    assert (status, text[:16]) == (400, "JSON Parse error")
    assert json.loads(endpoint.http(PREDICT, {"instances": [1]})[1]) == {"predictions": [2.5]}


def test_a_rest_request_has_a_time_limit(start_server, settings_of, zoo_path):
    _, endpoint = start_server(settings_of("zoo", zoo_path), rest_api_timeout_in_ms=200)
    body = {"signature_name": "slow", "instances": [20.0]}
    assert endpoint.http_error(PREDICT, body) == (504, "Timed out waiting for notification")
