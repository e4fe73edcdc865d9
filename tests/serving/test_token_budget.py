"""The extension that forms batches by tokens and length: what is put together, in which order, with which answers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import tensors
from serving.server import configuration
from serving.server.extensions.token_budget import TokenBudget, tokens_of_text
from serving.server.flags import Flags
from serving.server.status import ServingError
from tests.serving.batcher import LONG, Batcher, answers, f32, refusal
from tests.serving.endpoint import predict_request
from tests.serving.until import until

BUDGET = TokenBudget(64, (8, 16, 32))


def rows(count, length, value=1):
    """float32 `[count, length]`: as long in tokens as it is wide."""
    return np.full((count, length), value, np.float32)


def sizes(batching):
    """(rows, length) of each batch that ran."""
    return [np.shape(run) for run in batching.inputs()]


def hold(batching, length=1):
    """The one thread is busy until the model is let go."""
    batching.model.hold.clear()
    first = batching.ask(rows(1, length))
    until(lambda: not batching.queue().waiting)
    return first


def finish(batching, *futures):
    batching.model.hold.set()
    return answers(*futures)


# === Lengths ===


def test_the_length_of_numbers_is_their_second_dimension_and_of_texts_an_estimate():
    assert BUDGET.length({"x": rows(3, 5)}) == 5
    assert BUDGET.length({"x": f32(1, 2, 3)}) == 1
    assert BUDGET.length({"a": rows(3, 5), "b": rows(3, 9)}) == 9
    texts = np.array([b"a" * 9, b"a" * 45], object)
    assert BUDGET.length({"text": texts}) == 10 + 2
    assert BUDGET.length({"text": texts, "text_pair": texts[::-1]}) == 10 + 2 + 2
    assert BUDGET.length({"text": np.zeros(0, object)}) == 1


def test_what_is_longer_than_the_last_bucket_counts_as_that():
    assert BUDGET.length({"text": np.array([b"a" * 10_000], object)}) == 32
    assert BUDGET.length({"x": rows(1, 100)}) == 32


@pytest.mark.parametrize(
    "text, tokens",
    [("", 0), ("a fine film", 11 / 4.5), ("\u4e2d\u6587\u5b57", 3), ("a \u4e2d", 2 / 4.5 + 1)],
)
def test_an_ideograph_is_a_token_and_ascii_a_part_of_one(text, tokens):
    assert tokens_of_text(text.encode()) == pytest.approx(tokens)


def test_a_length_belongs_to_the_first_bucket_that_holds_it():
    assert [BUDGET.bucket(length) for length in (1, 8, 9, 16, 17, 32)] == [8, 8, 16, 16, 32, 32]


# === What is put together ===


def test_a_batch_stays_within_the_budget(batcher):
    batching = batcher(budget=BUDGET)
    first = hold(batching)
    waiting = [batching.ask(rows(1, 16)) for _ in range(6)]
    finish(batching, first, *waiting)
    assert sizes(batching) == [(1, 1), (4, 16), (2, 16)]


def test_short_requests_are_not_put_together_with_long_ones_and_the_oldest_goes_first(batcher):
    batching = batcher(budget=BUDGET)
    first = hold(batching)
    waiting = []
    for length in (32, 8, 8, 32, 8):
        batching.clock.now += 1
        waiting.append(batching.ask(rows(1, length)))
    finish(batching, first, *waiting)
    assert sizes(batching) == [(1, 1), (2, 32), (3, 8)]


def test_a_long_request_is_not_passed_by_short_ones_that_come_later(batcher):
    batching = batcher(budget=TokenBudget(16, (8, 16)), batch_timeout_micros=0)
    futures = [hold(batching)]
    for length in (8, 8, 8, 16, 8, 8, 8):
        batching.clock.now += 1
        futures.append(batching.ask(rows(1, length)))
    finish(batching, *futures)
    # Two rows of 8 make a batch; the row of 16 is older than the second batch's first row but one.
    assert sizes(batching) == [(1, 1), (2, 8), (2, 8), (1, 16), (2, 8)]


def test_a_request_over_the_budget_runs_alone(batcher):
    batching = batcher(budget=BUDGET, max_batch_size=10)
    first = hold(batching)
    finish(batching, first, batching.ask(rows(1, 16)), batching.ask(rows(9, 16)), batching.ask(rows(1, 16)))
    assert sizes(batching) == [(1, 1), (1, 16), (9, 16), (1, 16)]


def test_with_splitting_a_request_over_the_budget_is_spread(batcher):
    batching = batcher(budget=BUDGET, max_batch_size=20, max_execution_batch_size=20, enable_large_batch_splitting=True)
    first = hold(batching)
    large = batching.ask(np.arange(9 * 16, dtype=np.float32).reshape(9, 16))
    assert finish(batching, first, large)[1] == [[2.0 * sum(range(16 * n, 16 * n + 16)) for n in range(9)]]
    assert sizes(batching) == [(1, 1), (4, 16), (4, 16), (1, 16)]


def test_rows_are_bounded_as_without_a_budget(batcher):
    batching = batcher(budget=BUDGET, max_batch_size=3)
    first = hold(batching)
    finish(batching, first, *(batching.ask(rows(1, 2)) for _ in range(4)))
    assert sizes(batching) == [(1, 1), (3, 2), (1, 2)]
    assert refusal(batching.ask(rows(4, 2))) == (
        "INVALID_ARGUMENT",
        "Task size 4 is larger than maximum input batch size 3",
    )


def test_a_full_bucket_runs_before_its_time_and_others_wait_for_theirs(batcher):
    batching = batcher(budget=BUDGET, batch_timeout_micros=LONG)
    short = batching.ask(rows(1, 8))
    answers(*(batching.ask(rows(1, 32)) for _ in range(2)))
    assert sizes(batching) == [(2, 32)]
    batching.clock.now += LONG / 1e6
    batching.wake()
    answers(short)
    assert sizes(batching) == [(2, 32), (1, 8)]


def test_shapes_that_differ_do_not_meet_unless_they_are_filled_up(batcher):
    apart = batcher(budget=BUDGET)
    first = hold(apart)
    finish(apart, first, apart.ask(rows(1, 5)), apart.ask(rows(1, 6)), apart.ask(rows(1, 5)))
    assert sorted(sizes(apart)) == [(1, 1), (1, 6), (2, 5)]
    filled = batcher(budget=BUDGET, pad_variable_length_inputs=True)
    first = hold(filled)
    finish(filled, first, *(filled.ask(rows(1, length), ["x"]) for length in (5, 6, 5)))
    assert sizes(filled) == [(1, 1), (3, 6)]


def test_nothing_is_kept_of_lengths_that_are_done(batcher):
    batching = batcher(budget=BUDGET)
    answers(*(batching.ask(rows(1, length)) for length in range(1, 30)))
    assert batching.queue()._buckets == {}


# === What is refused ===


def test_a_full_bucket_refuses_and_another_takes(batcher):
    batching = batcher(budget=TokenBudget(8, (8, 16)), max_enqueued_batches=2)
    queued = [hold(batching), batching.ask(rows(1, 8)), batching.ask(rows(1, 8))]
    assert refusal(batching.ask(rows(1, 8))) == (
        "UNAVAILABLE",
        "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and "
        "max_enqueued_batches is 2",
    )
    queued.append(batching.ask(rows(1, 16)))
    assert batching.session.queued() == (3, 3)
    finish(batching, *queued)
    assert batching.session.queued() == (0, 0)


def test_a_refused_request_leaves_no_bucket(batcher):
    batching = batcher(budget=BUDGET, max_batch_size=1)
    assert refusal(batching.ask(rows(2, 8)))[0] == "INVALID_ARGUMENT"
    assert batching.queue()._buckets == {}
    assert batching.queue().idle()


def test_time_that_passes_in_the_queue_is_refused_as_without_a_budget(batcher):
    batching = batcher(budget=BUDGET)
    first = hold(batching)
    late = batching.ask(rows(1, 8), timeout_ms=1000)
    batching.clock.now += 2
    batching.model.hold.set()
    answers(first)
    assert refusal(late) == ("RESOURCE_EXHAUSTED", "Run() timeout exceeded while waiting in batching queue")


@given(
    requests=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 20)), min_size=1, max_size=15),
    splitting=st.booleans(),
    padding=st.booleans(),
    tokens=st.sampled_from([8, 32, 1000]),
    threads=st.integers(1, 3),
)
def test_whatever_is_put_together_each_request_gets_its_own_rows(requests, splitting, padding, tokens, threads):
    budget = TokenBudget(tokens, (4, 12))
    # Parts of a split request that are filled up to different lengths have answers that cannot be put together again.
    padding = padding and not splitting
    options = {"max_batch_size": 6, "max_enqueued_batches": 100, "pad_variable_length_inputs": padding}
    options |= {"enable_large_batch_splitting": splitting, "max_execution_batch_size": 4 if splitting else 6}
    batching = Batcher(threads, budget=budget, **options)
    try:
        xs = [np.arange(n * length, dtype=np.float32).reshape(n, length) for n, length in requests]
        found = answers(*(batching.ask(x, ["x"]) for x in xs))
        assert [np.array(one[0])[:, : x.shape[1]].tolist() for one, x in zip(found, xs)] == [x.tolist() for x in xs]
        for count, length in sizes(batching):
            assert count <= 6
            # Rows beyond the last bucket count as that; one request by itself may be larger.
            assert count * min(length, 12) <= max(tokens, 4 * 12)
    finally:
        batching.close()


# === Flags, and a real model ===


def test_the_flags_make_a_budget():
    flags = Flags(enable_batching=True, ext_max_batch_tokens=100, ext_batch_length_buckets="8, 64")
    assert configuration.read(flags).budget == TokenBudget(100, (8, 64))
    assert configuration.read(Flags(enable_batching=True)).budget is None


@pytest.mark.parametrize("text", ["", "8,", "8,8", "16,8", "a", "0,8", "-1,8", "1.5"])
def test_buckets_that_cannot_be_meant_are_refused(text):
    with pytest.raises(ServingError) as caught:
        configuration.read(Flags(enable_batching=True, ext_max_batch_tokens=1, ext_batch_length_buckets=text))
    assert str(caught.value) == (
        f"INVALID_ARGUMENT: --ext_batch_length_buckets={text}: expected ascending numbers above 0, such as 32,128,512"
    )


def test_texts_of_any_length_answer_with_a_budget_as_they_do_alone(serve_zoo):
    server, endpoint = serve_zoo(enable_batching=True, ext_max_batch_tokens=128)
    texts = [["good " * n + "bad " * m for m in range(3)] for n in (0, 1, 5, 20, 80)] * 4
    requests = [predict_request("zoo", "sentiment", {"text": text}) for text in texts]
    with ThreadPoolExecutor(len(requests)) as callers:
        responses = list(callers.map(lambda request: endpoint.call("PredictionService/Predict", request), requests))
    servable = server.manager.available("zoo")[1]
    signature = servable.signatures["sentiment"]
    names = sorted(signature.outputs)
    for text, response in zip(texts, responses):
        feeds = {signature.inputs["text"].name: np.array([one.encode() for one in text], object)}
        alone = servable._session._session.run(feeds, [signature.outputs[name].name for name in names])
        for name, value in zip(names, alone):
            found = tensors.from_proto(response.outputs[name])
            if value.dtype == object:
                assert found.tolist() == value.tolist()
            else:
                np.testing.assert_allclose(found, value, atol=1e-5)
