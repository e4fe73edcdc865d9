"""Bytes to numbered lines of text: gzip, byte order marks, and what is no UTF-8 text at all."""

import codecs
import contextlib
import gzip
import io
import math
import os
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from bert_keras.data.parts import FilePart
from bert_keras.errors import BadInput, where

# Opens a path for reading bytes, as a buffered file.
OpenFile = Callable[[str], io.BufferedReader]

_GZIP = b"\x1f\x8b"
_NOT_TEXT = {
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
    b"PK\x03\x04": "a zip or Excel file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
}


def numbered_lines(source: str | os.PathLike, open_file: OpenFile | None = None) -> Iterator[tuple[int, str]]:
    """Yields (line number from 1, line with its line end) of a UTF-8 file, gzipped or not, or of a `FilePart`.

    Lines end at "\\n" only, so that a row number is what an editor shows. A byte order mark is dropped. Whether the
    file is gzipped is told by its first bytes, not by its name. `open_file` is for other file systems than this
    machine's.

    Raises:
        BadInput: the file is missing, a directory, unreadable, a broken gzip, not UTF-8, or holds NUL bytes.
    """
    path = os.fspath(source)
    with opened(source, open_file) as file:
        begin, end, first_row = 0, math.inf, 1
        if isinstance(source, FilePart):
            begin, end, first_row = source.begin, source.end, source.first_row
        for row, raw in enumerate(file, start=first_row):
            if begin >= end:
                return
            size = len(raw)
            if row == 1:
                _check_start(raw, path)
                raw = raw.removeprefix(codecs.BOM_UTF8)
            yield row, _decode(raw, row, begin + size - len(raw), path)
            begin += size


@contextlib.contextmanager
def opened(source: str | os.PathLike, open_file: OpenFile | None = None) -> Iterator[BinaryIO]:
    """The bytes of a file, unzipped, or of a `FilePart` and what is behind it.

    Raises:
        BadInput: the file is missing, a directory, or unreadable; also in the `with` block, for a broken gzip.
    """
    path = os.fspath(source)
    try:
        if isinstance(source, FilePart) and source.data is not None:
            yield io.BytesIO(source.data)
            return
        with open_file(path) if open_file else open(path, "rb") as file:
            if isinstance(source, FilePart):
                file.seek(source.begin)
                yield file
            else:
                yield _unzipped(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path}: the gzip file is cut off or broken ({error}); make it again") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def is_zipped(path: str | os.PathLike) -> bool:
    """Whether a file is gzipped, by its first bytes. Raises `BadInput`."""
    try:
        with open(path, "rb") as file:
            return file.read(2) == _GZIP
    except OSError as error:
        raise _unreadable(os.fspath(path), error) from error


def _unzipped(file: io.BufferedReader) -> BinaryIO:
    if file.peek(2)[:2] == _GZIP:
        return io.BufferedReader(gzip.GzipFile(fileobj=file), buffer_size=1 << 20)
    return file


def _unreadable(path: str, error: OSError) -> BadInput:
    if isinstance(error, FileNotFoundError):
        return BadInput(f"{path}: there is no such file; expected a data file: check the path")
    if isinstance(error, IsADirectoryError):
        return BadInput(f"{path}: this is a directory; expected a data file: name one file in it")
    return BadInput(f"{path}: cannot be read ({error.strerror or error}); expected a readable data file")


def _check_start(raw: bytes, path: str) -> None:
    for start, kind in _NOT_TEXT.items():
        if raw.startswith(start):
            raise BadInput(f"{path}: this is {kind}; expected UTF-8 text: save it as CSV, TSV or JSONL in UTF-8")


def _decode(raw: bytes, row: int, offset: int, path: str) -> str:
    if b"\0" in raw:
        at = offset + raw.index(b"\0")
        raise BadInput(f"{where(path, row)}: a NUL byte at byte {at}; expected UTF-8 text: remove the byte or the row")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{where(path, row)}: not UTF-8 (byte 0x{raw[error.start]:02x} at byte {offset + error.start}); "
            "expected UTF-8 text: convert the file, for example with `iconv -f latin1 -t utf-8`"
        ) from error
