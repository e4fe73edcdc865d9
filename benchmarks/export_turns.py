"""What the workers of bench_export share: the inputs of a shape, and a turn's timing. Needs NumPy alone."""

import time

import numpy as np

# Ids of whole words and pieces in the uncased vocabulary, clear of the special tokens.
_FIRST_ID, _LAST_ID = 1996, 20000


def draw_tokens(shape):
    """Token inputs of a shape such as "8x128", full rows, the same everywhere: dict of int32 `[batch, length]`."""
    batch, length = map(int, shape.split("x"))
    token_ids = np.random.default_rng(length).integers(_FIRST_ID, _LAST_ID, (batch, length)).astype("int32")
    token_ids[:, 0], token_ids[:, -1] = 101, 102
    return {"token_ids": token_ids, "segment_ids": 0 * token_ids, "padding_mask": 0 * token_ids + 1}


def answer(model, request):
    """The reply to a request: the times of `calls` calls; without that number the scores and the time of a call."""
    tokens = draw_tokens(request["shape"])
    if "calls" not in request:
        scores = [model(tokens) for _ in range(3)][-1]
        return {"scores": scores.tolist(), "seconds": min(timed(model, tokens) for _ in range(3))}
    before = time.process_time()
    seconds = [timed(model, tokens) for _ in range(request["calls"])]
    return {"seconds": seconds, "cpu_seconds": (time.process_time() - before) / request["calls"]}


def timed(model, tokens):
    start = time.perf_counter()
    model(tokens)
    return time.perf_counter() - start
