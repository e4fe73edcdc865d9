"""What a model answers to REST's Predict: arrays to JSON, a block at a time where they are large."""

import base64
import math
from collections.abc import Iterator

import numpy as np

from serving import tensors
from serving.protos import types_pb2
from serving.server import json_text
from serving.server.json_text import Binary, Lazy, Raw, Raws
from serving.server.status import invalid

# Values that are objects of Python at the same time.
_BLOCK = 2**14
_WRITABLE = {
    types_pb2.DT_FLOAT,
    types_pb2.DT_DOUBLE,
    types_pb2.DT_INT8,
    types_pb2.DT_INT16,
    types_pb2.DT_INT32,
    types_pb2.DT_INT64,
    types_pb2.DT_UINT8,
    types_pb2.DT_UINT32,
    types_pb2.DT_UINT64,
    types_pb2.DT_BOOL,
    types_pb2.DT_STRING,
}


def output_arrays(outputs) -> dict[str, np.ndarray]:
    """The arrays of the TensorProtos that answer Predict, in the order of their names."""
    for name in sorted(outputs):
        if outputs[name].dtype not in _WRITABLE:
            dtype = tensors.dtype_name(outputs[name].dtype)
            raise invalid(f"Failed to write JSON value for tensor type: {dtype}")
    return {name: tensors.from_proto(outputs[name]) for name in sorted(outputs)}


def predict_text(outputs: dict[str, np.ndarray], by_row: bool) -> str:
    """The body that answers Predict."""
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    if not by_row:
        values = {name: _values(name, array) for name, array in outputs.items()}
        return json_text.write({"outputs": values if len(values) > 1 else next(iter(values.values()))})
    batch = 0
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if len(array) < 1:
            raise invalid(f"Tensor name: {name} has invalid batch size: {len(array)}")
        if batch and batch != len(array):
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch}")
        batch = len(array)
    rows = _values(*next(iter(outputs.items()))) if len(outputs) == 1 else Lazy(_named_rows(outputs, batch))
    return json_text.write({"predictions": rows}, inline_from=2)


def _named_rows(outputs: dict[str, np.ndarray], batch: int) -> Iterator[list[dict]]:
    most = max(1, _BLOCK * batch // max(sum(array.size for array in outputs.values()), 1))
    for at in range(0, batch, most):
        columns = [_rows_of(name, array[at : at + most]) for name, array in outputs.items()]
        yield [dict(zip(outputs, row)) for row in zip(*columns)]


def _rows_of(name: str, array: np.ndarray) -> list:
    if len(array) == 1 and array.ndim > 1:
        return [_values(name, array[0])]
    if array.ndim == 1 and array.dtype.kind == "f":
        return [Raw(text) for text in json_text.numbers(array)]
    return array.tolist() if array.ndim == 1 and array.dtype.kind in "iu" else _plain(name, array)


def _values(name: str, array: np.ndarray):
    """What is written of an array: nested lists, a block at a time where it is large."""
    if array.size <= _BLOCK:
        return _plain(name, array)
    in_a_row = array.size // len(array)
    if in_a_row > _BLOCK:
        return Lazy([_values(name, row)] for row in array)
    most = _BLOCK // in_a_row
    return Lazy(_plain(name, array[at : at + most]) for at in range(0, len(array), most))


def _plain(name: str, array: np.ndarray):
    """Nested lists of what is written, numbers as text."""
    flat = array.ravel()
    if array.dtype.kind == "f":
        plain = json_text.numbers(flat)
    elif array.dtype.kind in "iu":
        plain = Raws(map(str, flat.tolist()))
    elif array.dtype.kind == "O" and name.endswith("_bytes"):
        plain = [Binary(b64=base64.b64encode(value).decode()) for value in flat]
    elif array.dtype.kind == "O":
        plain = [value.decode("utf-8", "surrogateescape") for value in flat]
    else:
        plain = flat.tolist()
    if not array.ndim:
        return Raw(plain[0]) if isinstance(plain, Raws) else plain[0]
    innermost = type(plain)
    for size in reversed(array.shape[1:]):
        if size:
            plain = [innermost(plain[i : i + size]) for i in range(0, len(plain), size)]
        else:
            plain = [[] for _ in range(math.prod(array.shape[: array.shape.index(0)]))]
        innermost = list
    return plain
