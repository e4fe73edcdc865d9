"""Coverage-guided fuzzing of what reads strangers' bytes: the JSON parser, the request handlers, the config parsers.

Needs atheris, which no lock of the project holds:

    python3.12 -m venv .venv-fuzz && .venv-fuzz/bin/pip install atheris
    .venv-core/bin/python -m serving.conformance.zoo zoo /tmp/zoo/1
    PYTHONPATH=.:.venv-core/lib/python3.12/site-packages .venv-fuzz/bin/python tests/serving/fuzz.py json -runs=100000

The word after the program's name is json, numbers, rest, predict or config; `rest` and `predict` load the model of the
variable ZOO (default /tmp/zoo/1). Further arguments are libFuzzer's. An answer that blames the server (INTERNAL,
UNKNOWN, DATA_LOSS), any other exception, and a run of more than 20 seconds end the program with the input in a file
crash-….
"""

import os
import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["serving", "google.protobuf.text_format"]):
    from serving import tensors
    from serving.protos import model_server_config_pb2, predict_pb2
    from serving.server import json_numbers, json_text, rest_routes, text_files
    from serving.server.status import Code, ServingError
    from tests.serving.endpoint import predict_request
    from tests.serving.unpacked import parse_and_unpack

SERVERS_OWN = {Code.INTERNAL, Code.UNKNOWN, Code.DATA_LOSS}


def json(data):
    try:
        value = json_text.parse(data)
    except ServingError as error:
        assert error.code == Code.INVALID_ARGUMENT, error
        return
    # What was read can be written and read again, and says the same.
    text = json_text.write(value)
    assert json_text.write(json_text.parse(text.encode("utf-8", "surrogateescape"))) == text


def numbers(data):
    """Whether its arrays of numbers are taken out or not, a document says the same, or is refused alike."""
    json_numbers.LONG = json_text.LONG = 4
    json_numbers._PIECE = 3
    outcomes = []
    for read in (json_text.parse, lambda body: parse_and_unpack(body)[0]):
        try:
            outcomes.append(repr(read(data)))
        except ServingError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1], outcomes


def config(data):
    path = f"/tmp/fuzz-config-{os.getpid()}"
    with open(path, "wb") as file:
        file.write(data)
    try:
        text_files.read(path, model_server_config_pb2.ModelServerConfig())
    except (ServingError, text_files.NotParsed):
        pass


def rest(data):
    core = _core()
    call = ("predict", "classify", "regress")[data[0] % 3] if data else "predict"
    status, text = rest_routes.Routes(core, 5000).answer("POST", f"/v1/models/zoo:{call}", data[1:])
    assert status in (200, 400, 404, 501), (status, text)
    text.encode("utf-8", "surrogateescape")


def predict(data):
    core = _core()
    request = predict_pb2.PredictRequest()
    try:
        request.MergeFromString(data)
    except Exception:  # gRPC refuses such bytes before the server sees them
        return
    request.model_spec.name = "zoo"
    try:
        core.predict(request)
    except ServingError as error:
        assert error.code not in SERVERS_OWN, error


def _seeds(target):
    """What the fuzzer begins with: the parsers in C tell it nothing of what they accept."""
    from serving.conformance.cases.rest_refusals import BODIES, EXAMPLES

    bodies = [body for _, body, _ in (*BODIES, *EXAMPLES)]
    bodies += [b'{"instances": ["\xff", "\\ud83d\\ude00"], "signature_name": "sentiment"}', b'{"a": "\\ud800"}']
    if target in ("json", "numbers"):
        return bodies
    if target == "rest":
        return [bytes([call]) + body for body in bodies for call in range(3)]
    if target == "config":
        model = b'name: "a" base_path: "/a" model_platform: "tensorflow" version_labels { key: "b" value: 1 }'
        policy = b"model_version_policy { specific { versions: 1 versions: 2 } }"
        return [b"model_config_list { config { " + model + b" " + policy + b" } }"]
    inputs = (
        {"x": np.float32([1.0, -2.0])},
        {"x": tensors.to_proto(np.float32([1.0]), typed=True), "k": np.int32([3])},
        {"x": np.float32([[1.0, 2.0]])},
        {"text": np.array([b"good", b"bad \xff"], object)},
        {"text": np.array([b"a"], object), "text_pair": np.array([b"a"], object)},
        {"inputs": np.array([b"\n\x0f\n\r\n\x01x\x12\x08\x12\x06\n\x04\x00\x00\x80?"], object)},
    )
    signatures = ("", "two", "matmul", "sentiment", "same", "text_ops", "classify", "regress", "kinds")
    return [predict_request("zoo", name, values).SerializeToString() for name in signatures for values in inputs]


_made = []


def _core():
    if not _made:
        from serving.server.core import CallOptions, ServerCore
        from serving.server.servable import Servable
        from serving.server.session import ModelSession, import_custom_ops
        from tests.serving.test_any_input import OneModel

        import_custom_ops()
        servable = Servable("zoo", 1, ModelSession.load(os.environ.get("ZOO", "/tmp/zoo/1")))
        _made.append(ServerCore(OneModel(servable), CallOptions()))
    return _made[0]


if __name__ == "__main__":
    targets = {function.__name__: function for function in (json, numbers, config, rest, predict)}
    folder = tempfile.TemporaryDirectory()
    for number, seed in enumerate(_seeds(sys.argv[1])):
        Path(folder.name, str(number)).write_bytes(seed)
    atheris.Setup([sys.argv[0], "-timeout=20", *sys.argv[2:], folder.name], targets[sys.argv[1]])
    if sys.argv[1] in ("rest", "predict"):
        _core()  # here, lest its loading count as the first run's time
    atheris.Fuzz()
