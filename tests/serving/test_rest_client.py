"""The client over REST: what it answers is what the client over gRPC answers."""

import http.client
import http.server
import ssl
import threading
import urllib.request

import grpc
import numpy as np
import pytest

from serving.client import (
    TLS,
    AccessDenied,
    Client,
    InvalidInput,
    ModelNotFound,
    RestClient,
    ServedModel,
    ServerFailed,
    SignatureNotFound,
    Timeout,
    Unavailable,
)


@pytest.fixture
def rest(endpoint):
    with RestClient(endpoint.rest, "zoo") as one:
        yield one


@pytest.fixture
def both(rest, endpoint):
    """`both(lambda client: …)`: what the call gives over REST and over gRPC."""
    with Client(endpoint.grpc, "zoo") as other:
        yield lambda call: (call(rest), call(other))


# === The same answers ===


@pytest.mark.parametrize(
    "signature, inputs",
    [
        (None, [1.0, 0.1, -3e-7]),
        (None, np.array([np.inf, -np.inf, np.nan, 16777217.0], np.float32)),
        ("two", {"x": [1.5, 2.5], "k": [3, -4]}),
        ("kinds", [1.0, 0.0]),
        ("matmul", [[1.0, 2.0], [3.0, 4.0]]),
        ("scalar", [1.0, 2.0]),
        ("sentiment", ["good", 'bad "quotes"\n', "é 好 😀"]),
        ("sentiment", "good"),
        ("same", {"text": ["a", "b"], "text_pair": ["a", "c"]}),
        ("sentiment", [b"good \xff\x00"]),
    ],
)
def test_predict_gives_the_same_names_dtypes_and_values(both, signature, inputs):
    over_rest, over_grpc = both(lambda client: client.predict(inputs, signature=signature))
    assert sorted(over_rest) == sorted(over_grpc)
    for name, array in over_grpc.items():
        assert over_rest[name].dtype == array.dtype and over_rest[name].shape == array.shape
        np.testing.assert_array_equal(over_rest[name], array)
    assert (over_rest.model, over_rest.signature) == (over_grpc.model, over_grpc.signature)


def test_only_the_outputs_asked_for_are_given(both):
    over_rest, over_grpc = both(lambda client: client.predict({"x": [1.0], "k": [3]}, ["double_k"], signature="two"))
    assert {name: array.tolist() for name, array in over_rest.items()} == {"double_k": [6]}
    assert list(over_grpc) == ["double_k"]


def test_classify_and_regress(both):
    examples = [{"x": 0.25}, {"x": 0.5, "more": [1, 2], "text": "é", "raw": b"\xff"}]
    over_rest, over_grpc = both(lambda client: client.classify(examples, signature="classify"))
    assert over_rest == over_grpc and len(over_rest) == 2
    over_rest, over_grpc = both(lambda client: client.regress(examples, signature="regress"))
    np.testing.assert_array_equal(over_rest, over_grpc)


def test_metadata_and_status(both):
    over_rest, over_grpc = both(lambda client: client.metadata())
    assert dict(over_rest) == dict(over_grpc) and over_rest.version == over_grpc.version == 1
    over_rest, over_grpc = both(lambda client: client.status())
    assert over_rest == over_grpc and over_rest[0].state == "AVAILABLE"


def test_many_texts_keep_their_order_over_several_connections(both):
    texts = [("good " * (number % 3)).strip() or "bad" for number in range(200)]
    over_rest, over_grpc = both(
        lambda client: list(client.predict_many(texts, signature="sentiment", batch_size=7, concurrency=4))
    )
    assert [answer["label"] for answer in over_rest] == [answer["label"] for answer in over_grpc]
    assert [answer["score"] for answer in over_rest] == [answer["score"] for answer in over_grpc]
    assert len({answer["score"] for answer in over_rest}) == 2


def test_it_waits_until_a_model_answers(rest):
    rest.wait_until_ready(10)


def test_a_version_is_told_where_it_was_named(rest):
    assert rest.predict([1.0]).version is None
    assert rest.predict([1.0], version=1).version == 1


def test_labels_and_names_with_signs_go_into_the_address(start_server, settings_of, saved_versions):
    base = saved_versions
    model = settings_of("a model/é", base, versions=(1, 2), latest=None, labels={"my label": 1})
    _, endpoint = start_server(model, allow_version_labels_for_unavailable_models=True)
    with RestClient(endpoint.rest, "a model/é", label="my label") as client:
        client.wait_until_ready(30)
        assert client.predict([1.0])["y"].tolist() == [2.0]
        assert client.predict([1.0], version=2)["y"].tolist() == [3.0]


# === The same errors ===


@pytest.mark.parametrize(
    "kind, call",
    [
        (ModelNotFound, lambda client: client.predict([1.0], model="none")),
        (ModelNotFound, lambda client: client.predict([1.0], version=7)),
        (ModelNotFound, lambda client: client.predict([1.0], label="none")),
        (ModelNotFound, lambda client: client.status(model="none")),
        (SignatureNotFound, lambda client: client.predict([1.0], signature="none")),
        (SignatureNotFound, lambda client: client.classify([{"x": 1.0}], signature="none")),
        (InvalidInput, lambda client: client.predict({"z": [1.0]})),
        (InvalidInput, lambda client: client.predict([1.0], ["none"])),
        (InvalidInput, lambda client: client.predict([[1.0, 2.0, 3.0]], signature="matmul")),
        (Timeout, lambda client: client.predict([5.0], signature="slow", timeout=0.3)),
    ],
)
def test_errors_have_the_types_that_they_have_over_grpc(both, kind, call):
    def failure(client):
        with pytest.raises(kind) as caught:
            call(client)
        return caught.value

    over_rest, over_grpc = both(failure)
    assert type(over_rest) is type(over_grpc) is kind
    assert over_rest.where.startswith("server http://127.0.0.1:")


