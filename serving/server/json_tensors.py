"""REST bodies to request messages: TensorFlow Serving's json_tensor.cc, its texts kept."""

import base64
import binascii
import math
import re

import numpy as np

from serving import tensors
from serving.protos import types_pb2
from serving.server import json_text
from serving.server.json_numbers import Numbers
from serving.server.json_values import FLOAT_MAX, INT_RANGES, add_value, is_unicode, shape_text, type_error, value_text
from serving.server.status import ServingError, invalid

# The largest integers that floats of so many bits hold without a gap below them.
_FLOATS = {types_pb2.DT_FLOAT: 2**24 - 1, types_pb2.DT_DOUBLE: 2**53 - 1}
_ROWS_AT_ONCE = 1024


def read_object(body: bytes) -> dict:
    document = json_text.parse_packed(body)
    if not isinstance(document, dict):
        raise _format_error(document, "Is not object")
    return document


def fill_signature(document: dict, request) -> None:
    name = document.get("signature_name")
    if name is None and "signature_name" not in document:
        return
    if not isinstance(name, str):
        raise _format_error(document, "not formatted correctly. 'signature_name' key must be a string value.")
    if not is_unicode(name):
        raise invalid(f'Serving signature name: "{name}" not found in signature def')
    request.model_spec.signature_name = name


def fill_predict(document: dict, inputs: dict, request) -> bool:
    """Fills `request.inputs`; True for the row format ("instances"), False for the columnar one ("inputs").

    Args:
        inputs: TensorInfo by input name.
    """
    if "instances" in document:
        if "inputs" in document:
            raise _format_error(
                document, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
            )
        rows = document["instances"]
        if not isinstance(rows, (list, Numbers)):
            raise _format_error(document, "Expecting 'instances' to be an list/array")
        if not rows:
            raise _format_error(document, "No values in 'instances' array")
        arrays = _rows(rows, inputs)
    elif "inputs" in document:
        arrays = _columns(document["inputs"], inputs)
    else:
        raise invalid("Missing 'inputs' or 'instances' key")
    while arrays:
        name, array = arrays.popitem()  # each is held twice for a moment only
        tensors.to_proto(array, into=request.inputs[name])
    return "instances" in document


# === Predict's inputs ===


