"""Puts the runs of many requests together: one run of the session for a batch of them, as batching_session.cc does it.

Each set of input and output tensors has its own queue, so requests of different signatures never meet. Requests of one
queue whose tensors have different shapes fail together, unless they are filled up to one shape.
"""

import logging
import math
import threading
from concurrent.futures import Future
from functools import partial
from itertools import accumulate

import numpy as np

from serving import tensors
from serving.server.batch_scheduler import BatchQueue, BatchScheduler
from serving.server.batching_parameters import QueueOptions
from serving.server.extensions.token_budget import TokenBudget, TokenBudgetQueue
from serving.server.metrics import Metrics
from serving.server.status import Code, ServingError, failed_precondition, invalid, unexpected, where

log = logging.getLogger(__name__)

_MAX_PADDED_RANK = 6
# TensorFlow Serving gives its batching sessions no name.
_POOL = ""

Feeds = dict[str, np.ndarray]


class BatchingSession:
    """A session whose runs are put together.

    Args:
        session: `session.ModelSession`, or anything with `signatures`, `run` and `close`.
        scheduler: the threads; shared by all sessions.
        options: how large batches are and how long they wait.
        metrics: where batches are counted.
        budget: batches are bounded by tokens too, and made of requests of like length; None: by rows alone.
    """

    def __init__(
        self,
        session,
        scheduler: BatchScheduler,
        options: QueueOptions,
        metrics: Metrics | None = None,
        budget: TokenBudget | None = None,
    ):
        self.signatures = session.signatures
        self._session = session
        self._scheduler = scheduler
        self._options = options
        self._metrics = metrics or Metrics()
        self._budget = budget
        self._queues: dict[tuple[frozenset, frozenset], BatchQueue | TokenBudgetQueue] = {}
        self._lock = threading.Lock()
        self._warned: set[str] = set()

    def run(self, feeds: Feeds, fetches: list[str], timeout_ms: int | None = None) -> list[np.ndarray]:
        """Arrays of the tensors `fetches`, as `session.run` gives them, once the batch that they are part of has run.

        Raises ServingError: what TensorFlow says of the whole batch; RESOURCE_EXHAUSTED where the time of every
        request of the batch passed while they waited; UNAVAILABLE where too many wait.
        """
        task = self._task(feeds, timeout_ms)
        for value in feeds.values():
            self._metrics.input_batch_size.observe(len(value))
        self._queue(frozenset(feeds), frozenset(fetches)).schedule(task)
        values = task.result()
        return [values[name] for name in fetches]

    def queued(self) -> tuple[int, int]:
        """Requests and rows that wait for a batch to run; a request that was split counts for each of its parts."""
        with self._lock:
            found = [queue.queued() for queue in self._queues.values()]
        return sum(tasks for tasks, _ in found), sum(rows for _, rows in found)

    def close(self) -> None:
        with self._lock:
            queues, self._queues = list(self._queues.values()), {}
        for queue in queues:
            self._scheduler.remove_queue(queue)
        self._session.close()

    def _queue(self, inputs: frozenset, outputs: frozenset) -> BatchQueue | TokenBudgetQueue:
        with self._lock:
            if (inputs, outputs) not in self._queues:
                fetches = sorted(outputs)
                self._queues[inputs, outputs] = self._scheduler.add_queue(
                    self._options,
                    lambda tasks: self._process(tasks, fetches),
                    partial(TokenBudgetQueue, budget=self._budget) if self._budget else None,
                )
            return self._queues[inputs, outputs]

    def _process(self, tasks: "list[_Task]", fetches: list[str]) -> None:
        try:
            answers = self._run_batch(tasks, fetches)
        except Exception as error:
            if not isinstance(error, ServingError):
                log.error("a batch failed: %s", where(error))
                error = unexpected(error)
            for task in tasks:
                # One error object per request: each is raised in a thread of its own.
                task.future.set_exception(ServingError(error.code, error.message))
            return
        for task, answer in zip(tasks, answers):
            task.future.set_result(answer)

    def _run_batch(self, tasks: "list[_Task]", fetches: list[str]) -> list[dict[str, np.ndarray]]:
        now = self._scheduler.clock()
        for task in tasks:
            self._metrics.queuing_latency.observe((now - task.enqueued) * 1e6, _POOL)
        timeout_ms = _time_left(tasks, now)
        feeds, padding = self._merge(tasks)
        values = self._session.run(feeds, fetches, timeout_ms)
        self._metrics.wrapped_run_count.add()
        return _split_outputs(dict(zip(fetches, values)), [task.size for task in tasks], padding)

    def _merge(self, tasks: "list[_Task]") -> tuple[Feeds, int]:
        """One array per input, and the number of rows in it that belong to nobody."""
        size = sum(task.size for task in tasks)
        padded_size = self._options.padded_size(size) if size else 0
        self._metrics.padding_size.observe(padded_size - size, str(padded_size))
        self._metrics.processed_batch_size.observe(padded_size)
        feeds = {}
        for name in sorted(tasks[0].feeds):
            arrays = [task.feeds[name] for task in tasks]
            if self._options.pad_variable_length_inputs:
                arrays = self._padded(name, arrays)
            elif any(array.shape[1:] != arrays[0].shape[1:] for array in arrays):
                raise failed_precondition(
                    f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off. "
                    "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal "
                    "dimensions starting with the first dim."
                )
            if padded_size > size:
                filler = next(array for array in reversed(arrays) if len(array))
                arrays.append(np.repeat(filler[:1], padded_size - size, axis=0))
            feeds[name] = _concatenate(arrays)
        return feeds, padded_size - size

    def _padded(self, name: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """All of one shape beyond the first dimension, filled up with the first element of each array."""
        if any(array.ndim != arrays[0].ndim for array in arrays):
            raise failed_precondition(f"Tensors with name '{name}' from different tasks have different ranks.")
        if arrays[0].ndim > _MAX_PADDED_RANK:
            raise invalid("Only tensors with rank from 1 to 6 can be padded.")
        shape = tuple(np.max([array.shape[1:] for array in arrays], axis=0).astype(int))
        return [array if array.shape[1:] == shape else self._fill_up(name, array, shape) for array in arrays]

    def _fill_up(self, name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        if not array.size:
            raise invalid("Got empty tensor in batch of non-empty tensors.")
        if "mask" in name.lower() and name not in self._warned:
            self._warned.add(name)
            log.warning(
                "pad_variable_length_inputs fills the mask %s up with its first element, %s: where that is not 0, "
                "filled-up places count as real ones and answers change with what else is in the batch. "
                "Send masks of one length, or text.",
                name,
                array.flat[0],
            )
        padded = np.full((len(array), *shape), array.flat[0], array.dtype)
        padded[tuple(slice(size) for size in array.shape)] = array
        return padded

    def _task(self, feeds: Feeds, timeout_ms: int | None) -> "_Task":
        now = self._scheduler.clock()
        task = _Task(feeds, _batch_size(feeds), now, now + timeout_ms / 1000 if timeout_ms else math.inf)
        if self._budget:
            task.length = self._budget.length(feeds)
        return task


class _Task:
    """One request's run, or a part of it; times by the scheduler's clock."""

    def __init__(self, feeds: Feeds, size: int, enqueued: float, deadline: float):
        self.feeds = feeds
        self.size = size
        self.enqueued = enqueued
        self.deadline = deadline
        self.length = 0  # tokens of its longest row, where batches have a budget
        self.future: Future = Future()
        self._parts: list[_Task] = []

    def split(self, sizes: list[int]) -> "list[_Task]":
        edges = list(accumulate(sizes, initial=0))
        self._parts = [
            _Task({name: value[a:b] for name, value in self.feeds.items()}, b - a, self.enqueued, self.deadline)
            for a, b in zip(edges, edges[1:])
        ]
        for part in self._parts:
            part.length = self.length
        return self._parts

    def result(self) -> dict[str, np.ndarray]:
        """Waits for the batch, of a split task for all of them; the first error is raised when all are done."""
        if not self._parts:
            return self.future.result()
        errors = [part.future.exception() for part in self._parts]
        for error in filter(None, errors):
            raise error
        answers = [part.future.result() for part in self._parts]
        return {name: _concatenate([answer[name] for answer in answers]) for name in answers[0]}


def _batch_size(feeds: Feeds) -> int:
    if not feeds:
        raise invalid("Batching Run() must have at least one input tensor")
    size = None
    for name in sorted(feeds):
        if not feeds[name].ndim:
            raise invalid("Batching Run() input tensors must have at least one dimension")
        if size is not None and len(feeds[name]) != size:
            raise invalid("Batching Run() input tensors must have equal 0th-dimension size")
        size = len(feeds[name])
    return size


def _time_left(tasks: list[_Task], now: float) -> int | None:
    """What the request with the latest deadline has left, in ms; None for no limit."""
    latest = max(task.deadline for task in tasks)
    if latest <= now:
        raise ServingError(Code.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue")
    return None if latest == math.inf else max(int((latest - now) * 1000), 1)


def _concatenate(arrays: list[np.ndarray]) -> np.ndarray:
    if len(arrays) == 1:
        return arrays[0]
    if any(array.dtype != arrays[0].dtype for array in arrays):
        first, other = (
            tensors.dtype_name(tensors.dtype_number(dtype))
            for dtype in (arrays[0].dtype, next(a.dtype for a in arrays if a.dtype != arrays[0].dtype))
        )
        raise ServingError(
            Code.INTERNAL,
            "Tensor concat operation failed: INVALID_ARGUMENT: Cannot concatenate tensors that have different data "
            f"types. Got {first} and {other}.",
        )
    return np.concatenate(arrays)


def _split_outputs(values: dict[str, np.ndarray], sizes: list[int], padding: int) -> list[dict[str, np.ndarray]]:
    total = sum(sizes) + padding
    for value in values.values():
        if not np.ndim(value):
            raise failed_precondition("Batched output tensor has 0 dimensions")
        if len(value) != total:
            raise failed_precondition(
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
                "tensors"
            )
    edges = list(accumulate(sizes, initial=0))
    return [{name: value[a:b] for name, value in values.items()} for a, b in zip(edges, edges[1:])]
