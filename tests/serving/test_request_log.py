"""The extension that writes a line for each request: what is in it, and what is not."""

import json
import logging
import time
from pathlib import Path

import numpy as np
import pytest

from serving.protos import classification_pb2, get_model_status_pb2, inference_pb2
from serving.server import configuration
from serving.server.extensions.notes import Note
from serving.server.extensions.request_log import RequestLog
from serving.server.flags import Flags
from serving.server.status import ServingError
from tests.serving.endpoint import fill_spec, predict_request
from tests.serving.until import until

SECRET = "xyzzy-private-words"
PREDICT = "PredictionService/Predict"


@pytest.fixture
def logged(serve_zoo, tmp_path):
    """`logged(ext_log_texts=True)`: an endpoint, and a function that gives the lines that it has not given yet."""
    path = tmp_path / "requests.jsonl"

    def start(**flags):
        _, endpoint = serve_zoo(ext_request_log=str(path), **flags)
        read = [0]

        def lines(count):
            end = time.monotonic() + 20
            # A line is written when the answer has left.
            while len(found := path.read_text().splitlines()[read[0] :]) < count and time.monotonic() < end:
                time.sleep(0.01)
            read[0] += len(found)
            return [json.loads(line) for line in found]

        return endpoint, lines

    return start


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device on a full disk")
def test_a_full_disk_refuses_no_request_and_is_told_once(serve_zoo, caplog):
    _, endpoint = serve_zoo(ext_request_log="/dev/full")
    for _ in range(3):
        answer = endpoint.call(PREDICT, predict_request("zoo", "sentiment", {"text": [SECRET]}))
        assert answer.outputs["label"].string_val
    told = "--ext_request_log=/dev/full: lines are lost: [Errno 28] No space left on device"
    until(lambda: told in caplog.text)
    assert caplog.text.count("lines are lost") == 1 and SECRET not in caplog.text


def test_a_request_over_grpc_is_one_line(logged):
    endpoint, lines = logged()
    request = predict_request("zoo", "sentiment", {"text": ["good", "bad", SECRET]})
    endpoint.call(PREDICT, request)
    (line,) = lines(1)
    assert 0 < line.pop("ms") < 20_000
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "transport": "GRPC",
        "peer": "127.0.0.1",
        "client": None,
        "method": "Predict",
        "model": "zoo",
        "version": 1,
        "label": None,
        "signature": "sentiment",
        "rows": 3,
        "bytes": len(request.SerializeToString()),
        "code": "OK",
    }


def test_a_request_over_rest_is_one_line(logged):
    endpoint, lines = logged()
    body = {"signature_name": "sentiment", "instances": [SECRET, "bad"]}
    assert endpoint.http("/v1/models/zoo/versions/1:predict", body)[0] == 200
    (line,) = lines(1)
    names = ("transport", "method", "model", "version", "signature", "rows", "bytes", "code")
    assert [line[name] for name in names] == [
        "REST", "Predict", "zoo", 1, "sentiment", 2, len(json.dumps(body)), "OK"
    ]  # fmt: skip


def test_failures_have_their_code_and_what_was_asked_for(logged):
    endpoint, lines = logged()
    endpoint.refusal(PREDICT, predict_request("zoo", inputs={"x": np.float32([1])}, version=7))
    endpoint.refusal(PREDICT, predict_request("zoo", inputs={"x": np.float32([1])}, label="stable"))
    endpoint.refusal("ModelService/GetModelStatus", status_request("nobody"))
    assert endpoint.http("/v1/models/zoo:predict", b"{")[0] == 400
    assert endpoint.http("/v1/models/zoo:predict", {"signature_name": "none", "instances": [1]})[0] == 400
    assert endpoint.http("/v1/nothing")[0] == 400
    found = [[line[name] for name in ("method", "model", "version", "label", "code")] for line in lines(6)]
    assert found == [
        ["Predict", "zoo", 7, None, "NOT_FOUND"],
        ["Predict", "zoo", None, "stable", "INVALID_ARGUMENT"],
        ["GetModelStatus", "nobody", None, None, "NOT_FOUND"],
        ["POST", "", None, None, "INVALID_ARGUMENT"],
        ["Predict", "zoo", None, None, "INVALID_ARGUMENT"],
        ["GET", "", None, None, "INVALID_ARGUMENT"],
    ]


def test_examples_are_rows(logged):
    endpoint, lines = logged()
    classify = classification_pb2.ClassificationRequest()
    fill_spec(classify.model_spec, "zoo", "classify")
    several = inference_pb2.MultiInferenceRequest()
    task = several.tasks.add(method_name="tensorflow/serving/regress")
    fill_spec(task.model_spec, "zoo", "regress")
    for request in (classify, several):
        for _ in range(3):
            request.input.example_list.examples.add()
    endpoint.call("PredictionService/Classify", classify)
    endpoint.call("PredictionService/MultiInference", several)
    found = [[line[name] for name in ("method", "model", "version", "signature", "rows", "code")] for line in lines(2)]
    # The zoo's signatures have no method names of their own, so that several at once are refused.
    assert found[0] == ["Classify", "zoo", 1, "classify", 3, "OK"]
    assert found[1][:2] + found[1][3:5] == ["MultiInference", "zoo", "regress", 3]


def test_texts_are_in_no_log_unless_that_is_asked_for(logged, caplog):
    endpoint, lines = logged(ext_slow_request_ms=1)
    with caplog.at_level(logging.DEBUG):
        endpoint.call(PREDICT, predict_request("zoo", "sentiment", {"text": [SECRET]}))
        endpoint.refusal(PREDICT, predict_request("zoo", "half_plus_two", {"x": [SECRET]}))
        endpoint.http("/v1/models/zoo:predict", {"signature_name": "sentiment", "instances": [SECRET]})
        endpoint.http("/v1/models/zoo:predict", {"instances": [SECRET]})
        endpoint.http("/v1/models/zoo:predict?" + SECRET, b'{"instances": ["' + SECRET.encode())
        found = lines(5)
    assert SECRET not in json.dumps(found)
    assert SECRET not in "".join(r.getMessage() for r in caplog.records if r.levelno >= logging.INFO)


