"""Requests put together: merged, filled up, split, refused; row by row of section 1.6 of the contract.

The session here is a stand-in that notes what it runs, the clock stands still, and a batch runs when the test says so:
what is in it does not depend on who is quick.
"""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.server.batch_scheduler import BatchScheduler
from serving.server.batching import BatchingSession
from serving.server.batching_parameters import PoolOptions, QueueOptions
from serving.server.metrics import Metrics
from serving.server.status import Code, ServingError
from tests.serving.until import until

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
    """A batching session with `threads` callers; `ask` queues a request, `open` lets batches run."""

    def __init__(self, threads=1, clock=None, **options):
        self.model, self.metrics, self.clock = Doubler(), Metrics(), clock or Clock()
        self.scheduler = BatchScheduler(PoolOptions(threads), self.clock)
        self.options = QueueOptions(**options)
        self.session = BatchingSession(self.model, self.scheduler, self.options, self.metrics)
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

    def inputs(self):
        return [feeds["x"] for feeds, _, _ in self.model.runs]

    def close(self):
        self.model.hold.set()
        self.session.close()
        self.scheduler.stop()
        self.callers.shutdown()


@pytest.fixture
def batcher():
    made = []

    def make(**options):
        made.append(Batcher(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def f32(*values):
    return np.array(values, np.float32)


def answers(*futures):
    return [future.result(30) for future in futures]


def refusal(future):
    with pytest.raises(ServingError) as caught:
        future.result(30)
    return caught.value.code.name, caught.value.message


# === Merging ===


def test_requests_that_fill_a_batch_run_as_one_and_each_gets_its_rows(batcher):
    batching = batcher(max_batch_size=3, batch_timeout_micros=LONG)
    first, second = batching.ask(f32(1, 2)), batching.ask(f32(5))
    assert answers(first, second) == [[[2.0, 4.0]], [[10.0]]]
    assert batching.inputs() == [[1.0, 2.0, 5.0]]


def test_a_batch_that_is_not_full_runs_when_its_first_request_has_waited_long_enough(batcher):
    batching = batcher(max_batch_size=10, batch_timeout_micros=1000)
    first, second = batching.ask(f32(1)), batching.ask(f32(2))
    assert not first.done()
    batching.clock.now += 0.001
    third = batching.ask(f32(3))  # whoever comes wakes the threads, and belongs to the batch while it is open
    answers(first, second, third)
    assert sorted(x for run in batching.inputs() for x in run) == [1.0, 2.0, 3.0]
    assert batching.inputs()[0][:2] == [1.0, 2.0]


def test_without_a_timeout_a_free_thread_takes_what_there_is(batcher):
    batching = batcher()
    assert answers(batching.ask(f32(1)), batching.ask(f32(2))) == [[[2.0]], [[4.0]]]


def test_what_comes_while_the_thread_is_busy_is_gathered(batcher):
    batching = batcher()
    batching.model.hold.clear()
    busy = batching.ask(f32(0))
    until(lambda: not batching.queue().batches[0].tasks)  # the thread has taken it
    waiting = [batching.ask(f32(n)) for n in range(1, 5)]
    batching.model.hold.set()
    answers(busy, *waiting)
    assert batching.inputs() == [[0.0], [1.0, 2.0, 3.0, 4.0]]


def test_a_request_that_does_not_fit_closes_the_batch(batcher):
    batching = batcher(max_batch_size=3, batch_timeout_micros=LONG)
    first, second, third = batching.ask(f32(1, 2)), batching.ask(f32(3, 4)), batching.ask(f32(5))
    assert answers(first, second, third) == [[[2.0, 4.0]], [[6.0, 8.0]], [[10.0]]]
    assert batching.inputs() == [[1.0, 2.0], [3.0, 4.0, 5.0]]


def test_requests_for_other_outputs_or_inputs_are_kept_apart(batcher):
    batching = batcher(max_batch_size=2, batch_timeout_micros=LONG)
    futures = [
        batching.ask(f32(1)),
        batching.ask(f32(2), ["x"]),
        batching.ask(f32(3), name="other"),
        batching.ask(f32(4)),
        batching.ask(f32(5), ["x"]),
        batching.ask(f32(6), name="other"),
    ]
    assert answers(*futures) == [[[2.0]], [[2.0]], [[6.0]], [[8.0]], [[5.0]], [[12.0]]]
    assert sorted(str(feeds) + str(fetches) for feeds, fetches, _ in batching.model.runs) == [
        "{'other': [3.0, 6.0]}['y']",
        "{'x': [1.0, 4.0]}['y']",
        "{'x': [2.0, 5.0]}['x']",
    ]


def test_the_order_of_outputs_is_the_requests_own(batcher):
    batching = batcher(max_batch_size=2, batch_timeout_micros=LONG)
    first, second = batching.ask(f32(1), ["y", "x"]), batching.ask(f32(2), ["x", "y"])
    assert answers(first, second) == [[[2.0], [1.0]], [[2.0], [4.0]]]
    assert len(batching.model.runs) == 1


def test_strings_are_merged_too(batcher):
    batching = batcher(max_batch_size=2, batch_timeout_micros=LONG)
    texts = [np.array([text], object) for text in (b"a", b"bcd")]
    assert answers(*(batching.ask(text) for text in texts)) == [[[b"a"]], [[b"bcd"]]]


@given(
    rows=st.lists(st.integers(0, 7), min_size=1, max_size=12),
    splitting=st.booleans(),
    allowed=st.sampled_from([(), (2, 4, 7), (7,)]),
    threads=st.integers(1, 3),
)
def test_whatever_is_put_together_each_request_gets_its_own_rows(rows, splitting, allowed, threads):
    options = {"max_batch_size": 7, "max_enqueued_batches": 100, "allowed_batch_sizes": allowed}
    options |= {"enable_large_batch_splitting": splitting, "max_execution_batch_size": 3 if splitting else 7}
    batching = Batcher(threads, **options)
    try:
        xs = [np.arange(n, dtype=np.float32) + 10 * i for i, n in enumerate(rows)]
        assert answers(*(batching.ask(x) for x in xs)) == [[(2 * x).tolist()] for x in xs]
        assert all(len(run) <= 7 for run in batching.inputs())
    finally:
        batching.close()


def test_many_callers_at_once_each_get_their_own_rows(batcher):
    batching = batcher(
        threads=3,
        clock=time.monotonic,
        max_batch_size=8,
        batch_timeout_micros=200,
        max_enqueued_batches=1000,
        allowed_batch_sizes=(4, 8),
        enable_large_batch_splitting=True,
        max_execution_batch_size=5,
    )

    def ask_often(caller):
        random = np.random.default_rng(caller)
        for _ in range(100):
            x = random.integers(0, 1000, random.integers(1, 9)).astype(np.float32)
            (y,) = batching.session.run({"x": x}, ["y"])
            assert y.tolist() == (2 * x).tolist()
        return True

    assert all(batching.callers.map(ask_often, range(16)))
    assert len(batching.model.runs) < 16 * 100


# === Filling up ===


def test_a_batch_is_filled_up_to_an_allowed_size_with_the_last_requests_first_row(batcher):
    batching = batcher(max_batch_size=8, allowed_batch_sizes=(4, 8), batch_timeout_micros=1000)
    batching.model.hold.clear()
    first, second = batching.ask(f32(1)), batching.ask(f32(7, 8))
    batching.clock.now += 1
    with batching.scheduler.changed:
        batching.scheduler.changed.notify_all()
    batching.model.hold.set()
    assert answers(first, second) == [[[2.0]], [[14.0, 16.0]]]
    assert batching.inputs() == [[1.0, 7.0, 8.0, 7.0]]
    assert batching.metrics.padding_size.total("4") == 1
    assert batching.metrics.processed_batch_size.total() == 4


def test_without_rows_there_is_nothing_to_fill_up_with(batcher):
    batching = batcher(max_batch_size=4, allowed_batch_sizes=(4,))
    assert answers(batching.ask(np.zeros((0, 2), np.float32))) == [[[]]]
    assert batching.inputs() == [[]]


def test_shorter_requests_are_filled_up_with_their_own_first_element(batcher):
    batching = batcher(max_batch_size=3, batch_timeout_micros=LONG, pad_variable_length_inputs=True)
    short, long = batching.ask(np.float32([[1, 2]]), ["x"]), batching.ask(np.float32([[3, 4, 5], [6, 7, 8]]), ["x"])
    assert answers(short, long) == [[[[1, 2, 1]]], [[[3, 4, 5], [6, 7, 8]]]]
    assert batching.inputs() == [[[1.0, 2.0, 1.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]]


def test_every_dimension_is_filled_up(batcher):
    batching = batcher(max_batch_size=2, batch_timeout_micros=LONG, pad_variable_length_inputs=True)
    wide, tall = batching.ask(np.int32([[[1, 2, 3]]]), ["x"]), batching.ask(np.int32([[[4], [5]]]), ["x"])
    assert answers(wide, tall) == [[[[[1, 2, 3], [1, 1, 1]]]], [[[[4, 4, 4], [5, 4, 4]]]]]


def test_a_mask_that_is_filled_up_is_warned_of_once(batcher, caplog):
    batching = batcher(max_batch_size=2, batch_timeout_micros=LONG, pad_variable_length_inputs=True)
    with caplog.at_level(logging.WARNING, "serving.server.batching"):
        for _ in range(2):
            masks = np.int32([[1, 1]]), np.int32([[1, 1, 1]])
            answers(*(batching.ask(mask, name="serving_default_padding_mask:0") for mask in masks))
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "pad_variable_length_inputs fills the mask serving_default_padding_mask:0 up with its first element, 1: "
    )


def test_an_empty_request_cannot_be_filled_up(batcher):
    batching = batcher(max_batch_size=2, batch_timeout_micros=LONG, pad_variable_length_inputs=True)
    futures = batching.ask(np.zeros((1, 0), np.float32)), batching.ask(np.float32([[1]]))
    assert {refusal(future) for future in futures} == {
        ("INVALID_ARGUMENT", "Got empty tensor in batch of non-empty tensors.")
    }


def test_a_rank_above_6_cannot_be_filled_up(batcher):
    batching = batcher(pad_variable_length_inputs=True)
    refused = refusal(batching.ask(np.zeros([1] * 7, np.float32)))
    assert refused == ("INVALID_ARGUMENT", "Only tensors with rank from 1 to 6 can be padded.")


# === Splitting ===


def test_a_large_request_is_spread_over_batches_and_fills_the_open_one_first(batcher):
    batching = batcher(
        max_batch_size=8, max_execution_batch_size=3, enable_large_batch_splitting=True, batch_timeout_micros=LONG
    )
    small, large = batching.ask(f32(0)), batching.ask(f32(1, 2, 3, 4, 5, 6, 7, 8))
    assert answers(small, large) == [[[0.0]], [[2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0]]]
    assert batching.inputs() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]


def test_a_split_request_fails_with_its_parts(batcher):
    batching = batcher(max_batch_size=4, max_execution_batch_size=2, enable_large_batch_splitting=True)
    batching.model.error = ServingError(Code.INTERNAL, "no luck")
    assert refusal(batching.ask(f32(1, 2, 3, 4))) == ("INTERNAL", "no luck")


# === Refusals ===


def test_a_request_larger_than_a_batch_is_refused(batcher):
    batching = batcher(max_batch_size=2)
    assert refusal(batching.ask(f32(1, 2, 3))) == (
        "INVALID_ARGUMENT",
        "Task size 3 is larger than maximum input batch size 2",
    )


def fill(batching, first, *others):
    """The thread is busy with `first`; the others wait."""
    batching.model.hold.clear()
    futures = [batching.ask(first)]
    until(lambda: not batching.queue().batches[0].tasks)
    return futures + [batching.ask(one) for one in others]


def test_a_full_queue_refuses_and_says_how_much_waits(batcher):
    batching = batcher(max_batch_size=2, max_enqueued_batches=2)
    queued = fill(batching, f32(0), f32(1, 2), f32(3, 4))
    assert refusal(batching.ask(f32(5))) == (
        "UNAVAILABLE",
        "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and "
        "max_enqueued_batches is 2",
    )
    other = batching.ask(f32(6), ["x"])  # another queue has room
    batching.model.hold.set()
    assert answers(*queued, other)[-1] == [[6.0]]


def test_with_splitting_a_full_queue_counts_rows(batcher):
    batching = batcher(
        max_batch_size=4, max_execution_batch_size=2, max_enqueued_batches=2, enable_large_batch_splitting=True
    )
    queued = fill(batching, f32(0), f32(1))
    assert refusal(batching.ask(f32(1, 2, 3, 4))) == (
        "UNAVAILABLE",
        "The batch scheduling queue to which this task was submitted is full; task size is 4 but scheduling capacity "
        "is only 3 (num_enqueued_batches=1, max_enqueued_batches=2, open_batch_size=1, max_execution_batch_size=2)",
    )
    queued.append(batching.ask(f32(1, 2, 3)))
    batching.model.hold.set()
    assert answers(*queued)[-1] == [[2.0, 4.0, 6.0]]


def test_different_shapes_fail_every_request_of_the_batch(batcher):
    batching = batcher(max_batch_size=2, batch_timeout_micros=LONG)
    futures = batching.ask(np.float32([[1, 2]])), batching.ask(np.float32([[1, 2, 3]]))
    assert [refusal(future) for future in futures] == [
        (
            "FAILED_PRECONDITION",
            "Tensors with name 'x' from different tasks have different shapes and padding is turned off. Set "
            "pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal dimensions "
            "starting with the first dim.",
        )
    ] * 2


def test_different_dtypes_fail_every_request_of_the_batch(batcher):
    batching = batcher(max_batch_size=2, batch_timeout_micros=LONG)
    futures = batching.ask(f32(1)), batching.ask(np.array([b"a"], object))
    assert [refusal(future) for future in futures] == [
        (
            "INTERNAL",
            "Tensor concat operation failed: INVALID_ARGUMENT: Cannot concatenate tensors that have different data "
            "types. Got float and string.",
        )
    ] * 2


@pytest.mark.parametrize(
    "feeds, text",
    [
        ({}, "Batching Run() must have at least one input tensor"),
        ({"x": np.float32(1)}, "Batching Run() input tensors must have at least one dimension"),
        ({"x": f32(1), "y": f32(1, 2)}, "Batching Run() input tensors must have equal 0th-dimension size"),
    ],
)
def test_inputs_without_one_batch_dimension_are_refused(batcher, feeds, text):
    batching = batcher()
    assert refusal(batching.ask(feeds)) == ("INVALID_ARGUMENT", text)
    assert batching.metrics.input_batch_size.count() == 0


@pytest.mark.parametrize(
    "output, text",
    [
        ("total", "Batched output tensor has 0 dimensions"),
        (
            "short",
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        ),
    ],
)
def test_outputs_without_the_batch_dimension_are_refused(batcher, output, text):
    assert refusal(batcher().ask(f32(1, 2), [output])) == ("FAILED_PRECONDITION", text)


def test_an_error_of_the_model_goes_to_every_request_of_the_batch(batcher):
    batching = batcher(max_batch_size=2, batch_timeout_micros=LONG)
    batching.model.error = ServingError(Code.INVALID_ARGUMENT, "bad words")
    futures = batching.ask(f32(1)), batching.ask(f32(2))
    assert [refusal(future) for future in futures] == [("INVALID_ARGUMENT", "bad words")] * 2
    batching.model.error = None
    assert answers(batching.ask(f32(1)), batching.ask(f32(2))) == [[[2.0]], [[4.0]]]


def test_an_error_of_the_server_does_not_end_the_thread(batcher):
    batching = batcher()
    batching.model.error = KeyError("lost")
    assert refusal(batching.ask(f32(1))) == ("INTERNAL", "internal error in the embedded server: KeyError")
    batching.model.error = None
    assert answers(batching.ask(f32(1))) == [[[2.0]]]


# === Deadlines ===


def test_when_the_time_of_all_has_passed_the_batch_does_not_run(batcher):
    batching = batcher(max_batch_size=10, batch_timeout_micros=LONG)
    futures = [batching.ask(f32(n), timeout_ms=100 * n) for n in (1, 2)]
    batching.clock.now += 0.2
    batching.queue().closed = True
    with batching.scheduler.changed:
        batching.scheduler.changed.notify_all()
    assert [refusal(future) for future in futures] == [
        ("RESOURCE_EXHAUSTED", "Run() timeout exceeded while waiting in batching queue")
    ] * 2
    assert batching.model.runs == []


def test_the_run_has_the_time_of_the_request_that_has_most(batcher):
    batching = batcher(max_batch_size=3, batch_timeout_micros=LONG)
    futures = [batching.ask(f32(0), timeout_ms=100), batching.ask(f32(1), timeout_ms=500)]
    batching.clock.now += 0.25
    answers(*futures, batching.ask(f32(2), timeout_ms=20))
    assert [timeout for _, _, timeout in batching.model.runs] == [250]


def test_one_request_without_a_deadline_takes_it_from_the_batch(batcher):
    batching = batcher(max_batch_size=2, batch_timeout_micros=LONG)
    answers(batching.ask(f32(0), timeout_ms=100), batching.ask(f32(1)))
    assert [timeout for _, _, timeout in batching.model.runs] == [None]


# === Threads ===


def test_as_many_batches_run_at_a_time_as_there_are_threads(batcher):
    batching = batcher(threads=3, max_batch_size=1)
    batching.model.hold.clear()
    futures = [batching.ask(f32(n)) for n in range(5)]
    queue = batching.queue()
    until(lambda: queue.running == 3)
    with batching.scheduler.changed:
        assert (queue.running, sum(len(batch.tasks) for batch in queue.batches)) == (3, 2)
    batching.model.hold.set()
    assert answers(*futures) == [[[2.0 * n]] for n in range(5)]


def test_queues_take_turns(batcher):
    batching = batcher(max_batch_size=1, max_enqueued_batches=10)
    queued = fill(batching, f32(0), f32(1), f32(2), f32(3))
    queued += [batching.ask(f32(n), ["x"]) for n in (4, 5, 6)]
    batching.model.hold.set()
    answers(*queued)
    assert [run[0] for run in batching.inputs()] == [0, 4, 1, 5, 2, 6, 3]


def test_closing_waits_for_what_is_queued_and_does_not_wait_for_the_timeout(batcher):
    batching = batcher(max_batch_size=10, batch_timeout_micros=LONG)
    future = batching.ask(f32(1))
    batching.session.close()
    assert (answers(future), batching.model.closed) == ([[[2.0]]], True)


def test_what_is_counted(batcher):
    batching = batcher(max_batch_size=3, batch_timeout_micros=LONG)
    first = batching.ask(f32(1, 2))
    batching.clock.now += 0.5
    answers(first, batching.ask(f32(3)))
    metrics = batching.metrics
    assert (metrics.input_batch_size.count(), metrics.input_batch_size.total()) == (2, 3)
    assert (metrics.processed_batch_size.count(), metrics.processed_batch_size.total()) == (1, 3)
    assert metrics.padding_size.count("3") == 1
    assert (metrics.queuing_latency.count(""), metrics.queuing_latency.total("")) == (2, 500_000)
    assert metrics.wrapped_run_count.first_value() == 1
