"""The codec between numpy and TensorProto, against TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving import tensors
from serving.protos import tensor_pb2, types_pb2

DTYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128".split()


def arrays(dtype):
    return hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))


@given(st.sampled_from(DTYPES).flatmap(arrays), st.booleans())
def test_an_array_comes_back_as_it_was_and_tensorflow_reads_the_same(array, typed):
    proto = tensors.to_proto(array, typed=typed)
    back = tensors.from_proto(proto)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)
    np.testing.assert_array_equal(tf.io.parse_tensor(proto.SerializeToString(), array.dtype).numpy(), array)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_strings_come_back_in_either_form(values):
    array = np.array(values + [b""], object)[:-1]
    assert tensors.from_proto(tensors.to_proto(array)).tolist() == values
    content = b"".join(tensors._varint(len(value)) for value in values) + b"".join(values)
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_content=content)
    proto.tensor_shape.dim.add(size=len(values))
    assert tensors.from_proto(proto).tolist() == values


def test_bfloat16_comes_back():
    array = tf.constant([1.5, -2.0], tf.bfloat16).numpy()
    for typed in (False, True):
        back = tensors.from_proto(tensors.to_proto(array, typed=typed))
        assert (back.dtype.name, back.astype(np.float32).tolist()) == ("bfloat16", [1.5, -2.0])


@pytest.mark.parametrize("count", [3, 1000])
def test_typed_values_by_the_rules_of_tensorflow(count):
    """Fewer repeat the last one, none are zeros, more are cut: as `tf.io.parse_tensor` does."""
    for given_count in (0, 2, count, count + 2):
        values = np.arange(1.0, given_count + 1, dtype=np.float32).tolist()
        proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=values)
        proto.tensor_shape.dim.add(size=count)
        theirs = tf.io.parse_tensor(proto.SerializeToString(), tf.float32).numpy()
        np.testing.assert_array_equal(tensors.from_proto(proto), theirs)


def test_values_that_are_not_packed_are_read_too():
    unpacked = b"".join(b"\x2d" + np.float32(n).tobytes() for n in range(300))
    shaped = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT)
    shaped.tensor_shape.dim.add(size=300)
    proto = tensor_pb2.TensorProto.FromString(shaped.SerializeToString() + unpacked)
    assert tensors.from_proto(proto).tolist() == list(range(300))


@pytest.mark.filterwarnings("ignore:Unexpected end-group tag")  # an older protobuf's remark on such bytes
@given(st.binary(max_size=100))
def test_any_message_is_read_or_refused_with_a_value_error(data):
    try:
        proto = tensor_pb2.TensorProto.FromString(data)
    except Exception:
        return
    try:
        tensors.from_proto(proto)
    except ValueError:
        pass


def test_str_is_written_as_utf8_and_bytes_keep_their_trailing_zeros():
    assert list(tensors.to_proto(["é", b"\xff"]).string_val) == ["é".encode(), b"\xff"]
    assert list(tensors.to_proto([[b"a\0"]]).string_val) == [b"a\0"]


def test_a_large_typed_array_is_read_quickly():
    """Element by element this takes half a second."""
    import time

    proto = tensors.to_proto(np.ones(3_000_000, np.float32), typed=True)
    started = time.process_time()
    assert tensors.from_proto(proto).sum() == 3_000_000
    assert time.process_time() - started < 0.25