def test_an_unknown_output_is_told_as_the_server_tells_it(both):
    def text(client):
        with pytest.raises(InvalidInput) as caught:
            client.predict([1.0], ["none"])
        return caught.value.details()

    over_rest, over_grpc = both(text)
    assert over_rest == over_grpc


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.multi_inference([{"x": 1.0}], classify=["classify"]),
        lambda client: client.reload([ServedModel("zoo", "/models/zoo")]),
    ],
)
def test_what_rest_has_not_is_told(rest, call):
    with pytest.raises(ServerFailed, match="REST has no .*; use a Client, of the server's gRPC port") as caught:
        call(rest)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_numbers_of_16_bits_are_the_servers_to_refuse(rest):
    with pytest.raises(InvalidInput, match="Failed to write JSON value for tensor type: half"):
        rest.predict([1.0], signature="half")


def test_nobody_at_the_target():
    with RestClient("http://127.0.0.1:9", "zoo", retries=0) as client:
        with pytest.raises(Unavailable, match="no connection: .*; server http://127.0.0.1:9, model zoo"):
            client.predict([1.0])


@pytest.mark.parametrize("target", ["localhost:8501", "ftp://localhost", "http://"])
def test_a_target_that_is_no_address_is_refused(target):
    with pytest.raises(ValueError, match="expected http://HOST:PORT of the server's REST port"):
        RestClient(target)


# === What stands between ===


class Relay(http.server.BaseHTTPRequestHandler):
    """Hands requests below /models-of-ours with the right token on to a server; hangs up after every second answer."""

    protocol_version = "HTTP/1.1"
    server_address = ""
    answered = 0

    def do_GET(self):  # noqa: N802 - the library's name
        self.hand_on()

    do_POST = do_GET  # noqa: N815

    def hand_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        status, answer = 401, b"<html>who are you?</html>"
        if self.headers.get("Authorization") == "Bearer token":
            path = self.path.removeprefix("/models-of-ours")
            with urllib.request.urlopen(urllib.request.Request(type(self).server_address + path, body)) as response:
                status, answer = response.status, response.read()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        type(self).answered += 1
        # Without saying so, as a server does to a connection that was idle for long.
        self.close_connection = type(self).answered % 2 == 0

    def log_message(self, *_):
        pass


@pytest.fixture
def relay(endpoint, pem_folder):
    """Address of a `Relay` that speaks TLS."""
    handler = type("RelayOfTest", (Relay,), {"server_address": endpoint.rest, "answered": 0})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem_folder / "server.crt", pem_folder / "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://localhost:{server.server_address[1]}/models-of-ours/"
        server.shutdown()


def test_it_goes_through_a_gateway_with_tls_a_path_and_a_token_that_hangs_up(relay, pem_folder):
    with RestClient(relay, "zoo", tls=TLS(ca=pem_folder / "ca.crt"), token="token", retries=0) as client:
        found = [client.predict([float(number)])["y"].tolist() for number in range(6)]
    assert found == [[2.0 + number / 2] for number in range(6)]


@pytest.mark.parametrize("lost", [
    http.client.RemoteDisconnected("gone"),
    ssl.SSLEOFError("gone"),
    ssl.SSLError(ssl.SSL_ERROR_SYSCALL, "[SYS] unknown error"),
])  # fmt: skip
def test_a_connection_that_was_lost_while_idle_is_opened_anew_whatever_tells(endpoint, monkeypatch, lost):
    with RestClient(endpoint.rest, "zoo", retries=0) as client:
        assert client.predict([1.0])["y"].tolist() == [2.5]
        exchange, failures = client._exchange, [lost]
        monkeypatch.setattr(client, "_exchange", lambda *request: _fail(failures) or exchange(*request))
        assert client.predict([2.0])["y"].tolist() == [3.0]


def _fail(failures):
    if failures:
        raise failures.pop()


def test_headers_of_ones_own_are_sent(relay, pem_folder):
    headers = {"Authorization": "Bearer token"}
    with RestClient(relay, "zoo", tls=TLS(ca=pem_folder / "ca.crt"), headers=headers) as client:
        assert client.predict([1.0])["y"].tolist() == [2.5]


def test_a_token_goes_to_another_machine_over_tls_alone_unless_it_may_not():
    with pytest.raises(ValueError, match="token: .* is another machine and the connection is plain"):
        RestClient("http://192.0.2.1:8501", token="secret")
    for target, more in (
        ("https://192.0.2.1:8501", {}),
        ("http://127.0.0.1:8501", {}),
        ("http://localhost", {}),
        ("http://192.0.2.1:8501", {"token_without_tls": True}),
    ):
        RestClient(target, token="secret", **more).close()


def test_tls_for_a_plain_address_is_refused():
    with pytest.raises(ValueError, match="TLS is for https://HOST:PORT"):
        RestClient("http://localhost:8501", tls=TLS())


def test_a_gateway_that_lets_nobody_in_is_told_with_its_own_words(relay, pem_folder):
    with RestClient(relay, "zoo", tls=TLS(ca=pem_folder / "ca.crt")) as client:
        with pytest.raises(AccessDenied, match="who are you"):
            client.predict([1.0])


def test_a_certificate_that_a_stranger_signed_is_refused(relay, pem_folder):
    with RestClient(relay, "zoo", tls=TLS(ca=pem_folder / "stranger.crt"), retries=0) as client:
        with pytest.raises(Unavailable, match="certificate verify failed"):
            client.predict([1.0])
