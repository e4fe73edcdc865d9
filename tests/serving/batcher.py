"""A batching session whose batches a test can foresee.

The session in it is a stand-in that notes what it runs, the clock stands still, and a batch runs when the test says so:
what is in it does not depend on who is quick.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving.server.batch_scheduler import BatchScheduler
from serving.server.batching import BatchingSession
from serving.server.batching_parameters import PoolOptions, QueueOptions
from serving.server.metrics import Metrics
from serving.server.status import ServingError

LONG = 10**9  # microseconds that no test waits


class Doubler:
    """y is 2 x, summed over what follows the first dimension; `total` is one number, `short` lacks a row."""

    signatures: dict = {}

    def __init__(self):
        self.runs, self.closed = [], False
        self.hold = threading.Event()
        self.hold.set()
        self.error = None

    def run(self, feeds, fetches, timeout_ms=None):
        assert self.hold.wait(30)
        self.runs.append(({name: value.tolist() for name, value in feeds.items()}, fetches, timeout_ms))
        if self.error:
            raise self.error
        x = next(iter(feeds.values()))
        rows = x if x.dtype == object else (2 * x).sum(axis=tuple(range(1, x.ndim)))
        answers = {"y": rows, "x": x, "total": np.float32(0), "short": rows[1:]}
        return [answers[name] for name in fetches]

    def close(self):
        self.closed = True


class Clock:
    """Stands still until it is set."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Batcher:
    """A batching session with `threads` callers; `ask` queues a request, `wake` makes its threads look at the clock."""

    def __init__(self, threads=1, clock=None, budget=None, **options):
        self.model, self.metrics, self.clock = Doubler(), Metrics(), clock or Clock()
        self.scheduler = BatchScheduler(PoolOptions(threads), self.clock)
        self.options = QueueOptions(**options)
        self.session = BatchingSession(self.model, self.scheduler, self.options, self.metrics, budget)
        self.callers = ThreadPoolExecutor(32)

    def ask(self, x, fetches=("y",), timeout_ms=None, name="x"):
        """A future of the answer; returns when the request is queued or refused."""
        feeds = x if isinstance(x, dict) else {name: np.asarray(x)}
        queued = threading.Event()
        queue = self.session._queue(frozenset(feeds), frozenset(fetches))
        schedule = queue.schedule

        def and_tell(task):
            try:
                schedule(task)
            finally:
                queued.set()

        queue.schedule = and_tell
        future = self.callers.submit(self._run, feeds, list(fetches), timeout_ms, queued)
        assert queued.wait(30)
        queue.schedule = schedule
        return future

    def _run(self, feeds, fetches, timeout_ms, queued):
        try:
            return [value.tolist() for value in self.session.run(feeds, fetches, timeout_ms)]
        finally:
            queued.set()

    def queue(self):
        return self.session._queues[frozenset("x"), frozenset("y")]

    def wake(self):
        """The threads look at the clock."""
        with self.scheduler.changed:
            self.scheduler.changed.notify_all()

    def inputs(self):
        return [feeds["x"] for feeds, _, _ in self.model.runs]

    def close(self):
        self.model.hold.set()
        self.session.close()
        self.scheduler.stop()
        self.callers.shutdown()


def f32(*values):
    return np.array(values, np.float32)


def answers(*futures):
    return [future.result(30) for future in futures]


def refusal(future):
    with pytest.raises(ServingError) as caught:
        future.result(30)
    return caught.value.code.name, caught.value.message
