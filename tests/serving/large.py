"""Large bodies, deep or wide, sound or broken: what each is answered, and the memory that the server needs for it."""

import gzip
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tests.serving.endpoint import predict_request

# What requests may need however small they are: buffers of TensorFlow, memory that malloc keeps for each thread.
_MARGIN_MB = 250


@dataclass(frozen=True)
class Body:
    """A body to POST to Predict.

    Args:
        make: from a number of bytes.
        status: of the answer.
        times: the most memory that the server may need, as a multiple of that number.
    """

    make: Callable[[int], bytes]
    status: int
    times: float
    gzip: bool = False


def _instances(element: bytes, last: bytes = b"1") -> Callable[[int], bytes]:
    return lambda size: b'{"instances": [' + element * (size // len(element)) + last + b"]}"


def _text(character: bytes) -> Callable[[int], bytes]:
    head, tail = b'{"signature_name": "same", "inputs": {"text": ["', b'"], "text_pair": ["a"]}}'
    return lambda size: head + character * (size // len(character)) + tail


# An empty list takes 3 bytes as text and 64 as an object of Python: what is no array of numbers has such bounds.
BODIES = {
    "numbers": Body(_instances(b"1.5,"), 200, 8),
    "rows of numbers": Body(_instances(b"[1.5,2.25],", b"[1,2]"), 200, 8),
    "numbers, cut off": Body(lambda size: _instances(b"1.5,")(size)[:-2], 400, 16),
    "numbers and true": Body(_instances(b"1.5,", b"true"), 400, 24),
    "NaN": Body(_instances(b"NaN,"), 200, 10),
    "Infinity": Body(_instances(b"Infinity,"), 200, 10),
    "both keys": Body(lambda size: _instances(b"1.5,")(size)[:-1] + b', "inputs": 1}', 400, 24),
    "one string": Body(_text(b"good "), 200, 8),
    "no UTF-8": Body(_text(b"\xff"), 200, 10),
    "escapes": Body(_text(b'\\"'), 200, 10),
    "nested lists": Body(lambda size: b"[" * size, 400, 4),
    "nested objects": Body(lambda size: b'{"a":' * (size // 5), 400, 4),
    "empty lists": Body(_instances(b"[],"), 400, 32),
    "one key again and again": Body(lambda size: b"{" + b'"a":1,' * (size // 6) + b'"instances":[1]}', 200, 24),
    "many keys": Body(lambda size: b"{" + _keys(size) + b'"instances":[1]}', 200, 24),
    "a gzip bomb": Body(lambda size: gzip.compress(b" " * size * 4, 1), 400, 0, gzip=True),
}


def _keys(size: int) -> bytes:
    return b"".join(b'"%010d":1,' % number for number in range(size // 15))


@dataclass(frozen=True)
class Measured:
    """A body that was answered.

    Args:
        sent_mb: what went over the wire.
        seconds: until the answer was there.
        status, expected: of the answer.
        memory_mb: the most that the server had, beyond what it had before the first body.
        bound_mb: the most that it may be.
    """

    name: str
    sent_mb: float
    seconds: float
    status: int | str
    expected: int | str
    memory_mb: float
    bound_mb: float

    @property
    def as_expected(self) -> bool:
        return self.status == self.expected and self.memory_mb <= self.bound_mb

    def __str__(self) -> str:
        return (
            f"{self.name:24} {self.sent_mb:6.1f} MB  {self.seconds:6.1f} s  {self.status}  "
            f"memory +{self.memory_mb:.0f} MB (at most {self.bound_mb:.0f})"
            + ("" if self.as_expected else f"  NOT AS EXPECTED: {self.expected}")
        )


def ask_all(server, megabytes: int, only: list[str] | None = None) -> Iterator[Measured]:
    """Asks a `Process` that serves the zoo as model `zoo` with each body of that size, and one such gRPC message."""
    size, before = megabytes * 2**20, server.resident_mb()

    def measured(name: str, sent: int, expected, times: float, ask: Callable[[], int | str]) -> Measured:
        server.forget_peak()
        start = time.monotonic()
        status = ask()
        seconds, memory = time.monotonic() - start, server.peak_mb() - before
        return Measured(name, sent / 1e6, seconds, status, expected, memory, times * size / 1e6 + _MARGIN_MB)

    for name, one in BODIES.items():
        if only and name not in only:
            continue
        body, headers = one.make(size), {"Content-Encoding": "gzip"} if one.gzip else {}
        yield measured(
            name,
            len(body),
            one.status,
            one.times,
            lambda body=body, headers=headers: server.endpoint.http(
                "/v1/models/zoo:predict", body, headers=headers, timeout=1200
            )[0],
        )
    if not only or "gRPC" in only:
        yield measured("gRPC", size, "OK", 8, lambda: _ask_grpc(server, size // 4))


def _ask_grpc(server, count: int) -> str:
    request = predict_request("zoo", inputs={"x": np.zeros(count, np.float32)})
    response = server.endpoint.call("PredictionService/Predict", request, timeout=1200)
    return "OK" if response.outputs["y"].tensor_shape.dim[0].size == count else "WRONG"
