"""Cuts a file into parts where one record ends and the next one starts, without holding more than a part of it.

Finding the places takes one look at all bytes, with no more understanding of them than that needs: a small share of
what reading them takes, which the parts' readers then share.
"""

import codecs
import csv
import io
import itertools
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

from bert_keras.data.formats import lift_field_limit
from bert_keras.data.lines import is_zipped, opened
from bert_keras.data.parts import FilePart

# Bytes of a part: enough that starting one costs nothing beside reading it, few enough to be many in a large file.
PART_SIZE = 1 << 20


def cut_at_lines(path: str | os.PathLike, size: int = PART_SIZE) -> Iterator[FilePart]:
    """Yields parts of about `size` bytes, or of one line that is longer.

    A part ends with a line that is not blank, save at the end of the file: what follows upon blank lines may be what
    makes them an error. Raises `BadInput`: the file cannot be read.
    """
    return _cut(path, size, lambda line: not _is_blank(line))


def cut_at_blank_lines(path: str | os.PathLike, size: int = PART_SIZE) -> Iterator[FilePart]:
    """Yields parts of about `size` bytes that end with a blank line, as sentences do, or at the end of the file.

    Raises `BadInput`: the file cannot be read.
    """
    return _cut(path, size, _is_blank)


def cut_at_quoted_rows(path: str | os.PathLike, delimiter: str, size: int = PART_SIZE) -> Iterator[FilePart]:
    """Yields parts of about `size` bytes of a table whose fields may stand in quotes and hold line ends.

    Whether a line end stands in quotes depends on all that is before it, so that the parser looks at every line. What
    is behind a row that it cannot read is one part. A part ends as those of `cut_at_lines`.

    Raises:
        BadInput: the file cannot be read.
    """
    with opened(path) as file:
        cutter, seen = _Cutter(path), _Seen(file)
        lift_field_limit()
        rows = csv.reader(seen, delimiter=delimiter, strict=True)
        try:
            for row in rows:
                if row and seen.size >= size:
                    yield cutter.part(*seen.take())
        except csv.Error:
            for _ in seen:
                pass
        if seen.size:
            yield cutter.part(*seen.take())


def cut_at_rows(path: str | os.PathLike, count: int) -> Iterator[FilePart]:
    """Yields parts of `count` lines each, for files whose lines belong together by their numbers.

    Raises `BadInput`: the file cannot be read.
    """
    with opened(path) as file:
        cutter = _Cutter(path)
        while lines := list(itertools.islice(file, count)):
            yield cutter.part(b"".join(lines), len(lines))


class _Seen:
    """Lines for the parser, whose bytes are kept until they are taken."""

    def __init__(self, file: BinaryIO):
        self._file, self._lines, self.size = file, [], 0
        self._start = codecs.BOM_UTF8

    def __iter__(self):
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self._lines.append(line)
        self.size += len(line)
        text, self._start = line.removeprefix(self._start), b""
        # Only ASCII matters to the parser, and this reads any bytes.
        return text.decode("latin-1")

    def take(self) -> tuple[bytes, int]:
        taken = b"".join(self._lines), len(self._lines)
        self._lines, self.size = [], 0
        return taken


class _Cutter:
    """Makes one part after the other, from its bytes."""

    def __init__(self, path):
        self._path, self._zipped = os.fspath(path), is_zipped(path)
        self._begin, self._row = 0, 1

    def part(self, data: bytes, rows: int) -> FilePart:
        end = self._begin + len(data)
        part = FilePart(self._path, self._begin, end, self._row, data if self._zipped else None)
        self._begin, self._row = end, self._row + rows
        return part


def _cut(path, size: int, ends_record: Callable[[bytes], bool]) -> Iterator[FilePart]:
    with opened(path) as file:
        cutter = _Cutter(path)
        while block := _block(file, size, ends_record):
            yield cutter.part(block, block.count(b"\n"))


def _block(file: BinaryIO, size: int, ends_record: Callable[[bytes], bool]) -> bytes:
    data = io.BytesIO()
    data.write(file.read(max(size, 1)))
    # The line in which that many bytes end is of no use to `ends_record`, which wants whole ones.
    line = file.readline()
    data.write(line)
    if line:
        start = data.getvalue().rfind(b"\n", 0, -1) + 1
        line = data.getvalue()[start:]
    while line and not ends_record(line):
        line = file.readline()
        data.write(line)
    return data.getvalue()


def _is_blank(line: bytes) -> bool:
    return not line.rstrip(b"\r\n").strip(b" \t")
