"""The workers' meeting, with a thread for each of them and real sockets."""

import concurrent.futures
import json
import socket
import time

import pytest

from bert_keras.errors import BadInput, WorkFailed
from bert_keras.training.cluster import Cluster
from bert_keras.training.meeting import meet


def free_addresses(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    addresses = tuple(f"localhost:{each.getsockname()[1]}" for each in sockets)
    for each in sockets:
        each.close()
    return addresses


@pytest.fixture
def gather():
    """`gather(addresses, {number: settings})`: each one's error or None, and what it said."""

    def run(addresses, settings, wait_seconds=20):
        said = {number: [] for number in settings}

        def one(number):
            try:
                meet(Cluster(addresses, number), settings[number], wait_seconds, said[number].append)
            except (BadInput, WorkFailed) as error:
                return error

        with concurrent.futures.ThreadPoolExecutor() as pool:
            outcomes = dict(zip(settings, pool.map(one, settings)))
        return outcomes, said

    return run


def test_all_go_on_when_all_are_there(gather):
    addresses = free_addresses(3)
    outcomes, said = gather(addresses, {number: {"steps": [10]} for number in (2, 1, 0)})
    assert outcomes == {0: None, 1: None, 2: None}
    assert said[0][0] == f"waiting for worker 1 ({addresses[1]}), worker 2 ({addresses[2]})"


def test_a_worker_alone_waits_for_nobody():
    meet(Cluster(("localhost:1",), 0), wait_seconds=0)


def test_who_does_not_come_is_named_to_all_within_the_time(gather):
    addresses, begin = free_addresses(3), time.monotonic()
    outcomes, _ = gather(addresses, {0: {}, 1: {}}, wait_seconds=5)
    assert time.monotonic() - begin < 30
    for error in outcomes.values():
        assert isinstance(error, WorkFailed)
        assert f"No sign of worker 2 ({addresses[2]}) within 5 seconds" in str(error)


def test_a_chief_that_does_not_come_is_named(gather):
    addresses = free_addresses(2)
    outcomes, said = gather(addresses, {1: {}}, wait_seconds=1)
    assert f"No sign of worker 0 ({addresses[0]}) within 1 seconds" in str(outcomes[1])
    assert said[1] == [f"waiting for worker 0 ({addresses[0]})"]


def test_workers_that_were_started_differently_are_told_in_what(gather):
    addresses = free_addresses(2)
    outcomes, _ = gather(addresses, {0: {"steps": [10], "seed": 0}, 1: {"steps": [20], "seed": 0}})
    for error in outcomes.values():
        assert isinstance(error, BadInput)
        assert f"worker 1 ({addresses[1]}) with steps = [20], worker 0 with [10]" in str(error)


@pytest.mark.parametrize("number", [0, 1])
def test_an_address_that_is_in_use_is_bad_input(number):
    with socket.create_server(("", 0)) as other:
        address = f"localhost:{other.getsockname()[1]}"
        with pytest.raises(BadInput, match=f"Cannot listen on {address}, .*in use"):
            meet(Cluster((address, address), number), wait_seconds=1)


def test_strangers_and_those_who_leave_do_not_count():
    """Somebody who speaks no JSON, and a worker that comes, is killed and comes again."""
    addresses = free_addresses(2)
    host, port = Cluster(addresses).host_and_port(0)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        chief = pool.submit(meet, Cluster(addresses, 0), {}, 20)
        for text in (b"GET / HTTP/1.1\r\n\r\n\n", b'{"number": 7, "settings": {}}\n', b'{"number": true}\n'):
            with _connected(host, port) as stranger:
                stranger.sendall(text)
        with _connected(host, port) as stranger:
            stranger.sendall(b'{"number":')
        assert not chief.done()
        pool.submit(meet, Cluster(addresses, 1), {}, 20).result()
        chief.result()


def test_two_processes_of_one_number_are_refused():
    addresses = free_addresses(3)
    hello = {"number": 1, "settings": {"TF_CONFIG": list(addresses)}}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        chief = pool.submit(meet, Cluster(addresses, 0), {}, 20)
        with _connected(*Cluster(addresses).host_and_port(0)) as first:
            first.sendall(json.dumps(hello).encode() + b"\n")
            # What the chief answers to the first says that it has counted it.
            assert b"waiting for worker 2" in first.recv(1000)
            second = pool.submit(meet, Cluster(addresses, 1), {}, 20)
            for process in (chief, second):
                with pytest.raises(BadInput, match="Two processes say that they are worker 1"):
                    process.result()


def _connected(host, port):
    until = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection((host, port))
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
