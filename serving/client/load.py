"""A load test: how many requests a server answers, how quickly, and which it does not."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from serving.client.client import Client
from serving.client.errors import ServingError
from serving.client.rows import columns


@dataclass(frozen=True)
class LoadReport:
    """seconds: wall time of the whole test; latencies: seconds of each answered request; errors: count by gRPC code."""

    seconds: float
    batch_size: int
    latencies: tuple[float, ...] = field(repr=False)
    errors: Mapping[str, int]

    @property
    def requests(self) -> int:
        return len(self.latencies) + self.failed

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    def latency(self, percent: float) -> float | None:
        """Seconds within which this share of the answered requests was answered; None where none was."""
        return float(np.percentile(self.latencies, percent, method="inverted_cdf")) if self.latencies else None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; latencies in milliseconds."""
        answered = len(self.latencies)
        shares = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
        latencies = {name: self.latency(percent) for name, percent in shares.items()}
        return {
            "requests": self.requests,
            "answered": answered,
            "seconds": round(self.seconds, 3),
            "requests_per_second": round(answered / self.seconds, 2),
            "rows_per_second": round(answered * self.batch_size / self.seconds, 2),
            "latency_ms": {
                name: None if value is None else round(value * 1000, 3) for name, value in latencies.items()
            },
            "errors": dict(sorted(self.errors.items())),
        }


def load_test(
    client: Client,
    items: Sequence[Any],
    *,
    batch_size: int = 1,
    concurrency: int = 1,
    count: int | None = None,
    seconds: float | None = None,
    signature: str | None = None,
) -> LoadReport:
    """Asks without a pause, from `concurrency` threads that each wait for an answer before they ask again.

    What is measured is the whole call as a caller sees it, with what the client does in it and with the time that a
    request waits for the machine's processors; the client should run on a machine of its own. The first request of all
    is not measured: it reads the signature. Make the client with `retries=0`, or retries count into the latency.

    Args:
        items: texts, rows or dicts as of `predict`, taken in turn and over again; each request has `batch_size`.
        count: how many requests; None: as many as `seconds` allow. Exactly one of the two is given.

    Raises ValueError for arguments that cannot be meant, and the ServingError of the first request.
    """
    if (count is None) == (seconds is None):
        raise ValueError("a load test needs a number of requests or a time: give one of them")
    if not items or min(batch_size, concurrency) < 1 or (count or seconds or 0) <= 0:
        raise ValueError("a load test needs items, and a batch size, a concurrency and a count or a time above 0")
    size = len(items)
    requests = [[items[(start + place) % size] for place in range(batch_size)] for start in range(0, size, batch_size)]
    requests = [columns(batch, f"server {client.target}") for batch in requests]
    client.predict(requests[0], signature=signature)
    run = _Run(client, requests, signature, count, seconds)
    threads = [threading.Thread(target=run.ask, name="load_test") for _ in range(concurrency)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        run.stopped.set()
    return LoadReport(time.perf_counter() - run.began, batch_size, tuple(run.latencies), run.errors)


class _Run:
    def __init__(
        self, client: Client, requests: list[Any], signature: str | None, count: int | None, seconds: float | None
    ):
        self._client, self._requests, self._signature = client, requests, signature
        self._numbers = itertools.count() if count is None else iter(range(count))
        self._lock = threading.Lock()
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self.stopped = threading.Event()
        self.began = time.perf_counter()
        self._end = None if seconds is None else self.began + seconds

    def ask(self) -> None:
        while (number := self._next()) is not None:
            asked = time.perf_counter()
            try:
                self._client.predict(self._requests[number % len(self._requests)], signature=self._signature)
            except ServingError as error:
                with self._lock:
                    self.errors[error.code().name] += 1
            else:
                took = time.perf_counter() - asked
                with self._lock:
                    self.latencies.append(took)

    def _next(self) -> int | None:
        if self.stopped.is_set() or (self._end is not None and time.perf_counter() >= self._end):
            return None
        with self._lock:
            return next(self._numbers, None)
