"""Batches by tokens and length: an encoder's work is rows times the longest of them, not rows.

A batch of one text of 400 tokens and 31 of 10 makes the model compute 32 x 400. Here requests wait in buckets by their
length, one batch takes requests of one bucket, and its rows times its longest row stay within a budget: the idea of
Hugging Face's text-embeddings-inference (`--max-batch-tokens`). The oldest request of all says which bucket is next, so
that nobody starves: who waits is passed by no request that came later to another bucket.

Requests of text are tokenized in the graph, so their length in tokens is not known before the run. It is estimated from
the bytes, at a cost that does not depend on a vocabulary: see `tokens_of_text`. An estimate that is off makes a batch
larger or smaller than it might be, and never changes an answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from serving.server.batch_scheduler import Batch, BatchQueue, BatchScheduler
from serving.server.batching_parameters import QueueOptions
from serving.server.flags import Flags
from serving.server.status import invalid

_ASCII = bytes(range(128))
# [CLS] and [SEP].
_SPECIAL_TOKENS = 2
# English in WordPiece: about this many bytes for a token, the spaces counted. Of Chinese each ideograph is a token, and
# three bytes of UTF-8.
_ASCII_BYTES, _OTHER_BYTES = 4.5, 3.0


@dataclass(frozen=True)
class TokenBudget:
    """
    tokens: rows times the longest row of a batch. A request that is larger by itself has a batch of its own.
    buckets: ascending lengths; a request belongs to the first that its longest row does not exceed. Longer rows count
        as the last, which is where models cut them off.
    """

    tokens: int
    buckets: tuple[int, ...]

    def length(self, feeds: dict[str, np.ndarray]) -> int:
        """Tokens of the longest row, at most the last bucket: of arrays of numbers `[rows, length, ...]` it is known,
        of strings estimated; the strings of several inputs stand in one row."""
        texts, longest = None, 1
        for value in feeds.values():
            if value.dtype == object:
                lengths = _text_lengths(value)
                texts = lengths if texts is None else texts + lengths
            elif value.ndim > 1:
                longest = max(longest, value.shape[1])
        if texts is not None and len(texts):
            longest = max(longest, int(texts.max()) + _SPECIAL_TOKENS)
        return min(longest, self.buckets[-1])

    def bucket(self, length: int) -> int:
        return next(bound for bound in self.buckets if length <= bound)


class TokenBudgetQueue:
    """What `BatchQueue` is to batches by rows: tasks of one kind, here in a `BatchQueue` for each bucket.

    `max_enqueued_batches` holds for each bucket, `batch_timeout_micros`, `max_batch_size` and splitting as without a
    budget. Tensors of different shapes beyond the first dimension, unless they are to be filled up to one, are in
    different buckets, so that they do not fail each other.
    """

    def __init__(
        self,
        scheduler: BatchScheduler,
        options: QueueOptions,
        process: Callable[[list], None],
        budget: TokenBudget,
    ):
        self._scheduler = scheduler
        self._options = options
        self._budget = budget
        self._buckets: dict[tuple, _Bucket] = {}
        self._closed = False
        self.process = process
        self.running = 0

    def schedule(self, task) -> None:
        """Queues a task. Raises ServingError where it is too large, or too much of its length is waiting."""
        with self._scheduler.changed:
            key = self._key(task)
            bucket = self._buckets.get(key) or _Bucket(self._scheduler, self._options, self.process, self._budget)
            bucket.put(task)
            self._buckets[key] = bucket

    def take(self, now: float) -> Batch | None:
        ready = [key for key, bucket in self._buckets.items() if bucket.ready(now)]
        if not ready:
            return None
        key = min(ready, key=lambda key: self._buckets[key].oldest)
        batch = self._buckets[key].take(now)
        if not self._buckets[key].waiting:
            del self._buckets[key]  # callers choose lengths and shapes: none is kept beyond its use
        self.running += 1
        return batch

    @property
    def due(self) -> float:
        return min(bucket.due for bucket in self._buckets.values())

    @property
    def waiting(self) -> bool:
        return bool(self._buckets)

    def queued(self) -> tuple[int, int]:
        """Tasks and rows that wait."""
        with self._scheduler.changed:
            found = [bucket.queued() for bucket in self._buckets.values()]
        return sum(tasks for tasks, _ in found), sum(rows for _, rows in found)

    def idle(self) -> bool:
        return not self.running and not self.waiting

    @property
    def closed(self) -> bool:
        return self._closed

    @closed.setter
    def closed(self, value: bool) -> None:
        self._closed = value
        for bucket in self._buckets.values():
            bucket.closed = value

    def _key(self, task) -> tuple:
        bound = self._budget.bucket(task.length)
        if self._options.pad_variable_length_inputs:
            return (bound,)
        return (bound, *(task.feeds[name].shape[1:] for name in sorted(task.feeds)))


class _Bucket(BatchQueue):
    """Batches that keep within the budget."""

    def __init__(self, scheduler, options: QueueOptions, process, budget: TokenBudget):
        super().__init__(scheduler, options, process)
        self._budget = budget

    def _limit(self, batch: Batch, task=None) -> int:
        tasks = batch.tasks if task is None else [*batch.tasks, task]
        longest = max((one.length for one in tasks), default=1)
        return min(self._options.batch_limit, max(self._budget.tokens // longest, 1))


def read(flags: Flags) -> TokenBudget | None:
    """The budget that the flags ask for; None for none. Raises ServingError INVALID_ARGUMENT."""
    if not flags.ext_max_batch_tokens:
        return None
    text = flags.ext_batch_length_buckets
    words = [word.strip() for word in text.split(",")]
    buckets = tuple(int(word) for word in words if word.isascii() and word.isdigit())
    if len(buckets) != len(words) or buckets[0] < 1 or any(a >= b for a, b in zip(buckets, buckets[1:])):
        raise invalid(f"--ext_batch_length_buckets={text}: expected ascending numbers above 0, such as 32,128,512")
    return TokenBudget(flags.ext_max_batch_tokens, buckets)


def tokens_of_text(text: bytes) -> float:
    """About how many word pieces the UTF-8 text has, without special tokens."""
    others = 0 if text.isascii() else len(text.translate(None, _ASCII))
    return (len(text) - others) / _ASCII_BYTES + others / _OTHER_BYTES


def _text_lengths(value: np.ndarray) -> np.ndarray:
    """Of each row, float64 `[rows]`."""
    rows = value.reshape(len(value), -1) if value.size else value.reshape(len(value), 0)
    return np.array([sum(map(tokens_of_text, row)) for row in rows.tolist()], np.float64)
