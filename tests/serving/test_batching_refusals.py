"""What batching refuses, deadlines of requests that wait, and how the threads share the work."""

import numpy as np
import pytest

from serving.server.status import Code, ServingError
from tests.serving.batcher import LONG, answers, f32, refusal
from tests.serving.until import until

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
    batching.wake()
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
