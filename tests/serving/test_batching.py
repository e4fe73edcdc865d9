"""Requests put together: merged, filled up, split; row by row of section 1.6 of the contract."""

import logging
import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.server.status import Code, ServingError
from tests.serving.batcher import LONG, Batcher, answers, f32, refusal
from tests.serving.until import until

# === Merging ===


def test_requests_that_fill_a_batch_run_as_one_and_each_gets_its_rows(batcher):
    batching = batcher(max_batch_size=3, batch_timeout_micros=LONG)
    first, second = batching.ask(f32(1, 2)), batching.ask(f32(5))
    assert answers(first, second) == [[[2.0, 4.0]], [[10.0]]]
    assert batching.inputs() == [[1.0, 2.0, 5.0]]


def test_a_batch_that_is_not_full_runs_when_its_first_request_has_waited_long_enough(batcher):
    batching = batcher(max_batch_size=10, batch_timeout_micros=1000)
    first = batching.ask(f32(1))
    batching.clock.now += 0.0009
    second = batching.ask(f32(2))
    assert batching.model.runs == []
    batching.clock.now += 0.0001
    batching.wake()
    assert answers(first, second) == [[[2.0]], [[4.0]]]
    assert batching.inputs() == [[1.0, 2.0]]


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
    assert {len(run) for run in batching.inputs()} <= {4, 8}


# === Filling up ===


def test_a_batch_is_filled_up_to_an_allowed_size_with_the_last_requests_first_row(batcher):
    batching = batcher(max_batch_size=8, allowed_batch_sizes=(4, 8), batch_timeout_micros=1000)
    batching.model.hold.clear()
    first, second = batching.ask(f32(1)), batching.ask(f32(7, 8))
    batching.clock.now += 1
    batching.wake()
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
