"""One loaded version of a model, kept alive for as long as a request uses it."""

import threading
import time

import numpy as np

from serving.server.metrics import Metrics

DEFAULT_SIGNATURE = "serving_default"


class Servable:
    """A model version that answers.

    Args:
        name, version: what it is called.
        session: `session.ModelSession`, `batching.BatchingSession`, or anything with `signatures`, `run` and `close`.
        metrics: where its runs are counted.
    """

    def __init__(self, name: str, version: int, session, metrics: Metrics | None = None):
        self.name = name
        self.version = version
        self.signatures = session.signatures
        self.metrics = metrics or Metrics()
        self._session = session
        self._lock = threading.Lock()
        self._users = 0
        self._draining = False
        self._unused = threading.Event()

    def run(
        self, feeds: dict[str, np.ndarray], fetches: list[str], timeout_ms: int | None = None, api: str = "Predict"
    ) -> list[np.ndarray]:
        """Arrays of the tensors `fetches`; `api` is the call that asks, as the metrics name it."""
        started = time.perf_counter()
        values = self._session.run(feeds, fetches, timeout_ms)
        self.metrics.runtime_latency.observe((time.perf_counter() - started) * 1e6, self.name, api, "TF1")
        return values

    def acquire(self) -> bool:
        """Counts one more user; False when the version is on its way out."""
        with self._lock:
            if self._draining:
                return False
            self._users += 1
            return True

    @property
    def users(self) -> int:
        """Requests under way, those that wait for a batch included."""
        return self._users

    def queued(self) -> tuple[int, int] | None:
        """Requests and rows that wait for a batch; None where requests are not put together."""
        ask = getattr(self._session, "queued", None)
        return ask() if ask else None

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._draining and not self._users:
                self._unused.set()

    def drain(self, timeout: float | None = None) -> bool:
        """Takes no new users and waits for the last one; False when that took longer than `timeout` seconds."""
        with self._lock:
            self._draining = True
            if not self._users:
                self._unused.set()
        return self._unused.wait(timeout)

    def close(self) -> None:
        self._session.close()
