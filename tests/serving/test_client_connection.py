"""How the clients reach a server: retries, deadlines, TLS, sockets, sizes; and what they say when they do not."""

import socket
import threading
import time

import grpc
import pytest

from serving import client as serving_client
from serving.client import TLS, Client
from serving.client.connection import Connection
from tests.serving.proxy import Proxy


def is_served(client):
    return client.predict([1.0])["y"].tolist() == [2.5]


# === Retries ===


def test_what_met_unavailable_is_tried_again(make_client, proxy):
    proxy.refusals = [("UNAVAILABLE", "going away")] * 2
    with make_client(proxy.target, "zoo", retries=2) as client:
        assert is_served(client)
    assert proxy.calls == ["GetModelMetadata", "Predict", "Predict", "Predict"]


def test_retries_have_an_end(make_client, proxy):
    proxy.refusals = [("UNAVAILABLE", "going away")] * 5
    with make_client(proxy.target, "zoo", retries=1) as client:
        with pytest.raises(serving_client.Unavailable) as caught:
            client.predict([1.0])
    assert caught.value.details() == "going away"
    assert proxy.calls.count("Predict") == 2


def test_retries_end_with_the_time(make_client, proxy):
    proxy.refusals = [("UNAVAILABLE", "going away")] * 100
    with make_client(proxy.target, "zoo", retries=100) as client:
        client.metadata()
        with pytest.raises(serving_client.Unavailable):
            client.predict([1.0], timeout=0.5)
    # Pauses of 0.1, 0.2, 0.4 … s less a fifth: after the third no time is left.
    assert 1 <= proxy.calls.count("Predict") <= 4


@pytest.mark.parametrize(
    "code, details, kind",
    [
        ("INTERNAL", "out of order", serving_client.ServerFailed),
        ("UNKNOWN", "who knows", serving_client.ServerFailed),
        ("DEADLINE_EXCEEDED", "Timed out waiting for notification", serving_client.Timeout),
        ("RESOURCE_EXHAUSTED", "Run() timeout exceeded while waiting in batching queue", serving_client.ServerBusy),
        ("RESOURCE_EXHAUSTED", "out of memory", serving_client.ServerFailed),
        ("UNAUTHENTICATED", "no token", serving_client.AccessDenied),
        ("PERMISSION_DENIED", "not you", serving_client.AccessDenied),
    ],
)
def test_no_other_failure_is_tried_again(make_client, proxy, code, details, kind):
    proxy.refusals = [(code, details)]
    with make_client(proxy.target, "zoo") as client:
        with pytest.raises(serving_client.ServingError) as caught:
            client.predict([1.0])
    assert type(caught.value) is kind
    assert (caught.value.code().name, caught.value.details()) == (code, details)
    assert str(caught.value) == f"{details} ({code}; server {proxy.target}, model zoo, newest version)"
    assert proxy.calls.count("Predict") == 1


def test_a_full_queue_is_tried_again_and_is_busy_in_the_end(make_client, proxy):
    details = "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued"
    proxy.refusals = [("UNAVAILABLE", details)] * 2
    with make_client(proxy.target, "zoo", retries=1) as client:
        with pytest.raises(serving_client.ServerBusy):
            client.predict([1.0])
        assert is_served(client)


def test_the_signature_is_read_once(make_client, proxy):
    with make_client(proxy.target, "zoo") as client:
        assert [is_served(client) for _ in range(3)] == [True] * 3
    assert proxy.calls == ["GetModelMetadata"] + ["Predict"] * 3


# === A server that comes later ===


@pytest.fixture
def comes_later(endpoint):
    """A target where a server opens a little after the test began."""
    with Proxy(endpoint.grpc) as first:
        port = first.port
    opened = []
    timer = threading.Timer(0.7, lambda: opened.append(Proxy(endpoint.grpc, port)))
    timer.start()
    yield f"127.0.0.1:{port}"
    timer.join()
    opened[0].__exit__()


def test_wait_until_ready_outlasts_a_server_that_is_not_there_yet(make_client, comes_later):
    with make_client(comes_later, "zoo") as client:
        client.wait_until_ready(60)
        assert is_served(client)


