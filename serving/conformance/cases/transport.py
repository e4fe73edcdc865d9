"""1.8: large messages, unix socket, TLS, health, and services that are not there."""

import re

import grpc
import numpy as np

from serving import tensors
from serving.conformance import pems
from serving.conformance.case import Case, Mismatch, Section, fits, same
from serving.conformance.setups import client_credentials
from serving.conformance.subject import PATIENCE, PREDICT
from serving.conformance.wire import Endpoint, predict_request

CASES: list[Case] = []
section = Section(CASES, "1.8", "plain")
flags = Section(CASES, "1.8", "flags")
mutual = Section(CASES, "1.8", "once", "tls")
one_sided = Section(CASES, "1.8", "lives", "tls")

_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
# Numbers enough for a message of 12 MB.
_MANY = 3_000_000


def _raw(channel, method: str, request: bytes, **options):
    """The answer's bytes, or (code, details)."""
    try:
        return channel.unary_unary(method)(request, timeout=PATIENCE, **options)
    except grpc.RpcError as error:
        return error.code().name, error.details()


def _code_of(endpoint: Endpoint, model: str) -> str:
    """The code with which this client's Predict ends."""
    request = predict_request(model, inputs={"x": np.float32([3.0])}).SerializeToString()
    with endpoint.channel() as channel:
        answer = _raw(channel, f"/tensorflow.serving.{PREDICT}", request)
    return answer[0] if isinstance(answer, tuple) else "OK"


# === Messages ===


@section.case("large-messages")
def large_messages(server):
    """Messages of far more than gRPC's usual 4 MB are taken and answered."""
    request = predict_request("ops", inputs={"x": np.zeros(_MANY, np.float32)})
    response = server.call(PREDICT, request)
    same("sum of 3,000,000 answers", float(tensors.from_proto(response.outputs["y"]).sum()), float(_MANY))


@section.case("client-limit")
def client_limit(server):
    """A client that keeps gRPC's own limit of 4 MB ends such a call with RESOURCE_EXHAUSTED: it must raise it."""
    request = predict_request("ops", inputs={"x": np.zeros(_MANY, np.float32)}).SerializeToString()
    with server.endpoint.channel({"grpc.max_receive_message_length": 4 * 2**20}) as channel:
        code, text = _raw(channel, f"/tensorflow.serving.{PREDICT}", request)
    same("a client with the usual limit", code, "RESOURCE_EXHAUSTED")
    pattern = re.compile(r".*Received message larger than max \(\d+ vs\. 4194304\).*")  # clients wrap it in words
    fits("a client with the usual limit", text, pattern)


# === Ways in ===


@flags.case("unix-socket")
def unix_socket(server):
    """With --grpc_socket_path the server also listens on a unix socket."""
    endpoint = Endpoint(f"unix:{server.folder / 'socket'}", "")
    same("Predict over the unix socket", _code_of(endpoint, "ops"), "OK")
    same("Predict over TCP", _code_of(server.endpoint, "ops"), "OK")


def _with_much_metadata(server, length: int):
    request = predict_request("ops", inputs={"x": np.float32([1.0])}).SerializeToString()
    with server.endpoint.channel() as channel:
        answer = _raw(channel, f"/tensorflow.serving.{PREDICT}", request, metadata=[("padding", "x" * length)])
    return answer[0] if isinstance(answer, tuple) else "OK"


@flags.case("channel-arguments:given")
def channel_arguments(server):
    """--grpc_channel_arguments reach gRPC: with grpc.max_metadata_size=100000 a call with 40 kB of metadata passes."""
    same("a call with 40 kB of metadata", _with_much_metadata(server, 40_000), "OK")


@section.case("channel-arguments:none")
def no_channel_arguments(server):
    """Without them gRPC's own limit of a few kB of metadata holds: RESOURCE_EXHAUSTED."""
    same("a call with 40 kB of metadata", _with_much_metadata(server, 40_000), "RESOURCE_EXHAUSTED")


# === Health and what is not there ===


def _health(server, service: str):
    request = b"\n" + bytes([len(service)]) + service.encode() if service else b""
    with server.endpoint.channel() as channel:
        return _raw(channel, _HEALTH, request)


@flags.case("health:services")
def health(server):
    """With --enable_grpc_healthcheck_service grpc.health.v1.Health says SERVING of "", ModelService and
    PredictionService."""
    for service in ("", "ModelService", "PredictionService"):
        same(f"health of {service!r}", _health(server, service), _SERVING)


@flags.case("health:unknown-service")
def health_of_an_unknown_service(server):
    """NOT_FOUND for any other name, the qualified ones too."""
    name = "tensorflow.serving.PredictionService"
    same(f"health of {name}", _health(server, name)[0], "NOT_FOUND")


@section.case("no-health")
def no_health(server):
    """Without the flag there is no health service: UNIMPLEMENTED."""
    same("health", _health(server, "")[0], "UNIMPLEMENTED")


@section.case("no-reflection")
def no_reflection(server):
    """The server tells nobody by reflection what its services are: UNIMPLEMENTED."""
    for version in ("v1alpha", "v1"):
        method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
        with server.endpoint.channel() as channel:
            call = channel.stream_stream(method)(iter([b":\x00"]), timeout=PATIENCE)
            try:
                answers = list(call)
            except grpc.RpcError as error:
                same(method, error.code().name, "UNIMPLEMENTED")
            else:
                raise Mismatch(method, "UNIMPLEMENTED", f"{len(answers)} answers")


@section.case("text-ops")
def text_ops(server):
    """Graphs with the ops of TensorFlow Text run."""
    request = predict_request("zoo", "text_ops", {"text": ["Crème BRÛLÉE"]})
    server.predicted(request, {"folded": ["cre\u0300me bru\u0302le\u0301e".encode()]})


# === TLS ===


@mutual.case("mutual-tls")
def mutual_tls(server):
    """With client_verify only a client is served whose certificate custom_ca signed."""
    texts = pems.read(server.files["pems"])
    expected = {"client": "OK", "stranger": "UNAVAILABLE", None: "UNAVAILABLE"}
    target = server.endpoint.grpc
    got = {who: _code_of(Endpoint(target, "", client_credentials(texts, who)), "tagged") for who in expected}
    same(
        "Predict by who shows the certificate",
        {**got, "plain": _code_of(Endpoint(target, ""), "tagged")},
        {
            **expected,
            "plain": "UNAVAILABLE",
        },
    )


@mutual.case("tls-on-the-unix-socket")
def tls_on_the_unix_socket(server):
    """ssl_config_file holds for the unix socket too: a plain connection gets no answer there."""
    same("a plain Predict", _code_of(Endpoint(f"unix:{server.folder / 'socket'}", ""), "tagged"), "UNAVAILABLE")


@one_sided.case("tls")
def tls(server):
    """With ssl_config_file who trusts the server's certificate is served, whoever it is; plain connections are not,
    nor who trusts another authority."""
    texts = pems.read(server.files["pems"])
    target = server.endpoint.grpc
    stranger = grpc.ssl_channel_credentials(texts["stranger.crt"].encode())
    got = [
        _code_of(Endpoint(target, "", credentials), "default")
        for credentials in (client_credentials(texts, None), None, stranger)
    ]
    same("trusting, plain, trusting another", got, ["OK", "UNAVAILABLE", "UNAVAILABLE"])
