"""JSON as TensorFlow Serving reads and writes it (RapidJSON's rules): layout, number text, messages of the parser."""

import json
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from serving.server.json_numbers import LONG, Numbers, Skeleton
from serving.server.status import ServingError, invalid

_INDENT = 4
_SINGLE = struct.Struct("f")
# Below this many numbers one by one is quicker.
_FEW = 8
# Pieces of text that wait to be put together: each is an object of Python.
_MOST_PIECES = 2**14
# Python's complaint -> RapidJSON's.
_PARSE_ERRORS = (
    ("Expecting property name", "Missing a name for object member."),
    ("Illegal trailing comma before end of object", "Missing a name for object member."),
    ("Illegal trailing comma before end of array", "Invalid value."),
    ("Expecting ':' delimiter", "Missing a colon after a name of object member."),
    ("Unterminated string", "Missing a closing quotation mark in string."),
    ("Invalid control character", "Invalid encoding in string."),
    ("Invalid \\escape", "Invalid escape character in string."),
    ("Invalid \\uXXXX escape", "Incorrect hex digit after \\u escape in string."),
    ("Extra data", "The document root must not be followed by other values."),
    ("Expecting value", "Invalid value."),
)
_HIGH, _LOW = r"u[dD][89abAB][0-9a-fA-F]{2}", r"u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPES = re.compile(rf"\\(?:{_HIGH}\\{_LOW}|(?P<half>{_HIGH}|{_LOW})|.)", re.DOTALL)


class _Number(ValueError):
    pass


def parse(body: bytes):
    """The value of a JSON document; NaN, Infinity and -Infinity are numbers, bytes that are not UTF-8 pass through.

    Raises ServingError "JSON Parse error: .. at offset: N" (bytes).
    """
    return _parse(body, _float, lambda at: at)


def parse_packed(body: bytes):
    """The same, but long arrays of numbers are `Numbers`."""
    if len(body) < LONG:
        return parse(body)
    skeleton = Skeleton(body)

    def number(text: str):
        numbers = skeleton.get(text)
        return _float(text) if numbers is None else numbers

    return _parse(skeleton.text, number, skeleton.offset)


def _parse(body: bytes, parse_float, offset):
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        return _parsed(body, parse_float, offset)
    except RecursionError:
        raise invalid("JSON Parse error: The document is nested too deeply") from None


def _parsed(body: bytes, parse_float, offset):
    text = body.decode("utf-8", "surrogateescape")

    def failed(message: str, characters: int) -> ServingError:
        return _parse_error(message, offset(len(text[:characters].encode("utf-8", "surrogateescape"))))

    if not text.strip(" \t\r\n"):
        raise failed("The document is empty.", len(text))
    try:
        value = json.loads(text, object_pairs_hook=_first_wins, parse_float=parse_float)
    except json.JSONDecodeError as error:
        raise failed(_message(error), error.pos) from None
    except _Number as error:
        raise failed("Number too big to be stored in double.", text.find(str(error))) from None
    except ValueError:  # an integer of more digits than Python converts
        raise _parse_error("Number too big to be stored in double.", 0) from None
    half = _half_a_pair(text) if "\\u" in text else None
    if half is not None:
        raise failed("The surrogate pair in string is invalid.", half)
    return value


def _message(error: json.JSONDecodeError) -> str:
    if error.msg == "Expecting ',' delimiter":
        return (
            "Missing a comma or ] after an array element."
            if _in_array(error.doc, error.pos)
            else "Missing a comma or } after an object member."
        )
    return next((ours for theirs, ours in _PARSE_ERRORS if error.msg.startswith(theirs)), "Unspecific syntax error.")


def _in_array(text: str, at: int) -> bool:
    """Whether the value that ends before `at` is an array's element: then a bracket can close it."""
    try:
        json.loads(text[:at] + "]")
    except json.JSONDecodeError as error:
        return error.pos > at
    return True


def _half_a_pair(text: str) -> int | None:
    """Where an escape is half of a character: text that holds it could not be written."""
    halves = (match.start() for match in _ESCAPES.finditer(text) if match["half"])
    return next(halves, None)


def _parse_error(message: str, offset: int) -> ServingError:
    return invalid(f"JSON Parse error: {message} at offset: {offset}")


def _first_wins(pairs: list) -> dict:
    members = dict(pairs)
    if len(members) != len(pairs):
        members = dict(reversed(pairs))  # RapidJSON finds the first of two members of one name
    return members


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _Number(text)
    return value


class Raw(str):
    """Text that is written as it stands: a number."""


class Raws(list):
    """Texts that are written as they stand: an array of numbers."""


class Binary(dict):
    """{"b64": ...}: an object that stands where a plain value would."""


