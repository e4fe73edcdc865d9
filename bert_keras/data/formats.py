"""File formats: each turns a file into (row, record) pairs and knows what its columns are called.

| ending (also with .gz)   | record                                   | quotes                        |
|--------------------------|------------------------------------------|-------------------------------|
| .csv                     | comma separated fields                   | quoted, unless `quoted=False` |
| .tsv .tab                | tab separated fields                     | plain text, unless `quoted`   |
| .jsonl .ndjson           | one JSON object a line                   | -                             |
| .txt                     | one text a line, no header, one column   | plain text                    |

TSV is unquoted by default because the published data sets are: a `"` in them is text, and a reader that guesses
swallows rows at the first odd one.
"""

import csv
import os
import sys
from collections.abc import Iterator

from bert_keras.data.jsonl import ENDINGS as JSON_LINES
from bert_keras.data.lines import numbered_lines
from bert_keras.data.parts import FilePart
from bert_keras.errors import BadInput, where

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
PLAIN_TEXT = ".txt"


def ending(path: str) -> str:
    """The file ending that names the format, lower case, `.gz` left out.

    Raises:
        BadInput: the ending names no format that is read here.
    """
    name = str(path).lower().removesuffix(".gz")
    for known in (*DELIMITERS, *JSON_LINES, PLAIN_TEXT):
        if name.endswith(known):
            return known
    raise BadInput(
        f"{path}: the file ending names no known format; expected .csv, .tsv, .jsonl or .txt (also with .gz): rename "
        "or convert the file"
    )


def is_quoted(delimiter: str, chosen: bool | None) -> bool:
    """Whether fields may stand in quotes: as the user chose, else in CSV and not in TSV."""
    return delimiter == "," if chosen is None else chosen


def delimited_rows(path: str, delimiter: str, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """Yields (row, fields) of a file or a part of one; `row` is the line on which the record starts.

    Blank lines come as no fields.
    """
    return _quoted_rows(path, delimiter) if quoted else _plain_rows(path, delimiter)


def _plain_rows(path: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    for row, line in numbered_lines(path):
        line = line.removesuffix("\n").removesuffix("\r")
        yield row, line.split(delimiter) if line else []


def _quoted_rows(path: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    lift_field_limit()
    lines = (line for _, line in numbered_lines(path))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    first_row = path.first_row if isinstance(path, FilePart) else 1
    while True:
        row = first_row + reader.line_num
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInput(f"{where(os.fspath(path), row)}: {_csv_problem(str(error))}") from error
        yield row, fields


def lift_field_limit() -> None:
    """Lets `csv` read fields of any length: the interpreter's limit is 128 KiB, and a text may be longer."""
    csv.field_size_limit(max(csv.field_size_limit(), min(sys.maxsize, 2**31 - 1)))


def _csv_problem(message: str) -> str:
    if "new-line" in message:
        return "a bare carriage return outside quotes; expected lines that end in \\n: convert the line ends"
    if "unexpected end" in message:
        return (
            "a quoted field starts in this row and never ends; expected a closing quote: "
            "add it, or read the file with quoted=False (--unquoted) if quotes are text"
        )
    return (
        f"the quotes do not fit ({message}); expected quoted fields with inner quotes doubled: "
        "mend the row, or read the file with quoted=False (--unquoted) if quotes are text"
    )


def text_rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yields (row, [text]) of a plain text file, a blank line as no fields."""
    for row, line in numbered_lines(path):
        line = line.removesuffix("\n").removesuffix("\r")
        yield row, [line] if line else []
