"""gRPC's transport: TLS, mutual TLS, unix socket, compression, channel arguments, the health service."""

import subprocess
import sys
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.protos import predict_pb2
from serving.server import configuration, flags, tls
from serving.server.health import Health
from serving.server.messages import HealthCheckRequest, HealthCheckResponse
from serving.server.status import ServingError
from serving.server.text_files import NotParsed
from tests.serving.endpoint import predict_request

ROOT = Path(__file__).resolve().parents[2]
_METHOD = "/tensorflow.serving.PredictionService/Predict"


def credentials(pems, who=None):
    pair = [pems[f"{who}.key"].encode(), pems[f"{who}.crt"].encode()] if who else [None, None]
    return grpc.ssl_channel_credentials(pems["ca.crt"].encode(), *pair)


def ask(channel, **options):
    request = predict_request("zoo", inputs={"x": np.float32([1.0])}).SerializeToString()
    response = channel.unary_unary(_METHOD)(request, timeout=20, **options)
    return list(predict_pb2.PredictResponse.FromString(response).outputs["y"].float_val)


def refused(channel):
    with pytest.raises(grpc.RpcError) as caught:
        ask(channel)
    return caught.value.code().name


# === TLS ===


def test_tls_serves_who_trusts_the_server_and_nobody_without_it(serve_zoo, ssl_file, pems):
    server, _ = serve_zoo(ssl_config_file=ssl_file())
    target = f"localhost:{server.port}"
    with grpc.secure_channel(target, credentials(pems)) as channel:
        assert ask(channel) == [2.5]
    with grpc.insecure_channel(target) as channel:
        assert refused(channel) == "UNAVAILABLE"
    with grpc.secure_channel(target, grpc.ssl_channel_credentials(pems["stranger.crt"].encode())) as channel:
        assert refused(channel) == "UNAVAILABLE"


def test_a_server_whose_certificate_has_expired_is_not_trusted(serve_zoo, ssl_file, pems):
    server, _ = serve_zoo(ssl_config_file=ssl_file(key="old_server.key", cert="old_server.crt"))
    with grpc.secure_channel(f"localhost:{server.port}", credentials(pems)) as channel:
        assert refused(channel) == "UNAVAILABLE"


def test_a_server_of_another_name_than_its_certificates_is_not_trusted(serve_zoo, ssl_file, pems):
    server, _ = serve_zoo(ssl_config_file=ssl_file())
    options = [("grpc.ssl_target_name_override", "another.host")]
    with grpc.secure_channel(f"localhost:{server.port}", credentials(pems), options) as channel:
        assert refused(channel) == "UNAVAILABLE"


def test_mutual_tls_serves_only_whom_the_ca_signed(serve_zoo, ssl_file, pems):
    server, _ = serve_zoo(ssl_config_file=ssl_file(custom_ca="ca.crt", client_verify=True))
    target = f"localhost:{server.port}"
    with grpc.secure_channel(target, credentials(pems, "client")) as channel:
        assert ask(channel) == [2.5]
    for who in (None, "stranger", "old_client"):
        with grpc.secure_channel(target, credentials(pems, who)) as channel:
            assert refused(channel) == "UNAVAILABLE"


def test_rest_stays_plain(serve_zoo, ssl_file):
    _, endpoint = serve_zoo(ssl_config_file=ssl_file())
    assert endpoint.http("/v1/models/zoo:predict", {"instances": [1.0]})[0] == 200


def test_an_ssl_config_that_cannot_be_used_is_told_at_the_start(ssl_file, tmp_path):
    def refusal(path):
        with pytest.raises(ServingError) as caught:
            configuration.read(flags.Flags(ssl_config_file=path))
        return str(caught.value)

    path = ssl_file(client_verify=True)
    assert refusal(path) == (
        f"INVALID_ARGUMENT: {path}: client_verify is set without custom_ca: no client could be trusted"
    )
    assert refusal(ssl_file(key="client.key")) == (
        f"INVALID_ARGUMENT: Failed to BuildAndStart gRPC server: {path}: server_key and server_cert are no PEM texts "
        "that belong together, or custom_ca is none"
    )
    assert refusal("/no/file") == "NOT_FOUND: /no/file; No such file or directory"
    (tmp_path / "f").write_text("key: 'a'")
    with pytest.raises(NotParsed, match="Error parsing text-format tensorflow.serving.SSLConfig: 1:1"):
        tls.credentials(str(tmp_path / "f"))