def test_a_call_may_wait_for_its_server(make_client, comes_later):
    with make_client(comes_later, "zoo", retries=0, timeout=60, wait_for_ready=True) as client:
        assert is_served(client)


def test_readiness_is_of_the_version_or_label_asked_for(make_client, endpoint):
    with make_client(endpoint.grpc, "zoo") as client:
        client.wait_until_ready(20, version=1)
        with pytest.raises(
            serving_client.Timeout, match="not ready after 0.3 s: Could not find version 2 of model zoo"
        ):
            client.wait_until_ready(0.3, version=2)
        with pytest.raises(serving_client.Timeout, match="Unrecognized servable version label: canary"):
            client.wait_until_ready(0.3, label="canary")


# === Sizes ===


def test_messages_larger_than_agreed_are_an_error_of_their_own(make_client, endpoint):
    with make_client(endpoint.grpc, "zoo", max_message_bytes=100_000) as client:
        assert is_served(client)
        with pytest.raises(serving_client.MessageTooLarge, match="larger than max .* vs. 100000"):
            client.predict([1.0] * 100_000)


# === TLS and sockets ===


def test_tls_with_the_files_that_name_whom_to_trust(make_client, serve_zoo, ssl_file, pem_folder):
    server, _ = serve_zoo(ssl_config_file=ssl_file(custom_ca="ca.crt", client_verify=True))
    target = f"localhost:{server.port}"
    own = {"certificate": pem_folder / "client.crt", "key": pem_folder / "client.key"}
    with make_client(target, "zoo", tls=TLS(pem_folder / "ca.crt", **own)) as client:
        assert is_served(client)
    for tls in (None, TLS(pem_folder / "ca.crt"), TLS(pem_folder / "stranger.crt", **own)):
        with make_client(target, "zoo", tls=tls, retries=0) as client:
            with pytest.raises(serving_client.Unavailable):
                client.predict([1.0])


def test_a_unix_socket_with_tls_under_the_servers_name(make_client, serve_zoo, ssl_file, pem_folder, tmp_path):
    serve_zoo(grpc_socket_path=str(tmp_path / "s"), ssl_config_file=ssl_file())
    tls = TLS(pem_folder / "ca.crt", server_name="localhost")
    with make_client(f"unix:{tmp_path / 's'}", "zoo", tls=tls) as client:
        assert is_served(client)


def test_files_that_are_no_keys_are_told_before_anything_is_sent(pem_folder, tmp_path):
    def refusal(**files):
        with pytest.raises(ValueError) as caught:
            Client("localhost:8500", tls=TLS(**files))
        return str(caught.value)

    (tmp_path / "text").write_text("hello")
    own, key, other = (pem_folder / name for name in ("client.crt", "client.key", "server.key"))
    assert (
        refusal(ca=tmp_path / "no")
        == f"{tmp_path / 'no'}: cannot be read (No such file or directory); expected a PEM file"
    )
    assert refusal(ca=tmp_path / "text") == f"{tmp_path / 'text'}: no certificates; expected a PEM file of them"
    assert refusal(certificate=own) == "TLS: a client's certificate and its key go together: give both, or neither"
    for wrong in (other, tmp_path / "text"):
        assert refusal(certificate=own, key=wrong) == (
            f"{own} and {wrong}: no certificate and key that belong together; expected PEM files, the key without a "
            "password"
        )
    assert refusal(certificate=own, key=tmp_path) == f"{tmp_path}: cannot be read (Is a directory); expected a PEM file"
    Client("localhost:8500", tls=TLS(certificate=own, key=key)).close()


# === Tokens ===

TOKEN = "anna-secret-0123456789"


@pytest.fixture
def guarded(serve_zoo, ssl_file, tmp_path):
    """The zoo behind a token and TLS."""
    (tmp_path / "tokens").write_text(f"anna {TOKEN}\n")
    return serve_zoo(ssl_config_file=ssl_file(), ext_auth_token_file=str(tmp_path / "tokens"))


