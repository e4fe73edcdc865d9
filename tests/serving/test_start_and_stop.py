"""The server as a program: files, start-up failures, ports, SIGTERM."""

import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import time

import grpc
import numpy as np
import pytest

from serving.ports import free_ports
from serving.protos import predict_pb2
from tests.serving.endpoint import Endpoint, predict_request
from tests.serving.process import ROOT, Process


def run(*arguments, cwd=ROOT):
    """Runs the server in a Python that has no TensorFlow to run: what it says, it says before it imports it."""
    program = (
        "import sys\nfrom serving.server.program import main\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tensorflow': raise ImportError('no TensorFlow here')\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", program, *arguments]
    return subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


# === Start-up failures come before TensorFlow is imported ===


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "models.config"
    path.write_text("model_config_list { config { name: 'm' ")
    return path


FAILED = "Failed to start server. Error: INVALID_ARGUMENT: "


def test_a_relative_path_fails_at_once(tmp_path):
    done = run("--model_base_path=models", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (
        255,
        FAILED + "Expected model default to have an absolute path or URI; got base_path()=models\n",
    )


def test_a_file_that_does_not_parse_fails_at_once_with_the_place(config_file):
    done = run(f"--model_config_file={config_file}")
    assert (done.returncode, done.stdout) == (255, FAILED + f"Invalid protobuf file: '{config_file}'\n")
    assert done.stderr.startswith("Error parsing text-format tensorflow.serving.ModelServerConfig: 1:")


def test_a_tensorflow_that_cannot_be_used_fails_in_one_line():
    done = run("--model_base_path=/m", f"--port={free_ports(1)[0]}")
    assert (done.returncode, done.stdout) == (255, "Failed to start server. Error: INTERNAL: no TensorFlow here\n")


def test_batching_parameters_that_do_not_fit_fail_at_once(tmp_path):
    path = tmp_path / "batching.config"
    path.write_text("max_batch_size { value: 8 } allowed_batch_sizes: 4")
    done = run("--model_base_path=/m", "--port=1", "--enable_batching", f"--batching_parameters_file={path}")
    assert (done.returncode, done.stdout) == (
        255,
        FAILED + "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8\n",
    )


def test_a_taken_port_fails_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--model_base_path=/m", f"--port={port}")
    assert (done.returncode, done.stdout) == (
        255,
        FAILED + f"Failed to BuildAndStart server: --port={port}: cannot listen on 127.0.0.1: Address already in use\n",
    )


def test_an_unknown_argument_is_told_with_the_usage_and_passed_over():
    done = run("--no_such_flag", "--port=0", "--model_base_path=/m")
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "unknown argument: --no_such_flag",
        "usage: python -m serving.server [flags]   (embedded server, not TensorFlow Serving)",
    ]
    assert lines[-1] == FAILED + "server_options.grpc_port is not set."


def test_the_version_says_what_it_is_not():
    done = run("--version")
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            "TensorFlow ModelServer: bert-keras embedded server, not TensorFlow Serving",
            f"TensorFlow Library: {importlib.metadata.version('tensorflow')}",
        ],
    )


# === A whole life ===


@pytest.fixture
def start_process():
    running = []

    def start(*arguments):
        running.append(Process(*arguments))
        return running[-1]

    yield start
    for process in running:
        process.stop()


@pytest.mark.slow
def test_sigterm_answers_what_is_under_way_and_exits_0(start_process, zoo_path, tmp_path):
    config_file = tmp_path / "models.config"
    config_file.write_text(
        f'model_config_list {{ config {{ name: "zoo" base_path: "{zoo_path}" model_platform: "tensorflow" }} }}'
    )
    server = start_process(f"--model_config_file={config_file}")
    server.wait_for_port()
    request = predict_request("zoo", "slow", {"seconds": np.float32([2.0])}).SerializeToString()
    with grpc.insecure_channel(server.endpoint.grpc) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        under_way = [call.future(request, timeout=60) for _ in range(4)]
        time.sleep(1.0)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(grpc.RpcError) as refused:
            call(request, timeout=5)
        answers = [predict_pb2.PredictResponse.FromString(one.result()) for one in under_way]
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert [answer.outputs["y"].float_val[0] for answer in answers] == [2.0] * 4
    assert server.process.wait(timeout=30) == 0


@pytest.mark.slow
def test_ports_open_only_when_the_model_is_there_and_sigterm_ends_the_wait(start_process, put_version, tmp_path):
    server = start_process("--model_name=m", f"--model_base_path={tmp_path}")
    # The server says so when TensorFlow is imported and the folder is found empty.
    for line in server.process.stderr:
        if "no versions found" in line:
            break
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0
    put_version(tmp_path, 1)
    server.wait_for_port()
    assert server.endpoint.http("/v1/models/m:predict", {"instances": [1]})[0] == 200
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=30) == 0


@pytest.mark.slow
def test_what_the_flags_files_say_holds_for_the_program(start_process, zoo_path, tmp_path):
    texts = {
        "models": f'model_config_list {{ config {{ name: "zoo" base_path: "{zoo_path}" model_platform: "tensorflow" '
        "version_labels { key: 'stable' value: 1 } } }",
        "batching": "max_batch_size { value: 2 }",
        "monitoring": "prometheus_config { enable: true }",
        "session": "intra_op_parallelism_threads: 1",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    server = start_process(
        f"--model_config_file={tmp_path / 'models'}",
        "--allow_version_labels_for_unavailable_models",
        "--enable_batching",
        f"--batching_parameters_file={tmp_path / 'batching'}",
        f"--monitoring_config_file={tmp_path / 'monitoring'}",
        f"--tensorflow_session_config_file={tmp_path / 'session'}",
        f"--grpc_socket_path={tmp_path / 'socket'}",
        f"--ext_request_log={tmp_path / 'requests'}",
    )
    server.wait_for_port()
    too_many = predict_request("zoo", inputs={"x": np.float32([1, 2, 3])}, label="stable")
    for endpoint in (server.endpoint, Endpoint(f"unix:{tmp_path / 'socket'}", "")):
        assert endpoint.refusal("PredictionService/Predict", too_many) == (
            "INVALID_ARGUMENT",
            "Task size 3 is larger than maximum input batch size 2",
        )
    status, text = server.endpoint.http("/monitoring/prometheus/metrics")
    assert status == 200
    assert ':tensorflow:serving:request_count{model_name="zoo",status="INVALID_ARGUMENT"} 2' in text.splitlines()
    lines = [json.loads(line) for line in (tmp_path / "requests").read_text().splitlines()]
    assert [(line["peer"], line["method"], line["label"], line["rows"]) for line in lines] == [
        ("127.0.0.1", "Predict", "stable", 3),
        ("unix", "Predict", "stable", 3),
        ("127.0.0.1", "GET", None, None),
    ]
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=30) == 0


@pytest.mark.slow
def test_a_model_that_does_not_load_stops_the_server(start_process, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no graph")
    server = start_process("--model_name=m", f"--model_base_path={tmp_path}", "--max_num_load_retries=0")
    stdout, _ = server.process.communicate(timeout=120)
    assert server.process.returncode == 255
    assert stdout == (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: {{{name: m version: 1} due to "
        f"error: DATA_LOSS: Can't parse {tmp_path}/1/saved_model.pb as binary proto}}, }}\n"
    )
