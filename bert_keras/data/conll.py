"""CoNLL columns: one token a line with its tag in another column, a blank line after each sentence."""

import dataclasses
import os
import re

from bert_keras.data.lines import numbered_lines
from bert_keras.data.skipping import RowErrors
from bert_keras.errors import BadInput, where

_DOCUMENT = "-DOCSTART-"
# str.split() would also cut at U+00A0 and U+3000, which are tokens in web and Chinese text.
_BLANKS = " \t\r\n"
_BLANK_RUN = re.compile("[ \t]+")


@dataclasses.dataclass(frozen=True)
class Sentence:
    """One sentence of a CoNLL file.

    Attributes:
        tokens: list of str.
        tags: list of str, as many; None where no tags were read.
        row: the line (from 1) of the first token; token i stands on line row + i.
    """

    tokens: list[str]
    tags: list[str] | None
    row: int


@dataclasses.dataclass(frozen=True)
class ConllFile:
    """What a CoNLL file holds.

    Attributes:
        sentences: list of `Sentence`.
        token_field: the number of the column of tokens, from 1.
        tag_field: the number of the column of tags, from 1; None where no tags were read.
        skipped: what was wrong with each sentence that was left out.
    """

    sentences: list[Sentence]
    token_field: str
    tag_field: str | None
    skipped: tuple[str, ...]


def read_conll(
    path: str | os.PathLike,
    token_column: int = 1,
    tag_column: int | None = -1,
    separator: str | None = None,
    skip_bad_rows: bool = False,
) -> ConllFile:
    """Reads tokens and tags.

    Blank lines part sentences. `-DOCSTART-` lines part them too and are left out. Lines that start with `#` are tokens.

    Args:
        path: the file, gzipped or not, or a part of it from `cut_at_blank_lines`.
        token_column: number from 1, or from -1 at the end.
        tag_column: as `token_column`; None reads no tags.
        separator: what stands between columns; None = a tab in lines that hold one, else any run of blanks. Odd blanks
            such as U+00A0 and U+3000 never part columns.
        skip_bad_rows: whether a sentence with a bad row is left out and its message kept, instead of raised.

    Raises:
        BadInput: the file cannot be read, has no such column or no sentence; a row has more or fewer columns than the
            first, or no token.
    """
    if separator == "":
        raise BadInput("separator '' parts nothing; expected a tab, a blank or another text: leave it out for both")
    source, path = path, os.fspath(path)
    errors = RowErrors(skip_bad_rows)
    sentences = []
    # Whatever part is read, the file's first row says how many columns there are.
    _, head = next(_blocks(path), (None, None))
    if head is None:
        errors.check_rest(path, 0, "sentence")
    columns = _Columns.of(len(_split(head[0], separator)), token_column, tag_column, path)
    for row, lines in _blocks(source):
        with errors:
            sentences.append(columns.sentence([_split(line, separator) for line in lines], row, path))
    errors.check_rest(source, len(sentences), "sentence")
    tag_field = None if columns.tag is None else str(columns.tag + 1)
    return ConllFile(sentences, str(columns.token + 1), tag_field, tuple(errors.skipped))


@dataclasses.dataclass(frozen=True)
class _Columns:
    width: int
    token: int
    tag: int | None

    @classmethod
    def of(cls, width, token_column, tag_column, path):
        token = _position(token_column, width, "tokens", path)
        tag = None if tag_column is None else _position(tag_column, width, "tags", path)
        if tag == token:
            raise BadInput(
                f"{path}: tokens and tags are both in column {token + 1} of {width}; expected a column of its own for "
                "each, parted by a tab or blanks: add the tags or choose other columns"
            )
        return cls(width, token, tag)

    def sentence(self, split, row, path):
        for number, fields in enumerate(split, start=row):
            if len(fields) != self.width:
                raise BadInput(
                    f"{where(path, number)}: {len(fields)} columns; expected {self.width} as in the first row: mend "
                    "the row"
                )
            if not fields[self.token].strip(_BLANKS):
                raise BadInput(
                    f"{where(path, number, str(self.token + 1))}: the token is missing; expected a word: fill it in, "
                    "or leave the whole line blank to end a sentence"
                )
        tags = None if self.tag is None else [fields[self.tag].strip(_BLANKS) for fields in split]
        return Sentence([fields[self.token].strip(_BLANKS) for fields in split], tags, row)


def _blocks(path):
    """Yields (row of the first line, lines) of each sentence."""
    lines = []
    for row, line in numbered_lines(path):
        line = line.rstrip("\r\n")
        if line.startswith(_DOCUMENT) or not line.strip(_BLANKS):
            if lines:
                yield row - len(lines), lines
            lines = []
        else:
            lines.append(line)
    if lines:
        yield row - len(lines) + 1, lines


def _split(line: str, separator: str | None) -> list[str]:
    if separator is not None:
        return line.split(separator)
    if "\t" in line:
        return line.split("\t")
    return _BLANK_RUN.split(line.strip(" "))


def _position(column: int, width: int, role: str, path: str) -> int:
    position = column - 1 if column > 0 else width + column
    if column == 0 or not 0 <= position < width:
        raise BadInput(
            f"{path}: there is no column {column} for {role!r}; expected a number from 1 to {width}, or from -1 to "
            f"{-width} counted from the end"
        )
    return position
