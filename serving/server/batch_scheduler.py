"""Queues of batches and the threads that work on them, by the rules of TensorFlow's SharedBatchScheduler.

A queue gathers tasks in one open batch. A batch is closed when the next task does not fit, when it is full, or when its
first task has waited long enough and a thread is free. The threads take closed batches from the queues in turn.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from serving.server.batching_parameters import PoolOptions, QueueOptions
from serving.server.status import Code, ServingError, invalid, where

log = logging.getLogger(__name__)


class Task(Protocol):
    """What is queued. `split(sizes)` gives one task for each size; together they are this one."""

    size: int  # rows

    def split(self, sizes: list[int]) -> "list[Task]": ...


@dataclass
class Batch:
    tasks: list = field(default_factory=list)
    size: int = 0
    opened: float = 0.0  # when its first task came, by the scheduler's clock

    def add(self, task: Task, now: float) -> None:
        if not self.tasks:
            self.opened = now
        self.tasks.append(task)
        self.size += task.size


class BatchScheduler:
    """The pool of threads and its queues.

    Args:
        pool: how many threads.
        clock: seconds, ascending; tests bring their own.
    """

    def __init__(self, pool: PoolOptions, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        lock = threading.Lock()
        self.changed = threading.Condition(lock)
        self._emptied = threading.Condition(lock)  # of its own: a worker's wake-up must not go to who waits here
        self._queues: list[BatchQueue] = []
        self._next = 0
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch_{number}", daemon=True)
            for number in range(pool.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def add_queue(self, options: QueueOptions, process: Callable[[list], None], kind=None):
        """A queue whose batches `process(tasks)` works on, in a thread of the pool; it must not raise.

        `kind(scheduler, options, process)` makes it; None: a `BatchQueue`.
        """
        queue = (kind or BatchQueue)(self, options, process)
        with self.changed:
            self._queues.append(queue)
        return queue

    def remove_queue(self, queue: "BatchQueue") -> None:
        """Returns when what was queued is done; nothing may be scheduled on it after this."""
        with self.changed:
            queue.closed = True
            self.changed.notify_all()
            self._emptied.wait_for(queue.idle)
            self._queues.remove(queue)

    def stop(self) -> None:
        """Ends the threads when the queues are empty."""
        with self.changed:
            self._stopping = True
            for queue in self._queues:
                queue.closed = True
            self.changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self.changed:
                taken = self._take()
                while taken is None:
                    if self._stopping and not any(queue.waiting for queue in self._queues):
                        return
                    self.changed.wait(self._until_due())
                    taken = self._take()
            queue, batch = taken
            try:
                queue.process(batch.tasks)
            except Exception as error:
                log.error("a batch was not worked on: %s", where(error))
            with self.changed:
                queue.running -= 1
                if queue.closed:
                    self._emptied.notify_all()

    def _take(self) -> "tuple[BatchQueue, Batch] | None":
        """A batch that is due, from the queue after the one that gave the last."""
        now = self.clock()
        for offset in range(len(self._queues)):
            at = (self._next + offset) % len(self._queues)
            batch = self._queues[at].take(now)
            if batch is not None:
                self._next = at + 1
                return self._queues[at], batch
        return None

    def _until_due(self) -> float | None:
        """Seconds until an open batch is due; None when there is none."""
        due = [queue.due for queue in self._queues if queue.waiting]
        return max(min(due) - self.clock(), 0) if due else None


class BatchQueue:
    """Batches of one kind of task: same inputs, same outputs, one version of a model."""

    def __init__(self, scheduler: BatchScheduler, options: QueueOptions, process: Callable[[list], None]):
        self._scheduler = scheduler
        self._options = options
        self.process = process
        self.batches = deque([Batch()])  # the last one is open
        self.running = 0
        self.closed = False

    def schedule(self, task: Task) -> None:
        """Queues a task. Raises ServingError where it is too large, or too much is waiting."""
        with self._scheduler.changed:
            self.put(task)

    def put(self, task: Task) -> None:
        """As `schedule`, for who holds the scheduler's lock."""
        self._check(task)
        for part in self._parts(task):
            if not self._fits(part):
                self.batches.append(Batch())
            self.batches[-1].add(part, self._scheduler.clock())
        # A thread that waits must hear of a batch that is closed, full, or new and so perhaps the next to be due. The
        # tasks between give it nothing to do, and to wake it costs them a hundredth of a millisecond each.
        opened = len(self.batches[-1].tasks) == 1
        if opened or len(self.batches) > 1 or self._is_due(self._scheduler.clock()):
            self._scheduler.changed.notify(len(self.batches))

    def take(self, now: float) -> Batch | None:
        """The batch to work on next, closed; None when there is none yet."""
        if not self.ready(now):
            return None
        if len(self.batches) == 1:
            self.batches.append(Batch())
        self.running += 1
        return self.batches.popleft()

    def ready(self, now: float) -> bool:
        """Whether `take` gives a batch."""
        return len(self.batches) > 1 or self._is_due(now)

    @property
    def due(self) -> float:
        return self.batches[-1].opened + self._options.batch_timeout_micros / 1e6

    @property
    def waiting(self) -> bool:
        return bool(self.batches[0].tasks)

    @property
    def oldest(self) -> float:
        """When the first task of those that wait came."""
        return self.batches[0].opened

    def queued(self) -> tuple[int, int]:
        """Tasks and rows that wait."""
        return sum(len(batch.tasks) for batch in self.batches), sum(batch.size for batch in self.batches)

    def idle(self) -> bool:
        return not self.running and not self.waiting

    def _limit(self, batch: Batch, task: Task | None = None) -> int:
        """Rows that the batch may have, with `task` in it."""
        return self._options.batch_limit

    def _fits(self, task: Task) -> bool:
        batch = self.batches[-1]
        return not batch.tasks or batch.size + task.size <= self._limit(batch, task)

    def _is_due(self, now: float) -> bool:
        batch = self.batches[-1]
        return bool(batch.tasks) and (self.closed or batch.size >= self._limit(batch) or now >= self.due)

    def _parts(self, task: Task) -> list[Task]:
        limit, room = self._limit(Batch(), task), self._room(task)
        if task.size <= room or not self._options.enable_large_batch_splitting:
            return [task]
        sizes = [room] if room else []
        left = task.size - room
        sizes += [limit] * (left // limit) + ([left % limit] if left % limit else [])
        return task.split(sizes)

    def _room(self, task: Task) -> int:
        batch = self.batches[-1]
        return max(self._limit(batch, task) - batch.size, 0)

    def _check(self, task: Task) -> None:
        options, waiting, last = self._options, len(self.batches), self.batches[-1].size
        if task.size > options.max_batch_size:
            raise invalid(f"Task size {task.size} is larger than maximum input batch size {options.max_batch_size}")
        full = "The batch scheduling queue to which this task was submitted is full; "
        if options.enable_large_batch_splitting:
            limit = self._limit(Batch(), task)
            room = (options.max_enqueued_batches - waiting) * limit + self._room(task)
            if task.size > room:
                raise ServingError(
                    Code.UNAVAILABLE,
                    f"{full}task size is {task.size} but scheduling capacity is only {room} "
                    f"(num_enqueued_batches={waiting}, max_enqueued_batches={options.max_enqueued_batches}, "
                    f"open_batch_size={last}, max_execution_batch_size={limit})",
                )
        elif not self._fits(task) and waiting >= options.max_enqueued_batches:
            raise ServingError(
                Code.UNAVAILABLE,
                f"{full}currently {waiting} batches enqueued and max_enqueued_batches is "
                f"{options.max_enqueued_batches}",
            )