def test_looking_at_certificates_leaves_no_port_open(ssl_file):
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom serving.conformance.process import listening_ports\n"
        "from serving.server import tls\ntls.credentials(sys.argv[1])\nprint(listening_ports(os.getpid()))"
    )
    argv = [sys.executable, "-c", program, ssl_file()]
    assert subprocess.check_output(argv, cwd=ROOT, text=True).strip() == "set()"


# === Other ways in ===


def test_a_unix_socket_answers_beside_the_port(serve_zoo, tmp_path):
    server, _ = serve_zoo(grpc_socket_path=str(tmp_path / "s"))
    for target in (f"unix:{tmp_path / 's'}", f"127.0.0.1:{server.port}"):
        with grpc.insecure_channel(target) as channel:
            assert ask(channel) == [2.5]


def test_tls_holds_on_the_unix_socket_too(serve_zoo, ssl_file, pems, tmp_path):
    serve_zoo(grpc_socket_path=str(tmp_path / "s"), ssl_config_file=ssl_file())
    target, options = f"unix:{tmp_path / 's'}", [("grpc.ssl_target_name_override", "localhost")]
    with grpc.secure_channel(target, credentials(pems), options) as channel:
        assert ask(channel) == [2.5]
    with grpc.insecure_channel(target) as channel:
        assert refused(channel) == "UNAVAILABLE"


def test_gzip_requests_are_taken(endpoint):
    with grpc.insecure_channel(endpoint.grpc, compression=grpc.Compression.Gzip) as channel:
        assert ask(channel) == [2.5]


def test_channel_arguments_reach_the_server(serve_zoo):
    server, _ = serve_zoo(grpc_channel_arguments="grpc.max_receive_message_length=10,grpc.primary_user_agent=a")
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        assert refused(channel) == "RESOURCE_EXHAUSTED"


# === Health ===


def check(channel, service=""):
    call = channel.unary_unary("/grpc.health.v1.Health/Check")
    request = HealthCheckRequest(service=service).SerializeToString()
    return HealthCheckResponse.FromString(call(request, timeout=20)).status


def watch(channel, service=""):
    call = channel.unary_stream("/grpc.health.v1.Health/Watch", response_deserializer=HealthCheckResponse.FromString)
    return call(HealthCheckRequest(service=service).SerializeToString(), timeout=60)


def test_health_knows_the_server_and_its_two_services(serve_zoo):
    server, _ = serve_zoo(enable_grpc_healthcheck_service=True)
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        found = [check(channel, service) for service in ("", "ModelService", "PredictionService")]
        assert found == [HealthCheckResponse.SERVING] * 3
        with pytest.raises(grpc.RpcError) as caught:
            check(channel, "tensorflow.serving.PredictionService")
        assert (caught.value.code().name, caught.value.details()) == ("NOT_FOUND", "service name unknown")


def test_who_watches_is_told_when_the_server_stops_and_does_not_hold_it_up(serve_zoo):
    server, _ = serve_zoo(enable_grpc_healthcheck_service=True, grpc_max_threads=1)
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watchers = [watch(channel, service) for service in ("", "PredictionService", "nobody")]
        assert [next(watcher).status for watcher in watchers] == [
            HealthCheckResponse.SERVING,
            HealthCheckResponse.SERVING,
            HealthCheckResponse.SERVICE_UNKNOWN,
        ]
        assert ask(channel) == [2.5]  # the one thread is free
        server.stop()
        assert [[response.status for response in watcher] for watcher in watchers] == [
            [HealthCheckResponse.NOT_SERVING],
            [HealthCheckResponse.NOT_SERVING],
            [HealthCheckResponse.SERVICE_UNKNOWN],
        ]


def test_health_is_off_unless_asked_for(endpoint):
    with grpc.insecure_channel(endpoint.grpc) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            check(channel)
    assert caught.value.code().name == "UNIMPLEMENTED"


def test_a_watch_that_ends_is_forgotten():
    class Context:
        def add_callback(self, callback):
            self.end = callback
            return True

    health, context, sent = Health(), Context(), []
    health._watch(HealthCheckRequest(), context, sent.append)
    context.end()
    health.shut_down()
    assert [response.status for response in sent] == [HealthCheckResponse.SERVING]
