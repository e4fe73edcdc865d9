"""Long arrays of numbers in JSON, read straight into numpy a piece at a time.

As objects of Python such an array takes eight times its text and more. Here its place in the document is taken by a
short number that stands for it, so that what is left is read by Python's own parser, which also reads every piece:
what a number is, is decided in one place.
"""

import json
import re
import secrets
from collections.abc import Iterator

import numpy as np

# An array of fewer characters is quick and small as it is.
LONG = 2**16
_PIECE = 2**18
_MOST_DIMENSIONS = 32
_CHARACTERS = b"-+0123456789.eENaInfity, \t\r\n[]"
_OF_NUMBERS = re.compile(rb"[-+0-9.eENaInfity, \t\r\n\[\]]*")
_NO_STRUCTURE = bytes(set(range(256)) - set(b"[],"))
# A number or a bracket beside a bracket without a comma between them.
_NO_COMMA = re.compile(rb"[^\[,\s]\s*\[|\]\s*[^\],\s]")


class Numbers:
    """A regular array of numbers, as JSON has it: a list of lists of numbers.

    Args:
        array: int64 where all are integers, else float64.
        largest_integer: no integer among them is larger, nor smaller than its negative; 0 without any.
        body, begin, end: where they were read.
    """

    def __init__(self, array: np.ndarray, largest_integer: int, body: bytes, begin: int, end: int):
        self.array = array
        self.largest_integer = largest_integer
        self._place = body, begin, end

    def __len__(self) -> int:
        return len(self.array)

    def plain(self) -> list:
        """The same as nested lists, in which integers and other numbers differ."""
        body, begin, end = self._place
        return json.loads(body[begin:end])


class Skeleton:
    """A document whose long arrays of numbers are taken out. In `text` the name of each stands in its place.

    Args:
        body: the document.
    """

    def __init__(self, body: bytes):
        self._numbers: dict[str, Numbers] = {}
        # Of each: where it stood in the document, where its name stands in `text`, and what to add to later places.
        self._places: list[tuple[int, int, int]] = []
        prefix = _unused_number(body)
        parts, done, length = [], 0, 0
        for begin, end in _arrays(body, LONG):
            read = _read(body[begin:end])
            if read is None:
                continue
            name = f"{prefix}{len(self._numbers)}"
            self._numbers[name] = Numbers(*read, body, begin, end)
            # Spaces: beside a digit the name would become another number.
            parts += [body[done:begin], b" ", name.encode(), b" "]
            name_at = length + begin - done + 1
            length = name_at + len(name) + 1
            done = end
            self._places.append((begin, name_at, end - length))
        self.text = b"".join([*parts, body[done:]]) if parts else body

    def get(self, text: str) -> Numbers | None:
        """The array whose name is `text`."""
        return self._numbers.get(text)

    def offset(self, at: int) -> int:
        """Where the document has what `text` has at byte `at`."""
        shift = 0
        for begin, name_at, shift_behind in self._places:
            if at <= name_at:
                return begin if at == name_at else at + shift
            shift = shift_behind
        return at + shift


def _unused_number(body: bytes) -> str:
    """The beginning of a number with a fraction, such as the document does not hold."""
    while True:
        prefix = f"0.{secrets.randbelow(10**18):018}1"
        if prefix.encode() not in body:
            return prefix


# === Finding them ===


def _arrays(body: bytes, long: int) -> Iterator[tuple[int, int]]:
    """Begin and end of what may be an array of numbers, outside of strings."""
    in_string, done = False, 0
    for start, stop in _runs(body, long):
        in_string ^= _quotes(body[done:start]) % 2 == 1
        done = stop
        begin, end = body.find(b"[", start, stop), body.rfind(b"]", start, stop) + 1
        if not in_string and begin >= 0 and end - begin >= long:
            yield begin, end


def _runs(body: bytes, long: int) -> Iterator[tuple[int, int]]:
    """Where at least `long` characters in a row are of those that arrays of numbers consist of.

    Such a run holds a multiple of `long`, so that only these places are looked at.
    """
    at = done = 0
    while at < len(body):
        stop = _OF_NUMBERS.match(body, at).end()
        before = body[max(done, at - long) : at]
        start = at - (len(before) - len(before.rstrip(_CHARACTERS)))
        if stop - start >= long:
            yield start, stop
            done = stop
        at = (max(stop, at) // long + 1) * long


def _quotes(text: bytes) -> int:
    """How many quotation marks open or close a string."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return text.count(b'"')


# === Reading one ===


def _read(text: bytes) -> tuple[np.ndarray, int] | None:
    """The array and its largest integer.

    None where it is no regular array of numbers that 64 bits hold: Python's parser has it then, and says why.
    """
    shape = _shape(text)
    if shape is None:
        return None
    count = int(np.prod(shape, dtype=object))
    array, largest, filled = np.empty(count, np.int64), 0, 0
    for piece in _pieces(text):
        try:
            values = json.loads(b"[" + piece + b"]")
        except ValueError:
            return None
        kinds = set(map(type, values))
        block = _block(values, kinds, piece)
        if block is None or filled + len(block) > count:
            return None
        if int in kinds:
            largest = max(largest, _largest_integer(values, block))
        if block.dtype != array.dtype and array.dtype == np.int64:
            array = array.astype(np.float64)
        array[filled : filled + len(block)] = block
        filled += len(block)
    if filled != count or (array.dtype == np.float64 and largest > 2**53):
        return None
    return array.reshape(shape), largest


def _shape(text: bytes) -> tuple[int, ...] | None:
    """Sizes from the outermost list to the innermost, by brackets and commas alone."""
    structure = text.translate(None, _NO_STRUCTURE)
    depth = len(structure) - len(structure.lstrip(b"["))
    if depth > _MOST_DIMENSIONS or (depth > 1 and _NO_COMMA.search(text)):
        return None
    sizes, unit, numbers = [], b"", 1
    for level in range(1, depth + 1):
        end = structure.find(b"]" * level)
        if end < 0:
            return None
        inside = structure.count(b",", depth - level, end) + 1
        size, rest = divmod(inside, numbers)
        if rest or size * len(unit) > len(structure):
            return None
        unit = b"[" + unit + (b"," + unit) * (size - 1) + b"]"
        sizes.append(size)
        numbers = inside
    return tuple(reversed(sizes)) if unit == structure else None


def _pieces(text: bytes) -> Iterator[bytes]:
    """The numbers between commas, without brackets, several thousands at a time."""
    at = 0
    while at < len(text):
        end = text.find(b",", at + _PIECE)
        end = len(text) if end < 0 else end
        yield text[at:end].translate(None, b"[]")
        at = end + 1


def _block(values: list, kinds: set, piece: bytes) -> np.ndarray | None:
    dtype = np.int64 if kinds == {int} else np.float64
    try:
        block = np.array(values, dtype)
    except OverflowError:
        return None
    if dtype == np.float64 and np.isinf(block).sum() != piece.count(b"Infinity"):
        return None  # a number too big for a double
    return block


def _largest_integer(values: list, block: np.ndarray) -> int:
    if block.dtype == np.int64:
        return max(abs(int(block.min())), abs(int(block.max())))
    return max(abs(value) for value in values if type(value) is int)
