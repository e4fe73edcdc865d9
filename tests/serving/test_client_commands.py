"""`bert-keras query`, `status`, `metadata`, `wait`, `reload` and `load-test` against a server."""

import gzip
import json

import pytest

from serving.client import Client
from tests.bert_keras.cli.tiny import run


def refused(outcome, text, code=2):
    assert (outcome.code, outcome.stdout) == (code, "")
    assert outcome.stderr.startswith("bert-keras: ") and outcome.stderr.count("\n") == 1
    assert text in outcome.stderr


def test_status_gives_a_json_line_per_version(endpoint):
    outcome = run("status", endpoint.grpc, "zoo")
    assert outcome.rows == [{"version": 1, "state": "AVAILABLE", "error_code": "OK", "error_message": ""}]
    assert run("status", endpoint.grpc, "zoo", "--version", 1).rows == outcome.rows
    refused(run("status", endpoint.grpc, "zoo", "--version", 2), "Could not find version 2 of model zoo")


def test_metadata_gives_every_signature(endpoint):
    outcome = run("metadata", endpoint.grpc, "zoo")
    document = json.loads(outcome.stdout)
    assert (document["model"], document["version"]) == ("zoo", 1)
    assert document["signatures"]["matmul"] == {
        "method": "tensorflow/serving/predict",
        "inputs": {"x": {"dtype": "float", "shape": [None, 2]}},
        "outputs": {"y": {"dtype": "float", "shape": [None, 3]}},
        "optional": [],
    }


def test_wait_is_over_when_the_model_answers_and_fails_when_it_does_not(endpoint):
    assert run("wait", endpoint.grpc, "zoo").code == 0
    refused(run("wait", endpoint.grpc, "nobody", "--timeout", 0.3), "not ready after 0.3 s: Could not find any", code=1)


def test_reload_takes_a_model_config_file(start_server, settings_of, put_version, tmp_path):
    put_version(tmp_path, 1)
    _, endpoint = start_server(settings_of("m", tmp_path))
    path = tmp_path / "models.config"
    path.write_text(
        f'model_config_list {{ config {{ name: "n" base_path: "{tmp_path}" model_platform: "tensorflow" }} }}'
    )
    outcome = run("reload", endpoint.grpc, path)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")
    with Client(endpoint.grpc, "n") as client:
        assert client.predict([10.0])["y"].tolist() == [11.0]
    path.write_text('model_config_list { config { name: "n" base_path: "here" model_platform: "tensorflow" } }')
    refused(run("reload", endpoint.grpc, path), "Expected model n to have an absolute path")
    path.write_text("models")
    refused(run("reload", endpoint.grpc, path), "models.config:1:1 : Message type")


def test_load_test_reports_what_it_asked(endpoint):
    args = ("load-test", endpoint.grpc, "zoo", "good", "bad", "--signature", "sentiment")
    outcome = run(*args, "--count", 5, "--concurrency", 2, "--batch-size", 3)
    report = json.loads(outcome.stdout)
    assert (outcome.code, report["requests"], report["answered"], report["errors"]) == (0, 5, 5, {})
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"] <= report["latency_ms"]["max"]
    assert report["rows_per_second"] == pytest.approx(3 * report["requests_per_second"], abs=0.05)


def test_load_test_fails_when_a_request_did_and_reports_all_the_same(proxy):
    proxy.refusals = [None, ("INTERNAL", "a"), ("UNAVAILABLE", "b"), ("INTERNAL", "a")]
    outcome = run("load-test", proxy.target, "zoo", "good", "--signature", "sentiment", "--count", 4)
    assert outcome.code == 1
    assert json.loads(outcome.stdout)["errors"] == {"INTERNAL": 2, "UNAVAILABLE": 1}
    assert outcome.stderr.endswith("bert-keras: 3 of 4 requests failed: INTERNAL 2, UNAVAILABLE 1\n")


