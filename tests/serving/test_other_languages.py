"""The example clients of serving/deploy/clients: each is run against a server and says what our client says."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serving.client import query

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "serving/deploy/clients"
TEXTS = ("a good day", 'bad "quotes" and\ttabs', "é 好 😀", "line\nend bad bad")


@pytest.fixture(scope="module")
def sentiment(sentiment_path):
    """Addresses of a server whose model `reviews` takes text."""
    from tests.serving.conftest import model, serve
    from tests.serving.endpoint import Endpoint

    with serve(model("reviews", sentiment_path)) as server:
        yield Endpoint(f"127.0.0.1:{server.port}", f"127.0.0.1:{server.rest_port}")


@pytest.fixture
def expected(sentiment):
    answers = query(sentiment.grpc, "reviews", list(TEXTS))
    assert {answer["label"] for answer in answers} == {"neg", "pos"}
    return [{"label": answer["label"], "score": pytest.approx(answer["score"])} for answer in answers]


@pytest.fixture(scope="session")
def protos(tmp_path_factory):
    """Folder of the API's .proto files."""
    folder = tmp_path_factory.mktemp("protos")
    run_client(sys.executable, "-m", "serving.deploy.proto_files", folder)
    return folder


@pytest.fixture(scope="session")
def java(tmp_path_factory):
    """The command that runs the Java client."""
    needs("java", "javac", "protoc", "grpc_java_plugin")
    for jar in ("grpc-netty", "netty-transport", "perfmark-api", "protobuf"):
        if not Path(f"/usr/share/java/{jar}.jar").exists():
            pytest.skip("needs gRPC for Java, see serving/deploy/clients/java/build")
    folder = tmp_path_factory.mktemp("java")
    run_client(CLIENTS / "java/build", folder, PYTHON=sys.executable)
    libraries = subprocess.check_output([CLIENTS / "java/build", "--classpath"], text=True).strip()
    return ["java", "-cp", f"{folder}:{libraries}", "Client"]


@pytest.fixture
def node(protos):
    """The command that runs the Node client."""
    needs("node")
    if not (CLIENTS / "node/node_modules").is_dir():
        pytest.skip("needs the packages of the Node client: run `make node-client`")
    return ["env", f"PROTOS={protos}", "node", CLIENTS / "node/client.js"]


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"needs the program {program}")


def run_client(*argv, code=0, **environment):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [str(part) for part in argv],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    return done


def answers(*argv):
    return [json.loads(line) for line in run_client(*argv).stdout.splitlines()]


def test_python_with_our_client(sentiment, expected):
    assert answers(sys.executable, CLIENTS / "client.py", sentiment.grpc, "reviews", *TEXTS) == expected


@pytest.mark.slow
def test_python_with_tensorflow_serving_api_alone(sentiment, expected):
    assert answers(sys.executable, CLIENTS / "serving_api.py", sentiment.grpc, "reviews", *TEXTS) == expected


def test_curl(sentiment, expected):
    needs("curl", "jq")
    found = [answers(CLIENTS / "client.sh", sentiment.rest, "reviews", text) for text in TEXTS]
    assert [answer for (answer,) in found] == expected


def test_node(sentiment, expected, node):
    assert answers(*node, sentiment.grpc, "reviews", *TEXTS) == expected


def test_node_says_what_the_server_refused(sentiment, node):
    refused = run_client(*node, sentiment.grpc, "none", "a good day", code=1)
    assert refused.stderr == "NOT_FOUND: Servable not found for request: Latest(none)\n"


@pytest.mark.slow
def test_java(sentiment, expected, java):
    assert answers(*java, sentiment.grpc, "reviews", *TEXTS) == expected


@pytest.mark.slow
def test_java_says_what_the_server_refused(sentiment, java):
    refused = run_client(*java, sentiment.grpc, "none", "a good day", code=1)
    assert refused.stderr == "NOT_FOUND: Servable not found for request: Latest(none)\n"


def test_the_proto_files_say_what_the_installed_package_was_generated_from(protos, tmp_path):
    """All names, numbers, types and options, of every file."""
    from google.protobuf import descriptor_pb2

    from serving.deploy.proto_files import api_files

    needs("protoc")
    given = {file.name: file for file in api_files() if not file.name.startswith("google/")}
    run_client("protoc", "-I", protos, f"--descriptor_set_out={tmp_path / 'set'}", *given)
    found = descriptor_pb2.FileDescriptorSet.FromString((tmp_path / "set").read_bytes()).file
    assert {file.name: canonical(file) for file in found} == {name: canonical(file) for name, file in given.items()}
    assert len(given) > 30


def canonical(file):
    """Without what a compiler fills in, and in no order where none is meant."""
    from google.protobuf import json_format

    def plain(value):
        if isinstance(value, list):
            return sorted(map(plain, value), key=str) if value and isinstance(value[0], dict) else value
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items() if key not in ("jsonName", "oneofIndex")}
        return value

    file.syntax = "" if file.syntax == "proto2" else file.syntax
    return plain(json_format.MessageToDict(file))


def test_a_folder_that_cannot_be_written_is_told_in_a_line(tmp_path):
    (tmp_path / "file").touch()
    refused = run_client(sys.executable, "-m", "serving.deploy.proto_files", tmp_path / "file", code=2)
    assert refused.stderr.startswith(f"proto_files: {tmp_path / 'file'}/")
    assert refused.stderr.endswith(" cannot be written (Not a directory)\n")
