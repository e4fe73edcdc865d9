"""Long arrays of numbers, read a piece at a time: the same values and the same refusals as without that."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.protos import predict_pb2, types_pb2
from serving.server import json_answers, json_numbers, json_tensors, json_text
from serving.server.status import ServingError
from tests.serving.unpacked import parse_and_unpack


@pytest.fixture(autouse=True, scope="module")
def everything_is_long():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_numbers, "LONG", 4)
        patched.setattr(json_text, "LONG", 4)
        patched.setattr(json_numbers, "_PIECE", 3)
        yield


def outcome(function, *arguments):
    try:
        return repr(function(*arguments))
    except ServingError as error:
        return str(error)


_numbers = st.integers(-(2**65), 2**65) | st.integers(-9, 9) | st.floats() | st.sampled_from([2**53, 2**63, 1e308])
_rows = st.integers(1, 4).flatmap(lambda size: st.lists(st.lists(_numbers, min_size=size, max_size=size), max_size=4))
_arrays = st.lists(_numbers, max_size=8) | _rows | st.lists(_rows, max_size=3)
_texts = st.lists(st.sampled_from(['"', "\\", "[1, 2, 3]", "1", ",", "é", "[", "]"]), max_size=6).map("".join)
_values = st.recursive(
    _arrays | _numbers | st.booleans() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(_values, st.sampled_from([None, 1]), st.booleans())
def test_any_document_is_read_alike(value, indent, plain_ascii):
    body = json.dumps(value, indent=indent, ensure_ascii=plain_ascii).encode()
    assert outcome(lambda: parse_and_unpack(body)[0]) == outcome(json_text.parse, body)


@settings(max_examples=500, deadline=None)
@given(_values, st.data())
def test_any_document_with_an_error_is_refused_alike(value, data):
    body = json.dumps({"é": value, "instances": [1.5, 2, 3.5]}, ensure_ascii=False).encode()
    at = data.draw(st.integers(0, len(body)))
    cut = data.draw(st.integers(0, 3))
    body = (
        body[:at] + data.draw(st.sampled_from([b"", b"]", b"[", b",", b" 5 ", b'"', b"}", b"1e999"])) + body[at + cut :]
    )
    assert outcome(lambda: parse_and_unpack(body)[0]) == outcome(json_text.parse, body)


@settings(max_examples=500, deadline=None)
@given(st.text(st.sampled_from("[],1 \n"), max_size=24))
def test_any_brackets_are_read_alike(text):
    body = text.encode()
    assert outcome(lambda: parse_and_unpack(body)[0]) == outcome(json_text.parse, body)


@settings(max_examples=500, deadline=None)
@given(
    _arrays,
    st.sampled_from(["float", "double", "int32", "int64", "uint8", "uint32", "uint64", "string", "bool"]),
    st.sampled_from(["instances", "inputs"]),
    st.booleans(),
)
def test_any_array_becomes_the_same_tensor(value, dtype, key, named):
    number = types_pb2.DataType.Value(f"DT_{dtype.upper()}")
    value = [{"x": row} for row in value] if named else value

    def read():
        request = predict_pb2.PredictRequest()
        document = json_tensors.read_object(json.dumps({key: value}).encode())
        inputs = {"x": predict_pb2.PredictRequest().inputs["x"]}
        inputs["x"].dtype = number
        json_tensors.fill_predict(document, inputs, request)
        return request

    first = outcome(read)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_text, "LONG", 10**9)
        assert first == outcome(read)


@pytest.mark.parametrize(
    "text, shape, kind, largest",
    [
        ("[1, -2, 3]", (3,), "i", 3),
        ("[[1.5], [2.5]]", (2, 1), "f", 0),
        ("[[[1, 2]], [[3, 4.5]], [[-5, 6]]]", (3, 1, 2), "f", 6),
        ("[NaN, -Infinity, 1e30]", (3,), "f", 0),
        ("[[[[[[7777]]]]]]", (1,) * 6, "i", 7777),
    ],
)
def test_a_regular_array_is_taken_out(text, shape, kind, largest):
    numbers = json_text.parse_packed(b'{"a": ' + text.encode() + b"}")["a"]
    assert (numbers.array.shape, numbers.array.dtype.kind, numbers.largest_integer) == (shape, kind, largest)
    np.testing.assert_array_equal(numbers.array, np.array(json.loads(text)))


@pytest.mark.parametrize(
    "text", ["[1, true, 2]", "[[1, 2], [3]]", "[18446744073709551615]", "[1.5, 9007199254740993]", '["[1, 2, 3]"]']
)
def test_other_arrays_stay_lists(text):
    value = json_text.parse_packed(b'{"a": ' + text.encode() + b"}")["a"]
    assert value == json.loads(text) and isinstance(value, list)


def test_arrays_beside_each_other_are_taken_out_each():
    body = b'{"a": [1, 2, 3], "b": {"c": [[4.5], [5]], "[6, 7, 8]": "\\\\\\"[9, 9, 9]"}}'
    assert parse_and_unpack(body) == ({"a": [1, 2, 3], "b": {"c": [[4.5], [5]], "[6, 7, 8]": '\\"[9, 9, 9]'}}, 2)


def test_the_place_of_an_error_behind_an_array_is_that_of_the_document():
    with pytest.raises(ServingError, match="Missing a colon after a name of object member. at offset: 27"):
        json_text.parse_packed(b'{"a": [1, 2, 3, 4, 5], "b" 5}')


# === Writing ===


@given(st.lists(st.floats(width=32) | st.integers(-(10**6), 10**6).map(float), min_size=8, max_size=20))
def test_many_numbers_have_the_text_of_one(values):
    array = np.array(values, np.float32)
    assert json_text.numbers(array) == [json_text.number(value) for value in array.tolist()]


@given(st.lists(st.floats(), min_size=8, max_size=20))
def test_many_doubles_have_the_text_of_one(values):
    assert json_text.numbers(np.array(values)) == [json_text.number(value, double=True) for value in values]


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4), (1, 9), (9, 1), (2, 1, 1), (4, 0), (2, 0, 3)])
@pytest.mark.parametrize("by_row", [True, False])
@pytest.mark.parametrize("outputs", [["f"], ["i"], ["t"], ["t_bytes"], ["flag"], ["f", "i", "t", "t_bytes", "flag"]])
def test_an_answer_in_blocks_is_the_answer_at_once(shape, by_row, outputs, monkeypatch):
    size = math.prod(shape)
    values = {
        "f": np.arange(size, dtype=np.float32) / 3,
        "i": np.arange(size),
        "t": np.array([b"t%d" % i for i in range(size)], object),
        "flag": np.arange(size) % 2 == 0,
    }
    arrays = {name: values[name.removesuffix("_bytes")].reshape(shape) for name in outputs}
    at_once = json_answers.predict_text(arrays, by_row)
    monkeypatch.setattr(json_answers, "_BLOCK", 2)
    monkeypatch.setattr(json_text, "_MOST_PIECES", 3)
    assert json_answers.predict_text(arrays, by_row) == at_once


# === Rows that do not fit ===

_row = st.sampled_from([1, 2.5, True, "a", [], [1], [2, 3], [[4]], {"x": 5}, {"x": [6]}, {"y": 7}, {}, {"b64": "AA=="}])


@settings(max_examples=300, deadline=None)
@given(_row, st.lists(_row, max_size=6), st.integers(0, 9), st.sampled_from(["float", "int32", "string"]))
def test_the_row_that_is_named_is_the_first_that_does_not_fit(first, others, times, dtype):
    rows = [first] * (times + 1) + others
    inputs = {"x": predict_pb2.PredictRequest().inputs["x"]}
    inputs["x"].dtype = types_pb2.DataType.Value(f"DT_{dtype.upper()}")

    def read():
        request = predict_pb2.PredictRequest()
        json_tensors.fill_predict({"instances": rows}, inputs, request)
        return request

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_tensors, "_ROWS_AT_ONCE", 2)
        in_blocks = outcome(read)
        patched.setattr(json_tensors, "_ROWS_AT_ONCE", 10**9)
        assert in_blocks == outcome(read)
