"""One loaded version of a model, kept alive for as long as a request uses it."""

import threading

import numpy as np

DEFAULT_SIGNATURE = "serving_default"


class Servable:
    """A model version that answers.

    Args:
        name, version: what it is called.
        session: `session.ModelSession` or anything with `signatures`, `run` and `close`.
    """

    def __init__(self, name: str, version: int, session):
        self.name = name
        self.version = version
        self.signatures = session.signatures
        self._session = session
        self._lock = threading.Lock()
        self._users = 0
        self._draining = False
        self._unused = threading.Event()

    def run(self, feeds: dict[str, np.ndarray], fetches: list[str], timeout_ms: int | None = None) -> list[np.ndarray]:
        """Arrays of the tensors `fetches`. The place where requests of one version can be batched together."""
        return self._session.run(feeds, fetches, timeout_ms)

    def acquire(self) -> bool:
        """Counts one more user; False when the version is on its way out."""
        with self._lock:
            if self._draining:
                return False
            self._users += 1
            return True

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
