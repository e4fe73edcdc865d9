"""One JSON value to one tensor element or tf.Example feature value, and its text in an error message."""

import math

import numpy as np

from serving import tensors
from serving.protos import types_pb2
from serving.server import json_text
from serving.server.status import Code, ServingError, invalid

FLOAT_MAX = float(np.finfo(np.float32).max)
INT_RANGES = {
    # All small integers are read as int32 and cut, as TensorFlow Serving does.
    types_pb2.DT_INT8: (-(2**31), 2**31 - 1),
    types_pb2.DT_INT16: (-(2**31), 2**31 - 1),
    types_pb2.DT_INT32: (-(2**31), 2**31 - 1),
    types_pb2.DT_UINT8: (-(2**31), 2**31 - 1),
    types_pb2.DT_INT64: (-(2**63), 2**63 - 1),
    types_pb2.DT_UINT32: (0, 2**32 - 1),
    types_pb2.DT_UINT64: (0, 2**64 - 1),
}


def add_value(value, dtype: int):
    """What goes into a tensor of `dtype`; raises ServingError where the JSON value does not fit."""
    if dtype in (types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE):
        if not is_number(value):
            type_error(value, dtype)
        if not is_lossless(value, dtype):
            lossy_error(value, "float" if dtype == types_pb2.DT_FLOAT else "double")
        return float(value)
    if dtype in INT_RANGES:
        low, high = INT_RANGES[dtype]
        if not is_number(value) or isinstance(value, float) or not low <= value <= high:
            type_error(value, dtype)
        return value if dtype not in _SMALL else np.array(value, np.int64).astype(_SMALL[dtype])
    if dtype == types_pb2.DT_STRING:
        if not isinstance(value, str):
            type_error(value, dtype)
        return text_bytes(value)
    if dtype == types_pb2.DT_BOOL:
        if not isinstance(value, bool):
            type_error(value, dtype)
        return value
    raise ServingError(
        Code.UNIMPLEMENTED, f"Conversion of JSON Value: {value_text(value)} to type: {tensors.dtype_name(dtype)}"
    )


_SMALL = {types_pb2.DT_INT8: np.int8, types_pb2.DT_INT16: np.int16, types_pb2.DT_UINT8: np.uint8}


def is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_lossless(value, dtype: int) -> bool:
    single = dtype == types_pb2.DT_FLOAT
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return abs(value) <= (2**24 - 1 if single else 2**53 - 1)
    return not math.isfinite(value) or not single or abs(value) <= FLOAT_MAX


def text_bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


def is_unicode(text: str) -> bool:
    """Whether it was UTF-8 in the document: what names something in a message must be."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def type_error(value, dtype: int):
    raise invalid(
        f"JSON Value: {value_text(value)} Type: {type_text(value)} is not of expected type: {tensors.dtype_name(dtype)}"
    )


def lossy_error(value, target: str):
    raise invalid(f"Cannot convert JSON value: {value_text(value)} to {target} without loss of precision.")


def type_text(value) -> str:
    if value is None or isinstance(value, bool):
        return {None: "Null", True: "True", False: "False"}[value]
    names = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    return next(name for kind, name in names.items() if isinstance(value, kind))


def value_text(value) -> str:
    if isinstance(value, float):
        return json_text.number(value, double=math.isfinite(value) and abs(value) > FLOAT_MAX)
    return json_text.write(value)


def shape_text(shape) -> str:
    return "[" + ",".join(str(size) for size in shape) + "]"
