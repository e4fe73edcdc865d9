"""Single items put together into a batch, and a batch's answer taken apart again."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import grpc
import numpy as np

from serving.client.answers import Answer
from serving.client.errors import InvalidInput
from serving.client.signatures import Signature, TensorSpec


def check_batching(items: Any, batch_size: int, concurrency: int) -> None:
    """Raises ValueError or TypeError for what cannot be meant."""
    for name, value in (("batch_size", batch_size), ("concurrency", concurrency)):
        if value < 1:
            raise ValueError(f"{name}={value}: expected 1 or more")
    if isinstance(items, (str, bytes, Mapping)):
        kind = "dict" if isinstance(items, Mapping) else "text"
        raise TypeError(f"expected a list of texts, of rows or of dicts for one row each, not one {kind}")


def batches(items: Iterable[Any], size: int) -> Iterator[tuple[int, list[Any]]]:
    """Yields (place of the first, up to `size` items), reading no further than that."""
    remaining, start = iter(items), 0
    while batch := list(islice(remaining, size)):
        yield start, batch
        start += len(batch)


async def async_batches(items: Iterable[Any] | AsyncIterable[Any], size: int) -> AsyncIterator[tuple[int, list[Any]]]:
    """`batches` of what may be asynchronous."""
    if not isinstance(items, AsyncIterable):
        for start, batch in batches(items, size):
            yield start, batch
        return
    start, batch = 0, []
    async for item in items:
        batch.append(item)
        if len(batch) == size:
            yield start, batch
            start, batch = start + size, []
    if batch:
        yield start, batch


def columns(items: Sequence[Any], where: str) -> Any:
    """The inputs of a batch: dicts become one dict of lists, anything else is a list as it is. Raises InvalidInput."""
    if not any(isinstance(item, Mapping) for item in items):
        return list(items)
    names = set(items[0]) if isinstance(items[0], Mapping) else None
    if names is None or any(not isinstance(item, Mapping) or set(item) != names for item in items):
        text = "the items name different inputs: expected dicts with the same keys for all of them"
        raise InvalidInput(text, grpc.StatusCode.INVALID_ARGUMENT, where)
    return {name: [item[name] for item in items] for name in items[0]}


def rows_of(answer: Answer, signature: Signature, count: int) -> list[Answer]:
    """One answer per row. An output whose first dimension is fixed in the signature is given whole to every row."""
    cut = {name: _is_per_row(array, signature.outputs.get(name), count) for name, array in answer.items()}
    return [
        Answer(
            {name: array[row] if cut[name] else array for name, array in answer.items()},
            answer.model,
            answer.version,
            answer.signature,
        )
        for row in range(count)
    ]


def _is_per_row(array: np.ndarray, spec: TensorSpec | None, count: int) -> bool:
    is_open = spec is None or spec.shape is None or (len(spec.shape) > 0 and spec.shape[0] is None)
    return is_open and array.ndim > 0 and len(array) == count