def test_every_call_shows_the_token(make_client, guarded, pem_folder):
    server, _ = guarded
    target, tls = f"localhost:{server.port}", TLS(pem_folder / "ca.crt")
    with make_client(target, "zoo", tls=tls, token=TOKEN) as client:
        assert is_served(client)
        assert [one.state for one in client.status()] == ["AVAILABLE"]
        assert len(list(client.predict_many([1.0, 2.0, 3.0], batch_size=1))) == 3
    with make_client(target, "zoo", tls=tls) as client, pytest.raises(serving_client.AccessDenied) as caught:
        client.status()
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "target", ["10.0.0.1:8500", "server:8500", "dns:///server:8500", "ipv4:127.0.0.1:1,10.0.0.1:1"]
)
def test_a_token_goes_to_another_machine_only_encrypted_or_when_told(make_client, target):
    with pytest.raises(ValueError, match="is another machine and the connection is plain") as caught:
        make_client(target, token=TOKEN)
    assert TOKEN not in str(caught.value)
    for options in ({"tls": TLS()}, {"token_without_tls": True}):
        assert Connection(target, token=TOKEN, **options).metadata() == (("authorization", f"Bearer {TOKEN}"),)


@pytest.mark.parametrize(
    "target",
    ["localhost:1", "127.0.0.9:1", "[::1]:1", "unix:/s", "dns:///localhost:1", "ipv4:127.0.0.1:1", "ipv6:[::1]:1"],
)
def test_within_this_machine_a_token_may_go_as_it_is(target):
    assert Connection(target, token=TOKEN).metadata() is not None


def test_a_token_is_one_word_and_is_not_shown():
    for wrong in ("", "two words", "line\n", "\u00e4"):
        with pytest.raises(ValueError, match="^token: expected one or more of the characters"):
            Connection("localhost:1", token=wrong)
    assert TOKEN not in repr(Connection("localhost:1", token=TOKEN))


# === What cannot be meant ===


@pytest.mark.parametrize(
    "target", ["localhost", "localhost:", ":8500", "host:0", "host:65536", "::1:8500", "unix:", ""]
)
def test_a_target_is_host_and_port_or_a_socket(target):
    with pytest.raises(ValueError, match="^target .*expected HOST:PORT|^target .*unix:/path"):
        Client(target)


@pytest.mark.parametrize(
    "target", ["localhost:1", "[::1]:8500", "unix:/s", "unix:///s", "dns:///a:1", "ipv4:1.2.3.4:5"]
)
def test_targets_that_grpc_knows_are_taken(target):
    assert Connection(target).target == target


@pytest.mark.parametrize(
    "options, text",
    [
        ({"retries": -1}, "retries=-1: expected 0 or more"),
        ({"timeout": 0}, "a time of 0 s: expected more than 0"),
        ({"keepalive": 1}, "keepalive=1: expected at least 10 seconds, or None"),
        ({"max_message_bytes": 0}, "max_message_bytes=0: expected a positive number, or None"),
        ({"tls": TLS(), "credentials": grpc.ssl_channel_credentials()}, "tls and credentials are both given"),
        ({"version": 1, "label": "a"}, "version=1 and label='a' are both given"),
    ],
)
def test_arguments_that_cannot_be_meant(make_client, options, text):
    with pytest.raises(ValueError, match=text):
        make_client("localhost:8500", **options)


def test_keepalive_and_other_options_reach_the_channel():
    def options(**given):
        return dict(Connection("localhost:1", **given).channel_options())

    assert options()["grpc.keepalive_time_ms"] == 310_000
    assert options(keepalive=20)["grpc.keepalive_time_ms"] == 20_000
    assert "grpc.keepalive_time_ms" not in options(keepalive=None)
    assert options(options=[("grpc.keepalive_time_ms", 1), ("a", "b")])["grpc.keepalive_time_ms"] == 1


def test_an_error_comes_in_time_though_nobody_speaks_at_the_target(make_client):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with make_client(target, "zoo") as client:
            with pytest.raises(serving_client.Timeout) as caught:
                client.predict([1.0], timeout=0.5)
        assert time.monotonic() - began < 10
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