@dataclass(frozen=True)
class Lazy:
    """An array whose elements are made while it is written.

    Args:
        blocks: lists of elements, one behind the other; at least one element.
    """

    blocks: Iterator[list]


def number(value: float, *, double: bool = False) -> Raw:
    """Decimal text: `%g` with 6 digits where that reads back as the same value, else 9 digits (17 for double)."""
    if math.isnan(value):
        return Raw("NaN")
    if math.isinf(value):
        return Raw("-Infinity" if value < 0 else "Infinity")
    text = f"{value:.6g}"
    same = float(text) == value if double else _SINGLE.pack(float(text)) == _SINGLE.pack(value)
    if not same:
        text = f"{value:.17g}" if double else f"{value:.9g}"
    return Raw(text if "." in text or "e" in text else text + ".0")


def numbers(values: np.ndarray) -> Raws:
    """`number` of every value of a flat float array."""
    double = values.dtype == np.float64
    plain = values.tolist()
    if len(plain) < _FEW or not np.isfinite(values).all():
        return Raws([number(value, double=double) for value in plain])
    texts = [f"{value:.6g}" for value in plain]
    same = np.array([float(text) for text in texts], values.dtype) == values
    digits = ".17g" if double else ".9g"
    for index in np.flatnonzero(~same).tolist():
        texts[index] = format(plain[index], digits)
    return Raws([text if "." in text or "e" in text else text + ".0" for text in texts])


def write(value, *, inline_from: int | None = None) -> str:
    """Pretty JSON, indented by 4.

    Args:
        value: dict, list, str, bool, None, int, Raw, Raws, Lazy, or Numbers.
        inline_from: arrays at this depth and below stand on one line; an array that is opened above it and holds them
            begins on its own line and closes on a new one, as RapidJSON's PrettyWriter does when it is switched
            between elements.
    """
    out = _Text()
    _write(value, 0, inline_from, out)
    return out.whole()


class _Text:
    """A text that grows piece by piece."""

    def __init__(self):
        self._long: list[str] = []
        self._pieces: list[str] = []

    def append(self, piece: str) -> None:
        self._pieces.append(piece)
        if len(self._pieces) > _MOST_PIECES:
            self._long.append("".join(self._pieces))
            self._pieces.clear()

    def whole(self) -> str:
        return "".join([*self._long, *self._pieces])


def _write(value, depth: int, inline_from: int | None, out: _Text) -> None:
    if isinstance(value, dict):
        _write_object(value, depth, inline_from, out)
    elif isinstance(value, list):
        _write_array([value] if value else [], depth, inline_from, out)
    elif isinstance(value, Lazy):
        _write_array(value.blocks, depth, inline_from, out)
    elif isinstance(value, Numbers):
        _write_array([value.plain()], depth, inline_from, out)
    else:
        out.append(_scalar(value))


def _write_object(value: dict, depth: int, inline_from: int | None, out: _Text) -> None:
    if not value:
        out.append("{}")
        return
    pad = " " * _INDENT * (depth + 1)
    out.append("{")
    for index, (key, member) in enumerate(value.items()):
        out.append(f"{',' if index else ''}\n{pad}{_string(key)}: ")
        _write(member, depth + 1, inline_from, out)
    out.append("\n" + " " * _INDENT * depth + "}")


def _write_array(blocks, depth: int, inline_from: int | None, out: _Text) -> None:
    pad = "\n" + " " * _INDENT * (depth + 1)
    inline = inline_from is not None and depth >= inline_from
    first = True
    out.append("[")
    for block in blocks:
        # The elements of an array directly above an inline one are written with the inline option on: the first one
        # follows the bracket at once. Rows that are objects are begun with the option off.
        is_row = isinstance(block[0], dict) and not isinstance(block[0], Binary)
        beside = inline_from is not None and depth == inline_from - 1 and not is_row
        opening, between = ("", ", ") if inline or beside else (pad, "," + pad)
        if isinstance(block, Raws):
            out.append((opening if first else between) + between.join(block))
            first = False
            continue
        for element in block:
            out.append(opening if first else between)
            _write(element, depth + 1, inline_from, out)
            first = False
    if not (first or inline):
        out.append("\n" + " " * _INDENT * depth)
    out.append("]")


def _scalar(value) -> str:
    if isinstance(value, Raw):
        return value
    if isinstance(value, str):
        return _string(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        text = repr(value)
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)
    return str(value)


def _string(value: str) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if "\\u00" in text:  # RapidJSON writes the hex digits of control characters in capitals
        text = re.sub(r"\\u00[0-9a-f]{2}", lambda match: match[0].upper().replace("U", "u"), text)
    return text