def test_what_fails_inside_is_logged_by_kind_and_place_without_its_words(endpoint, caplog, monkeypatch):
    from serving.server import predict

    def fail(*args, **options):
        raise ValueError(f"could not convert {SECRET}")

    monkeypatch.setattr(predict, "predict", fail)
    with caplog.at_level(logging.DEBUG):
        answers = [endpoint.refusal(PREDICT, predict_request("zoo", inputs={"x": np.float32([1])}))]
        answers.append(endpoint.http("/v1/models/zoo:predict", {"instances": [1.0]}))
    assert answers[0] == ("INTERNAL", "internal error in the embedded server: ValueError")
    assert answers[1][0] == 500
    said = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert [text.split(" at ")[0] for text in said] == ["predict failed: ValueError", "REST call failed: ValueError"]
    assert all("test_request_log.py" in text and SECRET not in text for text in said)
    assert not any(record.exc_info for record in caplog.records)


def test_texts_are_logged_where_that_is_asked_for(logged):
    endpoint, lines = logged(ext_log_texts=True)
    endpoint.call(PREDICT, predict_request("zoo", "sentiment", {"text": ["gut\n", "\u4e2d"]}))
    endpoint.call(PREDICT, predict_request("zoo", inputs={"x": np.float32([1])}))
    classify = classification_pb2.ClassificationRequest()
    fill_spec(classify.model_spec, "zoo", "classify")
    example = classify.input.example_list.examples.add()
    example.features.feature["text"].bytes_list.value.append(b"\xff a")
    endpoint.call("PredictionService/Classify", classify)
    assert [line["texts"] for line in lines(3)] == [["gut\n", "\u4e2d"], [], ["\ufffd a"]]


def test_refusals_of_the_gate_are_logged_with_the_clients_name(logged, tmp_path):
    (tmp_path / "tokens").write_text("anna anna-secret-0123456789\n")
    endpoint, lines = logged(ext_auth_token_file=str(tmp_path / "tokens"), ext_max_requests_per_second=0.01)
    header = {"Authorization": "Bearer anna-secret-0123456789"}
    for headers in ({}, header, header):
        endpoint.http("/v1/models/zoo:predict", {"instances": [1.0]}, headers=headers)
    endpoint.refusal(PREDICT, predict_request("zoo", inputs={"x": np.float32([1])}))
    found = lines(4)
    assert [(line["client"], line["code"]) for line in found] == [
        (None, "UNAUTHENTICATED"),
        ("anna", "OK"),
        ("anna", "RESOURCE_EXHAUSTED"),
        (None, "UNAUTHENTICATED"),
    ]
    assert "anna-secret" not in json.dumps(found)


def test_requests_that_are_too_large_are_logged(logged):
    """gRPC refuses one by itself, and tells the server no more than that the call is over."""
    endpoint, lines = logged(ext_max_request_bytes=1000)
    code, _ = endpoint.refusal(PREDICT, predict_request("zoo", inputs={"x": np.zeros(1000, np.float32)}))
    assert code == "RESOURCE_EXHAUSTED"
    assert endpoint.http("/v1/models/zoo:predict", b" " * 2000)[0] == 413
    assert {line["transport"]: line["code"] for line in lines(2)} == {"GRPC": "CANCELLED", "REST": "RESOURCE_EXHAUSTED"}


def test_a_name_that_is_no_name_is_cut_and_cannot_break_the_line(logged):
    endpoint, lines = logged()
    name = 'a"\n{' + "b" * 1000
    endpoint.refusal(PREDICT, predict_request(name, inputs={"x": np.float32([1])}))
    (line,) = lines(1)
    assert line["model"] == name[:256]


# === The slow ones ===


def written(log, note, milliseconds, path):
    for one in milliseconds:
        log.write(note, one)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_slow_request_is_marked(tmp_path):
    path = tmp_path / "log"
    log = RequestLog(str(path), slow_ms=10)
    found = written(log, Note("REST", "p"), [9.9, 10.0], path)
    assert [line.get("slow") for line in found] == [None, True]


def test_only_slow_requests_are_written_to_stderr_where_no_file_is_named(capfd):
    gate = configuration.read(Flags(ext_slow_request_ms=30)).gate
    for pause in (0.0, 0.05):
        with gate.call("GRPC", "p", "Predict", ""):
            time.sleep(pause)
    (line,) = capfd.readouterr().err.splitlines()
    assert (json.loads(line)["slow"], json.loads(line)["method"]) == (True, "Predict")


def test_a_file_that_was_moved_away_is_made_anew(tmp_path):
    path = tmp_path / "log"
    log = RequestLog(str(path))
    log.write(Note("REST", "p"), 1.0)
    path.rename(tmp_path / "log.1")
    log.write(Note("REST", "q"), 1.0)
    assert json.loads(path.read_text())["peer"] == "q"


def test_a_file_that_cannot_be_written_is_told_at_the_start():
    with pytest.raises(ServingError) as caught:
        configuration.read(Flags(ext_request_log="/no/folder/log"))
    assert str(caught.value) == "NOT_FOUND: --ext_request_log=/no/folder/log; No such file or directory"


def status_request(model):
    request = get_model_status_pb2.GetModelStatusRequest()
    fill_spec(request.model_spec, model)
    return request
