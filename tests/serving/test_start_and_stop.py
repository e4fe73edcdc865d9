"""The server as a program: flags, files, start-up failures, ports, SIGTERM."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.protos import predict_pb2
from serving.server import flags
from tests.serving.endpoint import Endpoint, predict_request

ROOT = Path(__file__).resolve().parents[2]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def command(*arguments):
    return [sys.executable, "-m", "serving.server", *arguments]


def run(*arguments, cwd=ROOT):
    """Runs the server in a Python that has no TensorFlow to run: what it says, it says before it imports it."""
    program = (
        "import sys\nfrom serving.server.app import main\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        assert name != 'tensorflow', 'TensorFlow is imported'\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", program, *arguments]
    return subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


# === Flags ===


def test_flags_are_read_in_all_their_forms():
    parsed, notes = flags.parse(["--port=1", "--rest_api_port", "2", "--enable_model_warmup=false", "--version", "-x"])
    assert (parsed.port, parsed.rest_api_port, parsed.enable_model_warmup, parsed.version) == (1, 2, False, True)
    assert notes == ["unknown argument '-x' is ignored"]


def test_defaults_are_those_of_tensorflow_serving():
    parsed, _ = flags.parse([])
    assert (parsed.port, parsed.rest_api_port, parsed.model_name) == (8500, 0, "default")
    assert (parsed.file_system_poll_wait_seconds, parsed.max_num_load_retries) == (1, 5)
    assert (parsed.load_retry_interval_micros, parsed.rest_api_timeout_in_ms) == (60_000_000, 30_000)
    assert parsed.enable_model_warmup is True


def test_only_this_machine_is_served_unless_told():
    assert flags.Flags().host == "127.0.0.1"


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["--port=x"], "Couldn't interpret value x for flag port."),
        (["--enable_model_warmup=maybe"], "Couldn't interpret value maybe for flag enable_model_warmup."),
        (["--ssl_config_file=f"], "--ssl_config_file is not supported by the embedded server"),
        (["--enable_batching"], "--enable_batching is not supported by the embedded server"),
        (["--model_name"], "--model_name needs a value"),
    ],
)
def test_a_flag_that_cannot_be_used_is_told(arguments, text):
    with pytest.raises(flags.BadFlag) as caught:
        flags.parse(arguments)
    assert str(caught.value).startswith(text)


def test_a_flag_without_effect_is_noted():
    assert flags.parse(["--enable_profiler=false"])[1] == ["--enable_profiler has no effect in the embedded server"]
    assert flags.parse(["--enable_batching=false"])[1] == ["--enable_batching has no effect in the embedded server"]


# === Start-up failures come before TensorFlow is imported ===


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "models.config"
    path.write_text("model_config_list { config { name: 'm' ")
    return path


def test_bad_input_fails_at_once(tmp_path, config_file):
    relative = run("--model_base_path=models", cwd=tmp_path)
    assert relative.returncode == 255
    assert relative.stdout == (
        "Failed to start server. Error: INVALID_ARGUMENT: Expected model default to have an absolute path or URI; "
        "got base_path()=models\n"
    )
    nothing = run()
    assert (nothing.returncode, nothing.stderr.splitlines()[0]) == (
        255,
        "neither --model_base_path nor --model_config_file is given: there is no model to serve",
    )
    broken = run(f"--model_config_file={config_file}")
    assert broken.returncode == 255
    assert broken.stderr.startswith("Error parsing text-format tensorflow.serving.ModelServerConfig: 1:")


def test_a_taken_port_fails_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--model_base_path=/m", f"--port={port}")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        255,
        f"--port={port}: cannot listen on 127.0.0.1: Address already in use",
    )


def test_the_version_says_what_it_is_not():
    done = run("--version")
    assert done.returncode == 0
    assert "embedded server, not TensorFlow Serving" in done.stdout


# === A whole life ===


class Process:
    """A server as its own process."""

    def __init__(self, *arguments):
        self.port, self.rest_port = free_ports(2)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ports = f"--port={self.port}", f"--rest_api_port={self.rest_port}"
        self.process = subprocess.Popen(
            command(*ports, *arguments), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.endpoint = Endpoint(f"127.0.0.1:{self.port}", f"http://127.0.0.1:{self.rest_port}")

    def wait_for_port(self, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.rest_port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError(f"no server: {self.process.communicate(timeout=5)}")

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


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
