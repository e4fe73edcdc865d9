"""Coverage-guided fuzzing of what reads strangers' bytes: the JSON parser, the request handlers, the config parsers.

Needs atheris, which no lock of the project holds:

    python3.12 -m venv .venv-fuzz && .venv-fuzz/bin/pip install atheris
    .venv-core/bin/python -m serving.conformance.zoo zoo /tmp/zoo/1
    PYTHONPATH=.:.venv-core/lib/python3.12/site-packages .venv-fuzz/bin/python tests/serving/fuzz.py json -runs=100000

The word after the program's name is json, rest, predict or config; `rest` and `predict` load the model of the variable
ZOO (default /tmp/zoo/1). Further arguments are libFuzzer's. An answer that blames the server (INTERNAL, UNKNOWN,
DATA_LOSS), any other exception, and a run of more than 20 seconds end the program with the input in a file crash-….
"""

import os
import sys

import atheris

with atheris.instrument_imports(include=["serving", "google.protobuf.text_format"]):
    from serving.protos import model_server_config_pb2, predict_pb2
    from serving.server import json_text, rest_routes, text_files
    from serving.server.status import Code, ServingError

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


_made = []


def _core():
    if not _made:
        from serving.server.core import CallOptions, ServerCore
        from serving.server.servable import Servable
        from serving.server.session import ModelSession
        from tests.serving.test_any_input import OneModel

        servable = Servable("zoo", 1, ModelSession.load(os.environ.get("ZOO", "/tmp/zoo/1")))
        _made.append(ServerCore(OneModel(servable), CallOptions()))
    return _made[0]


if __name__ == "__main__":
    targets = {function.__name__: function for function in (json, config, rest, predict)}
    atheris.Setup([sys.argv[0], "-timeout=20", *sys.argv[2:]], targets[sys.argv[1]])
    atheris.Fuzz()
