"""numpy arrays to TensorProto and back, without TensorFlow. Used by the client and by the server."""

import math
from typing import Any

import numpy as np

from serving.protos import tensor_pb2, types_pb2

# A gRPC message holds less than 2 GiB. Only a repeated value could name a larger tensor: nobody means that.
_MAX_BYTES = 2**31 - 1
_BFLOAT16 = types_pb2.DT_BFLOAT16

_DTYPES = {
    types_pb2.DT_FLOAT: np.dtype(np.float32),
    types_pb2.DT_DOUBLE: np.dtype(np.float64),
    types_pb2.DT_INT8: np.dtype(np.int8),
    types_pb2.DT_INT16: np.dtype(np.int16),
    types_pb2.DT_INT32: np.dtype(np.int32),
    types_pb2.DT_INT64: np.dtype(np.int64),
    types_pb2.DT_UINT8: np.dtype(np.uint8),
    types_pb2.DT_UINT16: np.dtype(np.uint16),
    types_pb2.DT_UINT32: np.dtype(np.uint32),
    types_pb2.DT_UINT64: np.dtype(np.uint64),
    types_pb2.DT_BOOL: np.dtype(np.bool_),
    types_pb2.DT_HALF: np.dtype(np.float16),
    types_pb2.DT_COMPLEX64: np.dtype(np.complex64),
    types_pb2.DT_COMPLEX128: np.dtype(np.complex128),
    types_pb2.DT_STRING: np.dtype(object),
}
_DT_OF = {dtype: number for number, dtype in _DTYPES.items()}

# The typed field of each dtype, and the numpy type of one stored element.
_FIELDS = {
    types_pb2.DT_FLOAT: ("float_val", np.float32),
    types_pb2.DT_DOUBLE: ("double_val", np.float64),
    types_pb2.DT_INT8: ("int_val", np.int32),
    types_pb2.DT_INT16: ("int_val", np.int32),
    types_pb2.DT_INT32: ("int_val", np.int32),
    types_pb2.DT_INT64: ("int64_val", np.int64),
    types_pb2.DT_UINT8: ("int_val", np.int32),
    types_pb2.DT_UINT16: ("int_val", np.int32),
    types_pb2.DT_UINT32: ("uint32_val", np.uint32),
    types_pb2.DT_UINT64: ("uint64_val", np.uint64),
    types_pb2.DT_BOOL: ("bool_val", np.bool_),
    types_pb2.DT_HALF: ("half_val", np.int32),
    _BFLOAT16: ("half_val", np.int32),
    types_pb2.DT_COMPLEX64: ("scomplex_val", np.float32),
    types_pb2.DT_COMPLEX128: ("dcomplex_val", np.float64),
}
# Dtypes whose packed typed field is the array's own bytes: the field's number.
_RAW_FIELDS = {
    types_pb2.DT_FLOAT: 5,
    types_pb2.DT_DOUBLE: 6,
    types_pb2.DT_COMPLEX64: 9,
    types_pb2.DT_BOOL: 11,
    types_pb2.DT_COMPLEX128: 12,
}
# Below this many elements reading the repeated field is quicker than walking the serialized message.
_WIRE_FROM = 256


def numpy_dtype(number: int) -> np.dtype:
    """The numpy dtype of a DataType number (object for DT_STRING). Raises ValueError where there is none."""
    if number == _BFLOAT16:
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    try:
        return _DTYPES[number]
    except KeyError:
        raise ValueError(f"no numpy dtype for {dtype_name(number)}") from None


def dtype_name(number: int) -> str:
    """TensorFlow's own name of a DataType number: "float", "int32", "string"."""
    try:
        return types_pb2.DataType.Name(number)[3:].lower()
    except ValueError:
        return f"unknown dtype {number}"


def dtype_number(dtype: np.dtype) -> int:
    """The DataType number of a numpy dtype; bytes and str count as strings. Raises ValueError where there is none."""
    if dtype.kind in "OSU":
        return types_pb2.DT_STRING
    if dtype.name == "bfloat16":
        return _BFLOAT16
    try:
        return _DT_OF[dtype.newbyteorder("=")]
    except KeyError:
        raise ValueError(f"no TensorFlow dtype for numpy's {dtype}") from None


def as_array(value: Any) -> np.ndarray:
    """`np.asarray`, but text stays what it is: objects of type str or bytes, with their trailing zero bytes."""
    if isinstance(value, np.ndarray):
        return value.astype(object) if value.dtype.kind in "SU" else value
    leaf = value
    while isinstance(leaf, (list, tuple)) and leaf:
        leaf = leaf[0]
    return np.array(value, object) if isinstance(leaf, (str, bytes)) else np.asarray(value)