def _columns(value, inputs: dict) -> dict[str, np.ndarray]:
    if not isinstance(value, dict) or _is_binary(value):
        if len(inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        name, info = next(iter(inputs.items()))
        return {name: _array(value, info.dtype)}
    arrays = {}
    for name in sorted(inputs):
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        arrays[name] = _array(value[name], inputs[name].dtype)
    return arrays


def _rows(rows: "list | Numbers", inputs: dict) -> dict[str, np.ndarray]:
    if isinstance(rows, Numbers):
        array = _packed_array(rows, next(iter(inputs.values())).dtype) if len(inputs) == 1 else None
        if array is not None:
            return {next(iter(inputs)): array}
        rows = rows.plain()
    if not isinstance(rows[0], dict) and len(inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    named = _is_named(rows[0])
    columns = _columns_of(rows, inputs, named)
    if columns is None:
        raise _first_refusal(rows, inputs, named)
    try:
        return {name: _array(column, inputs[name].dtype) for name, column in columns.items()}
    except ServingError:
        # Of a whole column that does not fit only this is known; the message names the row.
        raise _first_refusal(rows, inputs, named) from None


def _columns_of(rows: list, inputs: dict, named: bool) -> dict[str, list] | None:
    if not named:
        return {next(iter(inputs)): rows}
    if all(isinstance(row, dict) and row.keys() == inputs.keys() for row in rows):
        return {name: [row[name] for row in rows] for name in inputs}
    return None


def _first_refusal(rows: list, inputs: dict, named: bool) -> ServingError:
    """What is said of the first row that does not fit."""
    firsts: dict[str, np.ndarray] = {}
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        block = rows[at : at + _ROWS_AT_ONCE]
        if at and _fit(block, firsts, inputs, named):
            continue
        for index, row in enumerate(block, at):
            try:
                _check_row(index, row, firsts, inputs, named)
            except ServingError as error:
                return error
    raise AssertionError("rows that were refused together fit one by one")


def _fit(rows: list, firsts: dict[str, np.ndarray], inputs: dict, named: bool) -> bool:
    """Whether there is nothing to say of these rows: one by one that takes ten times as long."""
    columns = _columns_of(rows, inputs, named)
    if columns is None:
        return False
    try:
        return all(
            _array(column, inputs[name].dtype).shape[1:] == firsts[name].shape for name, column in columns.items()
        )
    except ServingError:
        return False


def _check_row(index: int, row, firsts: dict[str, np.ndarray], inputs: dict, named: bool) -> None:
    if named and not _is_named(row):
        raise invalid(f"Expecting object but got list at item {index} of input list")
    if not named and _is_named(row):
        raise invalid(f"Expecting value/list but got object at item {index} of input list")
    items = row.items() if named else [(next(iter(inputs)), row)]
    for name, item in items:
        try:
            _check_beside_first(firsts, name, item, inputs)
        except ServingError as error:
            key = f" key: {name}" if named else ""
            raise invalid(f"Failed to process element: {index}{key} of 'instances' list. Error: {error}") from None
    if named and row.keys() != inputs.keys():
        raise invalid(
            f"Failed to process element: {index} of 'instances' list. JSON object: {value_text(row)} "
            f"keys must be equal to: {','.join(sorted(inputs))}"
        )


def _check_beside_first(firsts: dict[str, np.ndarray], name: str, item, inputs: dict) -> None:
    if name not in inputs:
        raise invalid(f"JSON object: does not have named input: {name}")
    array = _array(item, inputs[name].dtype)
    first = firsts.setdefault(name, array)
    if first.size != array.size:
        raise invalid(f"Expecting tensor size: {first.size} but got: {array.size}")
    if first.shape != array.shape:
        raise invalid(f"Expecting shape {shape_text(first.shape)} but got: {shape_text(array.shape)}")


def _array(value, dtype: int) -> np.ndarray:
    array = _fast_array(value, dtype)
    return array if array is not None else _exact_array(value, dtype)


def _fast_array(value, dtype: int) -> np.ndarray | None:
    """numpy's reading of nested lists, None unless it is sure to be TensorFlow Serving's as well."""
    if isinstance(value, Numbers):
        return _packed_array(value, dtype)
    if not isinstance(value, list) or not (dtype in _FLOATS or dtype in INT_RANGES):
        return None
    if not _starts_as_number(value):
        return None
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        return None
    if array.dtype.kind not in ("iuf" if dtype in _FLOATS else "iu") or not array.size or _has_bool(value):
        return None
    low, high = INT_RANGES.get(dtype) or (-_FLOATS[dtype], _FLOATS[dtype])
    return array.astype(tensors.numpy_dtype(dtype)) if _is_between(array, low, high) else None


def _packed_array(numbers: Numbers, dtype: int) -> np.ndarray | None:
    """As `_fast_array`; of numbers with a fraction beside integers only these must be small."""
    array = numbers.array
    if dtype in INT_RANGES:
        fits = array.dtype.kind == "i" and _is_between(array, *INT_RANGES[dtype])
    elif dtype in _FLOATS:
        fits = numbers.largest_integer <= _FLOATS[dtype]
        if dtype == types_pb2.DT_FLOAT:
            fits = fits and _is_between(array, -FLOAT_MAX, FLOAT_MAX)
    else:
        fits = False
    return array.astype(tensors.numpy_dtype(dtype)) if fits else None


def _is_between(array: np.ndarray, low: float, high: float) -> bool:
    """Whether all finite values are."""
    least, most = array.min().item(), array.max().item()
    if not (math.isfinite(least) and math.isfinite(most)):
        array = array[np.isfinite(array)]
        return not array.size or _is_between(array, low, high)
    return low <= least and most <= high


def _starts_as_number(value) -> bool:
    while isinstance(value, list):
        if not value:
            return False
        value = value[0]
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _has_bool(value: list) -> bool:
    """numpy takes true for 1 where numbers stand beside it; TensorFlow Serving does not."""
    if value and isinstance(value[0], list):
        return any(_has_bool(element) for element in value)
    return any(element is True or element is False for element in value)


def _exact_array(value, dtype: int) -> np.ndarray:
    shape, at = [], value
    while isinstance(at, (list, Numbers)):
        at = at.plain() if isinstance(at, Numbers) else at
        shape.append(len(at))
        if not at:
            break
        at = at[0]
    flat: list = []
    _fill(value, 0, dtype, shape, flat)
    target = tensors.numpy_dtype(dtype)
    array = np.empty(len(flat), object)
    array[:] = flat
    return array.astype(target).reshape(shape) if dtype != types_pb2.DT_STRING else array.reshape(shape)


def _fill(value, level: int, dtype: int, shape: list[int], flat: list) -> None:
    if isinstance(value, Numbers):
        value = value.plain()
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {value_text(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        if isinstance(value, dict):
            flat.append(decode_binary(value) if dtype == types_pb2.DT_STRING else type_error(value, dtype))
        else:
            flat.append(add_value(value, dtype))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for element in value:
        _fill(element, level + 1, dtype, shape, flat)


def _is_named(value) -> bool:
    return isinstance(value, dict) and not _is_binary(value)


def _is_binary(value) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_binary(value: dict) -> bytes:
    if not _is_binary(value):
        raise invalid(f"JSON Value: {value_text(value)} not formatted correctly for base64 data")
    text = re.sub(r"[ \t\r\n]", "", value["b64"]).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _format_error(value, text: str) -> ServingError:
    return invalid(f"JSON Value: {value_text(value)} {text}")
