"""Number text and layout of REST answers."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.server import json_text
from serving.server.status import ServingError


@pytest.mark.parametrize(
    "value, text",
    [
        (0.2, "0.2"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1 / 3, "0.333333343"),
        (16777216.0, "16777216.0"),
        (1e6, "1e+06"),
        (3e-05, "3e-05"),
    ],
)
def test_float_text_is_short_where_it_can_be(value, text):
    assert json_text.number(float(np.float32(value))) == text


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float_text_reads_back_as_the_same_float32(value):
    assert np.float32(json_text.number(value)) == np.float32(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_double_text_reads_back_as_the_same_double(value):
    assert float(json_text.number(value, double=True)) == value


_text = st.text(st.characters(codec="utf-8"))
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=20,
)


@given(_json, st.sampled_from([None, 0, 1, 2]))
def test_what_is_written_reads_back(value, inline_from):
    assert json.loads(json_text.write(value, inline_from=inline_from)) == value


@given(_json)
def test_what_python_writes_is_read_alike(value):
    assert json_text.parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body):
    try:
        json_text.parse(body)
    except ServingError as error:
        assert error.message.startswith("JSON Parse error: ")


def test_of_two_members_of_one_name_the_first_counts():
    assert json_text.parse(b'{"a": 1, "a": 2}') == {"a": 1}


def test_a_number_too_big_for_a_double_is_refused():
    with pytest.raises(ServingError, match="Number too big to be stored in double. at offset: 6"):
        json_text.parse(b'{"a": 1e999}')


def test_bytes_that_are_no_utf8_pass_through():
    assert json_text.parse(b'["\xff"]') == ["\udcff"]
