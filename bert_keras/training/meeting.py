"""The workers of a cluster meet before TensorFlow starts, which waits for missing ones in silence and without end.

Worker 0 listens on its own address; the others connect and say who they are and how they were started. Worker 0 tells
them for whom it still waits and, when all are there, to go on. Each message is a line of JSON. TensorFlow's server
takes the address over afterwards.
"""

import contextlib
import json
import select
import socket
import time

from bert_keras.errors import BadInput, WorkFailed
from bert_keras.training.cluster import TF_CONFIG, Cluster

WAIT_SECONDS = 300
_RETRY_SECONDS, _CONNECT_SECONDS = 0.5, 5
# What a message may take: beyond it the other side is none of ours.
_MESSAGE_BYTES, _MESSAGE_SECONDS = 1 << 20, 5
# How much longer than its own time a worker waits for what worker 0 says.
_VERDICT_SECONDS = 5


def meet(cluster: Cluster, settings: dict | None = None, wait_seconds: float = WAIT_SECONDS, on_wait=None) -> None:
    """Returns when all workers are there and were started alike.

    Args:
        cluster: `Cluster`.
        settings: dict that JSON can hold, of whatever has to be the same for all workers.
        wait_seconds: float. How long to wait for the others.
        on_wait: function of a sentence that says who is awaited, called when that changes; or None.

    Raises:
        BadInput: another worker has another cluster or other settings, or this one cannot listen on its address.
        WorkFailed: somebody has not come in time; the message names the addresses.
    """
    if cluster.count == 1:
        return
    settings = json.loads(json.dumps({TF_CONFIG: list(cluster.addresses), **(settings or {})}))
    deadline = time.monotonic() + wait_seconds
    if cluster.is_chief:
        with contextlib.closing(_Reception(cluster, settings, on_wait)) as reception:
            reception.run(deadline, wait_seconds)
    else:
        _arrive(cluster, settings, deadline, wait_seconds, on_wait)


class _Reception:
    """Worker 0's side."""

    def __init__(self, cluster, settings, on_wait):
        self._cluster, self._settings, self._on_wait = cluster, settings, on_wait
        self._arrived, self._listener = {}, _listener(cluster)

    def run(self, deadline, wait_seconds):
        self._say_who_is_missing()
        while missing := self._missing():
            ready, _, _ = select.select(
                [self._listener, *self._arrived.values()], [], [], max(deadline - time.monotonic(), 0)
            )
            if not ready:
                sentence = f"{_came_not(self._cluster.names(missing), wait_seconds)}."
                self._tell_all({"failed": sentence})
                raise WorkFailed(sentence)
            before = missing
            self._drop_those_who_left(ready)
            if self._listener in ready:
                self._receive()
            if self._missing() != before:
                self._say_who_is_missing()
        self._tell_all({"go": True})

    def close(self):
        for connection in (self._listener, *self._arrived.values()):
            connection.close()

    def _missing(self):
        return [number for number in range(1, self._cluster.count) if number not in self._arrived]

    def _drop_those_who_left(self, ready):
        # Nobody speaks twice: what can be read is the end.
        for number, connection in list(self._arrived.items()):
            if connection in ready:
                self._arrived.pop(number).close()

    def _receive(self):
        connection, _ = self._listener.accept()
        hello = _read(connection)
        number = hello.get("number")
        if number not in range(1, self._cluster.count) or not isinstance(hello.get("settings"), dict):
            connection.close()
            return
        wrong = self._wrong_with(number, hello["settings"])
        if wrong:
            self._tell_all({"bad_input": wrong})
            _send(connection, {"bad_input": wrong})
            connection.close()
            raise BadInput(wrong)
        self._arrived[number] = connection

    def _wrong_with(self, number, theirs):
        if number in self._arrived:
            return f"Two processes say that they are worker {number}; give each its own task index in {TF_CONFIG}."
        ours = self._settings
        for name in sorted({*ours, *theirs}):
            if ours.get(name) != theirs.get(name):
                return (
                    f"The workers were not started alike: {self._cluster.name(number)} with {name} = "
                    f"{theirs.get(name)}, worker 0 with {ours.get(name)}; expected the same on every machine."
                )
        return None

    def _say_who_is_missing(self):
        missing = self._missing()
        if missing:
            sentence = f"waiting for {self._cluster.names(missing)}"
            self._tell_all({"waiting": sentence})
            if self._on_wait:
                self._on_wait(sentence)

    def _tell_all(self, message):
        for connection in self._arrived.values():
            _send(connection, message)


def _arrive(cluster, settings, deadline, wait_seconds, on_wait):
    """The side of the others."""
    # TensorFlow is going to listen there, and would fail less clearly.
    _listener(cluster).close()
    said = None

    def say(sentence):
        nonlocal said
        if on_wait and sentence != said:
            on_wait(sentence)
        said = sentence

    while time.monotonic() < deadline:
        try:
            connection = socket.create_connection(cluster.host_and_port(0), timeout=_CONNECT_SECONDS)
        except OSError:
            say(f"waiting for {cluster.name(0)}")
            time.sleep(_RETRY_SECONDS)
            continue
        with connection:
            _send(connection, {"number": cluster.number, "settings": settings})
            # Worker 0's time may be up a little later than this worker's, and it alone knows who all have come.
            while message := _read(connection, deadline - time.monotonic() + _VERDICT_SECONDS):
                if "go" in message:
                    return
                if "bad_input" in message:
                    raise BadInput(message["bad_input"])
                if "failed" in message:
                    raise WorkFailed(message["failed"])
                say(message.get("waiting", said))
        time.sleep(_RETRY_SECONDS)
    awaited = (said or "").removeprefix("waiting for ") or cluster.name(0)
    raise WorkFailed(f"{_came_not(awaited, wait_seconds)}.")


def _came_not(names, wait_seconds):
    return (
        f"No sign of {names} within {wait_seconds:g} seconds; start the same command there, and see that the address "
        "can be reached"
    )


def _listener(cluster):
    """A socket that listens on this worker's address."""
    address = ("", cluster.host_and_port(cluster.number)[1])
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(address, family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(address)
    except OSError as error:
        raise BadInput(
            f"Cannot listen on {cluster.addresses[cluster.number]}, which {TF_CONFIG} gives as this worker's address "
            f"({error.strerror}); expected a free port of this machine: end what uses it, or choose another."
        ) from error


def _send(connection, message):
    # Whoever has gone is found missing when the connection is read.
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(message).encode() + b"\n")


def _read(connection, seconds=_MESSAGE_SECONDS):
    """The next message, a dict; an empty one where the other side has gone, is silent or is none of ours."""
    line, until = b"", time.monotonic() + seconds
    try:
        while not line.endswith(b"\n") and len(line) < _MESSAGE_BYTES:
            connection.settimeout(max(until - time.monotonic(), 1e-3))
            # Byte by byte, so that what follows stays for the next call.
            byte = connection.recv(1)
            if not byte:
                return {}
            line += byte
        message = json.loads(line)
    except (OSError, ValueError):
        return {}
    return message if isinstance(message, dict) else {}
