"""1.6: requests that are put together. Models of the set-up wait until a batch is full, so that what is in a batch does
not depend on who is quick."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np

from serving.conformance.case import Case, Mismatch, Section, same
from serving.conformance.subject import PATIENCE, PREDICT, outputs, shown
from serving.conformance.wire import predict_request

CASES: list[Case] = []
section = Section(CASES, "1.6", "batching")
once = Section(CASES, "1.6", "once")


def _x(*values: float) -> dict:
    return {"x": np.float32(values)}


def _together(server, *requests) -> list:
    """The outputs of requests that are sent at the same time, or (code, details) of those that are refused."""

    def ask(request):
        try:
            return outputs(server.endpoint.call(PREDICT, request, PATIENCE))
        except grpc.RpcError as error:
            return error.code().name, error.details()

    with ThreadPoolExecutor(len(requests)) as callers:
        return list(callers.map(ask, requests))


# === What is put together ===


@section.case("together")
def together(server):
    """Requests that wait at the same time are one run, and each has its own rows of the answer."""
    requests = [predict_request("batched", "batch", _x(*values)) for values in ((1, 2), (3,), (4,))]
    expected = [{"rows": [4] * n, "total": [10.0] * n} for n in (2, 1, 1)]
    same("three requests of 4 rows together", _together(server, *requests), expected)


@section.case("filled-up-rows")
def filled_up_rows(server):
    """A batch is filled up to the next of allowed_batch_sizes with the first row of its last request; nobody gets the
    rows that were added."""
    server.predicted(predict_request("allowed", "batch", _x(10, 20, 30)), {"rows": [4] * 3, "total": [70.0] * 3})
    server.predicted(predict_request("allowed", "batch", _x(10)), {"rows": [2], "total": [20.0]})


@section.case("one-queue-per-tensors")
def one_queue_per_tensors(server):
    """Requests with other outputs wait in another queue: they are no batch together."""
    ask = [predict_request("batched", "batch", _x(value, value), [name]) for name, value in _QUEUES]
    got = _together(server, *ask)
    same("two requests of 2 rows for each of two outputs", got, [{"rows": [4, 4]}, {"total": [40.0, 40.0]}] * 2)


_QUEUES = (("rows", 1.0), ("total", 10.0)) * 2


@section.case("padded-shapes")
def padded_shapes(server):
    """With pad_variable_length_inputs a shorter tensor is filled up with its own first element, not with zeros: a mask
    with ones."""
    requests = [predict_request("padding", "wide", {"x": np.float32([row])}) for row in ([2.0, 5.0], [1.0, 1.0, 1.0])]
    same("rows of 2 and 3 numbers", _together(server, *requests), [{"y": [9.0]}, {"y": [3.0]}])
    requests = [predict_request("padding", "mask", {"mask": np.float32([row])}) for row in ([1.0], [1.0, 1.0, 0.0])]
    same("masks of 1 and 3 numbers", _together(server, *requests), [{"y": [3.0]}, {"y": [2.0]}])


# === Parameters ===


@section.case("parameters-of-a-model")
def parameters_of_a_model(server):
    """With --enable_per_model_batching_parameters each version has those of its own batching_params.pbtxt."""
    too_large = "Task size 5 is larger than maximum input batch size 4"
    server.refused(PREDICT, predict_request("allowed", inputs=_x(1, 2, 3, 4, 5)), "INVALID_ARGUMENT", too_large)
    server.predicted(predict_request("usual", inputs=_x(1, 2, 3, 4, 5)), {"y": [2.0, 3.0, 4.0, 5.0, 6.0]})


@section.case("defaults")
def defaults(server):
    """Without further words a batch may have 1000 rows, nothing waits, and requests are not split."""
    thousand = np.zeros(1000, np.float32)
    server.predicted(predict_request("usual", "rows", {"x": thousand}), {"rows": [1000] * 1000})
    text = "Task size 1001 is larger than maximum input batch size 1000"
    server.refused(
        PREDICT, predict_request("usual", inputs={"x": np.zeros(1001, np.float32)}), "INVALID_ARGUMENT", text
    )


@once.case("parameters-file")
def parameters_file(server):
    """With --enable_batching the parameters are those of --batching_parameters_file, for every model."""
    text = "Task size 3 is larger than maximum input batch size 2"
    server.refused(PREDICT, predict_request("tagged", inputs=_x(1, 2, 3)), "INVALID_ARGUMENT", text)


# === Refusals ===

section.refused(
    "too-large",
    "A request must fit into a batch.",
    PREDICT,
    predict_request("batched", inputs=_x(1, 2, 3, 4, 5)),
    "INVALID_ARGUMENT",
    "Task size 5 is larger than maximum input batch size 4",
)


_FULL = (
    "The batch scheduling queue to which this task was submitted is full; currently 1 batches enqueued and "
    "max_enqueued_batches is 1"
)


def _before_a_full_queue(server, ask):
    """What `ask` gives while a request of one row waits in a queue of one batch: it asks for four more rows, which are
    a batch of their own, and gives None, as long as the other request is not there yet."""
    waiting = predict_request("batched", "rows", _x(1))

    def wait():
        # Who comes while the four rows are in the queue is refused too, and comes again.
        while (answer := _together(server, waiting)[0]) == ("UNAVAILABLE", _FULL):
            pass
        return answer

    end = time.monotonic() + PATIENCE / 2
    with ThreadPoolExecutor(1) as caller:
        future = caller.submit(wait)
        while (got := ask()) is None and time.monotonic() < end:
            pass
        server.call(PREDICT, predict_request("batched", "rows", _x(1, 2, 3)))  # the batch is full
        same(shown(PREDICT, waiting), future.result(), {"rows": [4]})
    return got


@section.case("queue-full:grpc")
def queue_full(server):
    """UNAVAILABLE where max_enqueued_batches wait and the request fits into none; what waits is answered later."""
    large = predict_request("batched", "rows", _x(1, 2, 3, 4))

    def ask():
        (answer,) = _together(server, large)
        return None if answer == {"rows": [4] * 4} else answer

    same(shown(PREDICT, large), _before_a_full_queue(server, ask), ("UNAVAILABLE", _FULL))


@section.case("queue-full:rest", "rest")
def queue_full_over_rest(server):
    """Over REST that is HTTP 503."""
    body = {"signature_name": "rows", "instances": [1.0, 2.0, 3.0, 4.0]}

    def ask():
        answer = server.http("/v1/models/batched:predict", body)
        # 429: on a busy machine the time limit of this server is short.
        return None if answer.status in (200, 429) else (answer.status, json.loads(answer.text))

    same(f"{body}", _before_a_full_queue(server, ask), (503, {"error": _FULL}))


@section.case("different-shapes")
def different_shapes(server):
    """FAILED_PRECONDITION for every request of a batch whose tensors differ beyond the first dimension."""
    requests = [predict_request("batched", "wide", {"x": np.ones((2, width), np.float32)}) for width in (2, 3)]
    pattern = (
        r"Tensors with name 'wide:0' from different tasks have different shapes and padding is turned off\. Set "
        r"pad_variable_length_inputs to true, or .*"
    )
    for answer in _together(server, *requests):
        if not isinstance(answer, tuple) or answer[0] != "FAILED_PRECONDITION" or not re.match(pattern, answer[1]):
            raise Mismatch("rows of 2 and of 3 numbers", f"FAILED_PRECONDITION: /{pattern}/", answer)


section.refused(
    "inputs-without-a-batch:scalar",
    "An input must have a first dimension.",
    PREDICT,
    predict_request("usual", inputs={"x": np.float32(1)}),
    "INVALID_ARGUMENT",
    "Batching Run() input tensors must have at least one dimension",
)
section.refused(
    "inputs-without-a-batch:unequal",
    "All inputs of a request must have the same number of rows.",
    PREDICT,
    predict_request("usual", "pair", {"a": np.float32([1.0]), "b": np.ones((2, 2), np.float32)}),
    "INVALID_ARGUMENT",
    re.compile(r"Batching Run\(\) input tensors must have equal 0th-dimension size"),
)
section.refused(
    "outputs-without-a-batch:scalar",
    "An output must have a first dimension.",
    PREDICT,
    predict_request("usual", "scalar", _x(1, 2)),
    "FAILED_PRECONDITION",
    "Batched output tensor has 0 dimensions",
)
section.refused(
    "outputs-without-a-batch:rows",
    "An output must have as many rows as the inputs.",
    PREDICT,
    predict_request("usual", "short", _x(1, 2)),
    "FAILED_PRECONDITION",
    re.compile(r".*0th dimension does not equal the sum of the 0th dimension sizes of the input tensors"),
)


@section.case("deadlines-in-the-queue", "rest")
def deadlines_in_the_queue(server):
    """RESOURCE_EXHAUSTED (HTTP 429) where the time of every request of a batch passed while it waited."""
    text = "Run() timeout exceeded while waiting in batching queue"
    server.http_refused("/v1/models/waiting:predict", {"instances": [1.0]}, 429, text)
