"""REST predict: every message of the contract for a body that does not fit."""

import json

import pytest

from serving.conformance.cases.rest_refusals import BODIES

PREDICT = "/v1/models/zoo:predict"


@pytest.mark.parametrize("body, text", [pytest.param(*rest, id=name) for name, *rest in BODIES])
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