def to_proto(array: Any, *, typed: bool = False, into: Any = None) -> Any:
    """A TensorProto of `array`.

    Args:
        array: anything numpy takes; strings as str (written as UTF-8) or bytes.
        typed: write `float_val` and its like, as TensorFlow Serving answers; else `tensor_content`, the quicker form.
        into: an empty TensorProto to fill (a map's entry, say) in place of making one.

    Raises ValueError for a dtype that TensorFlow does not have.
    """
    array = as_array(array)
    number = dtype_number(array.dtype)
    proto = into if into is not None else tensor_pb2.TensorProto()
    proto.dtype = number
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if number == types_pb2.DT_STRING:
        proto.string_val.extend([_to_bytes(value) for value in array.ravel().tolist()])
    elif not array.size:
        pass
    elif not typed:
        proto.tensor_content = _native(array).tobytes()
    elif number in _RAW_FIELDS:
        # Setting a repeated field value by value costs 100 times the copy: the packed bytes are written by hand.
        raw = _native(array).reshape(-1).view(np.uint8)
        tag = bytes([_RAW_FIELDS[number] << 3 | 2])
        proto.MergeFromString(b"".join([tag, _varint(raw.size), raw]))
    else:
        values = array.view(np.uint16) if number in (types_pb2.DT_HALF, _BFLOAT16) else array
        getattr(proto, _FIELDS[number][0]).extend(values.ravel().tolist())
    return proto


def from_proto(proto: Any) -> np.ndarray:
    """The array of a TensorProto, by the rules of `tensorflow::Tensor::FromProto`; strings as objects of type bytes.

    Typed fields with fewer values than the shape has elements repeat the last one, with none are zeros, with more are
    cut. Raises ValueError where TensorFlow does not parse the message: a negative dimension, a `tensor_content` of
    another size, a dtype that has no plain values.
    """
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if any(size < 0 for size in shape):
        raise ValueError(f"negative dimension in shape {shape}")
    count = math.prod(shape)
    if proto.dtype == types_pb2.DT_STRING:
        return _strings(proto, count).reshape(shape)
    dtype = numpy_dtype(proto.dtype)
    if count * dtype.itemsize > _MAX_BYTES:
        raise ValueError(f"shape {shape} of {dtype} is larger than a message can hold")
    if not count:
        return np.empty(shape, dtype)
    if proto.tensor_content:
        if len(proto.tensor_content) != count * dtype.itemsize:
            raise ValueError(f"tensor_content has {len(proto.tensor_content)} bytes, not {count * dtype.itemsize}")
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    return _typed_values(proto, dtype, count).reshape(shape)


def _typed_values(proto: Any, dtype: np.dtype, count: int) -> np.ndarray:
    name, stored = _FIELDS[proto.dtype]
    field = getattr(proto, name)
    raw = _packed_bytes(proto, _RAW_FIELDS[proto.dtype]) if _raw_is_quicker(proto, count) else None
    if raw is not None:
        values = np.frombuffer(raw, stored)
    else:
        values = np.fromiter(field, stored, len(field))
    if proto.dtype in (types_pb2.DT_HALF, _BFLOAT16):
        values = values.astype(np.uint16).view(dtype)
    elif dtype.kind == "c":
        values = values[: len(values) // 2 * 2].view(dtype)
    else:
        values = values.astype(dtype, copy=False)
    if len(values) >= count:
        return values[:count]
    if not len(values):
        return np.zeros(count, dtype)
    return np.concatenate([values, np.broadcast_to(values[-1], count - len(values))])


def _raw_is_quicker(proto: Any, count: int) -> bool:
    return proto.dtype in _RAW_FIELDS and count >= _WIRE_FROM


def _packed_bytes(proto: Any, field: int) -> memoryview | None:
    """The bytes of the packed repeated field `field`, None where the message does not hold exactly one such run."""
    data = memoryview(proto.SerializeToString())
    at, found = 0, None
    while at < len(data):
        tag, at = _read_varint(data, at)
        if tag & 7 == 0:
            _, at = _read_varint(data, at)
        elif tag & 7 == 2:
            size, at = _read_varint(data, at)
            if tag >> 3 == field:
                if found is not None:
                    return None
                found = data[at : at + size]
            at += size
        else:
            return None
    return found


def _strings(proto: Any, count: int) -> np.ndarray:
    if count > _MAX_BYTES:
        raise ValueError(f"{count} strings are more than a message can hold")
    values = _string_content(proto.tensor_content, count) if proto.tensor_content and count else proto.string_val
    array = np.empty(count, object)
    given = min(len(values), count)
    array[:given] = values[:given]
    array[given:] = values[-1] if len(values) else b""
    return array


def _string_content(content: bytes, count: int) -> list[bytes]:
    """Strings from `tensor_content`: all lengths as varints, then all bytes."""
    data = memoryview(content)
    sizes, at = [], 0
    for _ in range(count):
        size, at = _read_varint(data, at)
        sizes.append(size)
    if at + sum(sizes) != len(data):
        raise ValueError(f"tensor_content has {len(data)} bytes, not {at + sum(sizes)}")
    values = []
    for size in sizes:
        values.append(bytes(data[at : at + size]))
        at += size
    return values


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number in the message is cut off")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _native(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("="), order="C", copy=False)


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise ValueError(f"a string tensor holds str or bytes, not {type(value).__name__}")
