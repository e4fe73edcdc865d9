"""The extensions that bound what one client may ask: requests a second, bytes a request."""

import gzip
import socket

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.client import Client, MessageTooLarge, ServerBusy
from serving.server.extensions.gate import address_of
from serving.server.extensions.limits import RateLimit, client_of
from tests.serving.endpoint import predict_request

PREDICT = "PredictionService/Predict"
PATH = "/v1/models/zoo:predict"


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


# === Requests a second ===


def test_a_burst_passes_and_then_one_for_every_interval():
    clock = Clock()
    limit = RateLimit(2.0, burst=3, clock=clock)
    assert [limit.take("a") for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 0.5]
    clock.now += 0.5
    assert [limit.take("a"), limit.take("a")] == [0.0, 0.5]
    clock.now += 60
    assert [limit.take("a") == 0 for _ in range(4)] == [True, True, True, False]


def test_without_a_burst_a_seconds_worth_passes_at_once_and_at_least_one():
    assert (RateLimit(2.5).burst, RateLimit(0.1).burst) == (3, 1)


def test_one_client_does_not_use_up_what_another_may():
    limit = RateLimit(1.0, clock=Clock())
    assert (limit.take("a"), limit.take("a"), limit.take("b")) == (0.0, 1.0, 0.0)


def test_the_table_of_clients_has_an_end_and_forgets_who_called_longest_ago():
    limit = RateLimit(1.0, max_clients=2, clock=Clock())
    for name in ("a", "b", "a", "c"):
        limit.take(name)
    assert limit.remembered == 2
    assert limit.take("a") == 1.0  # b was forgotten


@given(rate=st.floats(0.5, 50), burst=st.integers(1, 20), pauses=st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_no_more_pass_than_the_burst_and_the_rate_allow(rate, burst, pauses):
    clock = Clock()
    limit = RateLimit(rate, burst, clock=clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += limit.take("a") == 0.0
    assert passed <= burst + rate * sum(pauses[1:]) + 1e-6
    seconds = limit.take("a")
    clock.now += seconds
    assert seconds == 0.0 or limit.take("a") <= 1e-9


@pytest.mark.parametrize(
    "peer, client",
    [
        ("10.1.2.3", "10.1.2.3"),
        ("unix", "unix"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
    ],
)
def test_a_client_is_an_address_or_a_network_of_ipv6(peer, client):
    assert client_of(peer) == client


@pytest.mark.parametrize(
    "peer, address",
    [
        ("ipv4:127.0.0.1:4711", "127.0.0.1"),
        ("ipv6:%5B::1%5D:4711", "::1"),
        ("ipv6:[::1]:4711", "::1"),
        ("unix:", "unix"),
    ],
)
def test_the_address_in_grpcs_peer(peer, address):
    assert address_of(peer) == address


@pytest.fixture
def slow_lane(serve_zoo):
    """One request at once, and one more in 100 seconds."""
    return serve_zoo(ext_max_requests_per_second=0.01)


def test_over_grpc_too_many_requests_are_exhausted_and_say_when_to_come_back(slow_lane):
    server, endpoint = slow_lane
    request = predict_request("zoo", inputs={"x": np.float32([1.0])})
    endpoint.call(PREDICT, request)
    with grpc.insecure_channel(endpoint.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(f"/tensorflow.serving.{PREDICT}")(request.SerializeToString(), timeout=20)
    assert caught.value.code().name == "RESOURCE_EXHAUSTED"
    assert caught.value.details().startswith("Too many requests: 127.0.0.1 may send 0.01 a second; try again in ")
    pause = int(dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"])
    assert 60_000 < pause <= 100_001
    with Client(endpoint.grpc, "zoo") as client, pytest.raises(ServerBusy):
        client.status()


def test_over_rest_too_many_requests_are_429_with_retry_after(slow_lane):
    _, endpoint = slow_lane
    assert endpoint.http(PATH, {"instances": [1.0]})[0] == 200
    status, text, headers = endpoint.http_with_headers(PATH, {"instances": [1.0]})
    assert (status, "Too many requests: 127.0.0.1" in text) == (429, True)
    assert 60 < int(headers["Retry-After"]) <= 100


def test_both_ways_in_count_for_one_client(slow_lane):
    _, endpoint = slow_lane
    assert endpoint.http(PATH, {"instances": [1.0]})[0] == 200
    request = predict_request("zoo", inputs={"x": np.float32([1.0])})
    assert endpoint.refusal(PREDICT, request)[0] == "RESOURCE_EXHAUSTED"


def test_with_tokens_each_of_them_is_a_client(serve_zoo, tmp_path):
    (tmp_path / "tokens").write_text("anna anna-secret-0123456789\nbert bert-secret-0123456789\n")
    _, endpoint = serve_zoo(ext_max_requests_per_second=0.01, ext_auth_token_file=str(tmp_path / "tokens"))

    def ask(name):
        headers = {"Authorization": f"Bearer {name}-secret-0123456789"}
        return endpoint.http(PATH, {"instances": [1.0]}, headers=headers)[0]

    assert [ask("anna"), ask("anna"), ask("bert"), ask("nobody")] == [200, 429, 200, 401]


# === Bytes a request ===


@pytest.fixture
def small(serve_zoo):
    return serve_zoo(ext_max_request_bytes=1000)


def test_over_grpc_a_large_request_is_exhausted_before_it_is_read(small):
    _, endpoint = small
    fits, large = (predict_request("zoo", inputs={"x": np.zeros(n, np.float32)}) for n in (10, 1000))
    endpoint.call(PREDICT, fits)
    code, text = endpoint.refusal(PREDICT, large)
    assert code == "RESOURCE_EXHAUSTED"
    assert "larger than max" in text
    endpoint.call(PREDICT, fits)
    with Client(endpoint.grpc, "zoo") as client, pytest.raises(MessageTooLarge):
        client.predict(np.zeros(1000, np.float32))


def test_a_request_that_is_large_only_when_unpacked_is_refused_too(small):
    _, endpoint = small
    request = predict_request("zoo", inputs={"x": np.zeros(100_000, np.float32)}).SerializeToString()
    with grpc.insecure_channel(endpoint.grpc, compression=grpc.Compression.Gzip) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/tensorflow.serving.{PREDICT}")(request, timeout=20)
    assert caught.value.code().name == "RESOURCE_EXHAUSTED"
    packed = gzip.compress(b'{"instances": [' + b" " * 5000 + b"1.0]}")
    assert len(packed) < 1000
    assert endpoint.http(PATH, packed, headers={"Content-Encoding": "gzip"})[0] == 413


def test_over_rest_a_large_body_is_413_and_the_connection_ends(small):
    _, endpoint = small
    status, text, headers = endpoint.http_with_headers(PATH, b" " * 3_000_000)
    assert (status, headers["Connection"]) == (413, "close")
    assert "Request of 3000000 bytes is larger than max (1000 bytes)" in text
    assert endpoint.http(PATH, {"instances": [1.0]})[0] == 200


def test_a_chunked_body_is_bounded_as_it_comes(small):
    server, _ = small
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=20) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"258\r\n" + b" " * 600 + b"\r\n258\r\n" + b" " * 600 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
