"""JSON as TensorFlow Serving reads and writes it (RapidJSON's rules): layout, number text, messages of the parser."""

import json
import math
import re

import numpy as np

from serving.server.status import ServingError, invalid

_INDENT = 4
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


class _Number(ValueError):
    pass


def parse(body: bytes):
    """The value of a JSON document; NaN, Infinity and -Infinity are numbers, bytes that are not UTF-8 pass through.

    Raises ServingError "JSON Parse error: .. at offset: N" (bytes).
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    text = body.decode("utf-8", "surrogateescape")
    if not text.strip(" \t\r\n"):
        raise _parse_error("The document is empty.", len(body))
    try:
        return json.loads(text, object_pairs_hook=_first_wins, parse_float=_float)
    except json.JSONDecodeError as error:
        raise _parse_error(_message(error), len(text[: error.pos].encode("utf-8", "surrogateescape"))) from None
    except _Number as error:
        at = len(text[: text.find(str(error))].encode("utf-8", "surrogateescape"))
        raise _parse_error("Number too big to be stored in double.", at) from None
    except ValueError:  # an integer of more digits than Python converts
        raise _parse_error("Number too big to be stored in double.", 0) from None
    except RecursionError:
        raise invalid("JSON Parse error: The document is nested too deeply") from None


def _message(error: json.JSONDecodeError) -> str:
    if error.msg == "Expecting ',' delimiter":
        opened = _open_bracket(error.doc[: error.pos])
        return f"Missing a comma or {'}' if opened == '{' else ']'} after an " + (
            "object member." if opened == "{" else "array element."
        )
    return next((ours for theirs, ours in _PARSE_ERRORS if error.msg.startswith(theirs)), "Unspecific syntax error.")


def _open_bracket(text: str) -> str:
    """The bracket that is still open at the end of `text`."""
    stack, in_string, escaped = [], False, False
    for char in text:
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "{[":
            stack.append(char)
        elif char in "}]" and stack:
            stack.pop()
    return stack[-1] if stack else "{"


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


class Binary(dict):
    """{"b64": ...}: an object that stands where a plain value would."""


def number(value: float, *, double: bool = False) -> Raw:
    """Decimal text: `%g` with 6 digits where that reads back as the same value, else 9 digits (17 for double)."""
    if math.isnan(value):
        return Raw("NaN")
    if math.isinf(value):
        return Raw("-Infinity" if value < 0 else "Infinity")
    text = f"{value:.6g}"
    same = float(text) == value if double else np.float32(text) == np.float32(value)
    if not same:
        text = f"{value:.17g}" if double else f"{value:.9g}"
    return Raw(text if "." in text or "e" in text else text + ".0")


def numbers(values: np.ndarray) -> list[Raw]:
    """`number` of every value of a flat float array."""
    double = values.dtype == np.float64
    return [number(value, double=double) for value in values.tolist()]


def write(value, *, inline_from: int | None = None) -> str:
    """Pretty JSON, indented by 4.

    Args:
        value: dict, list, str, bool, None, int, or Raw.
        inline_from: arrays at this depth and below stand on one line; an array that is opened above it and holds them
            begins on its own line and closes on a new one, as RapidJSON's PrettyWriter does when it is switched
            between elements.
    """
    out: list[str] = []
    _write(value, 0, inline_from, out)
    return "".join(out)


def _write(value, depth: int, inline_from: int | None, out: list[str]) -> None:
    if isinstance(value, dict):
        _write_object(value, depth, inline_from, out)
    elif isinstance(value, list):
        _write_array(value, depth, inline_from, out)
    else:
        out.append(_scalar(value))


def _write_object(value: dict, depth: int, inline_from: int | None, out: list[str]) -> None:
    if not value:
        out.append("{}")
        return
    pad = " " * _INDENT * (depth + 1)
    out.append("{")
    for index, (key, member) in enumerate(value.items()):
        out.append(f"{',' if index else ''}\n{pad}{_string(key)}: ")
        _write(member, depth + 1, inline_from, out)
    out.append("\n" + " " * _INDENT * depth + "}")


def _write_array(value: list, depth: int, inline_from: int | None, out: list[str]) -> None:
    pad = "\n" + " " * _INDENT * (depth + 1)
    inline = inline_from is not None and depth >= inline_from
    out.append("[")
    for index, element in enumerate(value):
        if index:
            out.append(",")
        # The elements of an array directly above an inline one are written with the inline option on: the first one
        # follows the bracket at once. Rows that are objects are begun with the option off.
        is_row = isinstance(element, dict) and not isinstance(element, Binary)
        beside = inline_from is not None and depth == inline_from - 1 and not is_row
        if inline or beside:
            out.append(" " if index else "")
        else:
            out.append(pad)
        _write(element, depth + 1, inline_from, out)
    if value and not inline:
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