def test_load_test_takes_texts_from_the_lines_of_a_file(endpoint, tmp_path):
    path = tmp_path / "texts.txt.gz"
    path.write_bytes(gzip.compress("good\n\nÜberhaupt\n".encode()))
    args = ("load-test", endpoint.grpc, "zoo", "--signature", "sentiment", "--count", 3)
    assert json.loads(run(*args, "--data", path).stdout)["answered"] == 3
    (tmp_path / "none.txt").write_text("\n")
    refused(run(*args, "--data", tmp_path / "none.txt"), "none.txt: holds no text; expected one text a line")


@pytest.mark.parametrize(
    "args, text",
    [
        (["load-test", "h:1", "m"], "expected texts, or a file of them with --data FILE"),
        (["load-test", "h:1", "m", "a", "--data", "f"], "and not both"),
        (["load-test", "h:1", "m", "a", "--count", 1, "--seconds", 1], "expected one of them"),
        (["load-test", "h:1", "m", "a", "--concurrency", 0], "0 is not in the range"),
        (["load-test", "h:1", "m", ""], "text 1: the text is empty"),
        (["metadata", "h:1", "m", "--version", 1, "--label", "a"], "--version 1 and --label a are both given"),
        (["query", "h:1", "m", "a", "--version", 1, "--label", "a"], "--version 1 and --label a are both given"),
        (["wait", "h", "m"], "target 'h': expected HOST:PORT"),
        (["status", "http://h:1", "m"], "without a URL's scheme"),
        (["status", "h:1", "m", "--ca", "/no/file"], "/no/file: cannot be read"),
        (["reload", "h:1", "/no/file"], "/no/file: cannot be read"),
    ],
)
def test_bad_usage_is_one_line_and_code_2(args, text):
    refused(run(*args), text)


@pytest.mark.parametrize("command", ["query", "status", "metadata", "load-test"])
def test_a_server_that_is_not_there_is_a_failure(command):
    texts = ["a"] if command in ("query", "load-test") else []
    refused_at_all = run(command, "127.0.0.1:1", "m", *texts, "--timeout", 1)
    assert (refused_at_all.code, refused_at_all.stdout) == (1, "")
    assert "UNAVAILABLE; server 127.0.0.1:1, model m, newest version" in refused_at_all.stderr


def test_commands_show_the_token_of_a_file(serve_zoo, tmp_path):
    (tmp_path / "tokens").write_text("anna anna-secret-0123456789\n")
    (tmp_path / "token").write_text("anna-secret-0123456789\n")
    _, endpoint = serve_zoo(ext_auth_token_file=str(tmp_path / "tokens"))
    own = ["--token-file", tmp_path / "token"]
    assert run("query", endpoint.grpc, "zoo", "good", "--signature", "sentiment", *own).rows[0]["label"] == "pos"
    assert run("status", endpoint.grpc, "zoo", *own).rows[0]["state"] == "AVAILABLE"
    refused(run("status", endpoint.grpc, "zoo"), "No valid token: expected the header", code=1)
    refused(run("status", "h:1", "m", *own), "use TLS, or --token-without-tls where something else encrypts the way")
    refused(
        run("status", "h:1", "m", "--token-file", "/no/file"), "/no/file: cannot be read (No such file or directory)"
    )
    refused(run("status", "h:1", "m", "--token-file", tmp_path / "tokens"), "expected one token and nothing else")


def test_commands_speak_mutual_tls(serve_zoo, ssl_file, pem_folder):
    server, _ = serve_zoo(ssl_config_file=ssl_file(custom_ca="ca.crt", client_verify=True))
    target = f"localhost:{server.port}"
    own = ["--ca", pem_folder / "ca.crt", "--cert", pem_folder / "client.crt", "--key", pem_folder / "client.key"]
    assert run("wait", target, "zoo", *own).code == 0
    assert run("query", target, "zoo", "good", "--signature", "sentiment", *own).rows[0]["label"] == "pos"
    refused(run("status", target, "zoo", "--tls", "--timeout", 1), "UNAVAILABLE", code=1)
