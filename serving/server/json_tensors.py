"""REST bodies to request messages, responses to REST bodies: TensorFlow Serving's json_tensor.cc, its texts kept."""

import base64
import binascii
import re

import numpy as np

from serving import tensors
from serving.protos import types_pb2
from serving.server import json_text
from serving.server.json_text import Binary
from serving.server.json_values import add_value, shape_text, type_error, value_text
from serving.server.status import ServingError, invalid

_FLOATS = {types_pb2.DT_FLOAT: 2**24 - 1, types_pb2.DT_DOUBLE: 2**53 - 1}
_INTS = {types_pb2.DT_INT32: 2**31, types_pb2.DT_INT64: 2**63}
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


def read_object(body: bytes) -> dict:
    document = json_text.parse(body)
    if not isinstance(document, dict):
        raise _format_error(document, "Is not object")
    return document


def fill_signature(document: dict, request) -> None:
    name = document.get("signature_name")
    if name is None and "signature_name" not in document:
        return
    if not isinstance(name, str):
        raise _format_error(document, "not formatted correctly. 'signature_name' key must be a string value.")
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
        if not isinstance(rows, list):
            raise _format_error(document, "Expecting 'instances' to be an list/array")
        if not rows:
            raise _format_error(document, "No values in 'instances' array")
        arrays = _rows(rows, inputs)
    elif "inputs" in document:
        arrays = _columns(document["inputs"], inputs)
    else:
        raise invalid("Missing 'inputs' or 'instances' key")
    for name, array in arrays.items():
        tensors.to_proto(array, into=request.inputs[name])
    return "instances" in document


def predict_text(outputs, by_row: bool) -> str:
    """The body that answers Predict, from TensorProto by output name."""
    values = {name: _plain(name, outputs[name]) for name in sorted(outputs)}
    if not values:
        raise invalid("Cannot convert empty tensor map to JSON")
    if not by_row:
        return json_text.write({"outputs": values if len(values) > 1 else next(iter(values.values()))})
    batch = 0
    for name in values:
        sizes = [dim.size for dim in outputs[name].tensor_shape.dim]
        if not sizes:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if sizes[0] < 1:
            raise invalid(f"Tensor name: {name} has invalid batch size: {sizes[0]}")
        if batch and batch != sizes[0]:
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {sizes[0]} expecting: {batch}")
        batch = sizes[0]
    if len(values) == 1:
        rows = next(iter(values.values()))
    else:
        rows = [{name: column[row] for name, column in values.items()} for row in range(batch)]
    return json_text.write({"predictions": rows}, inline_from=2)


def _plain(name: str, proto):
    """Nested lists of what is written, numbers as text."""
    if proto.dtype not in _WRITABLE:
        raise invalid(f"Failed to write JSON value for tensor type: {tensors.dtype_name(proto.dtype)}")
    array = tensors.from_proto(proto)
    flat = array.ravel()
    if array.dtype.kind == "f":
        plain = json_text.numbers(flat)
    elif array.dtype.kind == "O" and name.endswith("_bytes"):
        plain = [Binary(b64=base64.b64encode(value).decode()) for value in flat]
    elif array.dtype.kind == "O":
        plain = [value.decode("utf-8", "surrogateescape") for value in flat]
    else:
        plain = flat.tolist()
    for size in reversed(array.shape[1:]):
        plain = [plain[i : i + size] for i in range(0, len(plain), size)] if size else [[]] * _rows_of(array, size)
    return plain if array.ndim else plain[0]


def _rows_of(array: np.ndarray, size: int) -> int:
    return int(np.prod(array.shape[: array.shape.index(size)], dtype=int))


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


def _rows(rows: list, inputs: dict) -> dict[str, np.ndarray]:
    if not isinstance(rows[0], dict) and len(inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    named = _is_named(rows[0])
    # All rows at once where they are regular; else row by row, for the message that names the row.
    columns = _columns_of(rows, inputs, named)
    if columns is not None:
        arrays = {name: _fast_array(column, inputs[name].dtype) for name, column in columns.items()}
        if all(array is not None for array in arrays.values()):
            return arrays
    return _rows_one_by_one(rows, inputs, named)


def _columns_of(rows: list, inputs: dict, named: bool) -> dict[str, list] | None:
    if not named:
        return {next(iter(inputs)): rows}
    if all(isinstance(row, dict) and row.keys() == inputs.keys() for row in rows):
        return {name: [row[name] for row in rows] for name in inputs}
    return None


def _rows_one_by_one(rows: list, inputs: dict, named: bool) -> dict[str, np.ndarray]:
    collected: dict[str, list[np.ndarray]] = {}
    for index, row in enumerate(rows):
        if named and not _is_named(row):
            raise invalid(f"Expecting object but got list at item {index} of input list")
        if not named and _is_named(row):
            raise invalid(f"Expecting value/list but got object at item {index} of input list")
        items = row.items() if named else [(next(iter(inputs)), row)]
        for name, item in items:
            try:
                _collect(collected.setdefault(name, []), name, item, inputs)
            except ServingError as error:
                key = f" key: {name}" if named else ""
                raise invalid(f"Failed to process element: {index}{key} of 'instances' list. Error: {error}") from None
        if named and row.keys() != inputs.keys():
            raise invalid(
                f"Failed to process element: {index} of 'instances' list. JSON object: {value_text(row)} "
                f"keys must be equal to: {','.join(sorted(inputs))}"
            )
    return {name: np.stack(arrays) for name, arrays in collected.items()}


def _collect(arrays: list[np.ndarray], name: str, item, inputs: dict) -> None:
    if name not in inputs:
        raise invalid(f"JSON object: does not have named input: {name}")
    array = _array(item, inputs[name].dtype)
    if arrays and arrays[0].size != array.size:
        raise invalid(f"Expecting tensor size: {arrays[0].size} but got: {array.size}")
    if arrays and arrays[0].shape != array.shape:
        raise invalid(f"Expecting shape {shape_text(arrays[0].shape)} but got: {shape_text(array.shape)}")
    arrays.append(array)


def _array(value, dtype: int) -> np.ndarray:
    array = _fast_array(value, dtype)
    return array if array is not None else _exact_array(value, dtype)


def _fast_array(value, dtype: int) -> np.ndarray | None:
    """numpy's reading of nested lists, None unless it is sure to be TensorFlow Serving's as well."""
    if not isinstance(value, list) or not (dtype in _FLOATS or dtype in _INTS):
        return None
    if not _starts_as_number(value):
        return None
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        return None
    if array.dtype.kind not in ("iuf" if dtype in _FLOATS else "i") or not array.size or _has_bool(value):
        return None
    if dtype in _FLOATS:
        finite = array[np.isfinite(array)]
        limit = _FLOATS[dtype]
    else:
        finite, limit = array, _INTS[dtype] - 1
    if finite.size and max(abs(int(finite.min())), abs(int(finite.max()))) > limit:
        return None
    return array.astype(tensors.numpy_dtype(dtype))


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
    while isinstance(at, list):
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
