"""Semantic roles in: PropBank annotation over CoNLL-U columns, or one predicate a line as JSON.

A CoNLL-U line has its syntactic columns, then the sense of the word where it is a predicate, then one column of roles
per predicate of the sentence, in their order. Which columns these are is told by the file:

| flag Y or _ | sense     | roles from | found in                            |
|-------------|-----------|------------|-------------------------------------|
| -           | column 11 | column 12  | Universal PropBank English          |
| column 9    | column 10 | column 11  | Universal PropBank Chinese          |
| column 11   | column 12 | column 13  | the same over ten syntactic columns |

A role stands on the head word of its argument (`ARG0`), or on every word as a tag (`B-ARG0`, `I-ARG0`), or around the
argument in brackets (`(ARG0*`, `*`, `*)`). All three become BIO tags; a head word is a span of one word.
"""

import dataclasses
import os
import re
from collections.abc import Iterator
from typing import Any

from bert_keras.data import tags as schemes
from bert_keras.data.cutting import PART_SIZE, cut_at_blank_lines, cut_at_lines
from bert_keras.data.jsonl import check_tokens, field_of, first_object, is_json_lines, json_objects, keys_of
from bert_keras.data.lines import numbered_lines
from bert_keras.data.parts import FilePart, found_in_whole
from bert_keras.data.records import shorten
from bert_keras.data.skipping import RowErrors
from bert_keras.data.tagged import SCHEME, TaggedRecords, as_bio, check_tags
from bert_keras.errors import BadInput, where

ENDINGS = (".conllu", ".conll", ".txt", ".tsv")
ALIASES = {"tokens": ("words",), "predicate": ("predicate_index", "verb"), "tags": ("roles", "labels")}
_NONE = ("", "_")
# What the columns of a whole file are, among what is found in a file.
_LAYOUT, _STYLE = "layout", "style"
_BRACKETS = re.compile(r"(?:\(([^()*\s]+))?\*(\))?|\(([^()*\s]+)\)")


def read_propbank(path: str | os.PathLike, require_target: bool = True, skip_bad_rows: bool = False) -> TaggedRecords:
    """Reads the predicates of a file with the roles of their arguments.

    Comments, ranges of words (1-2) and empty nodes (1.1) are left out. Sentences without a predicate give no record.

    Args:
        path: a .conllu file (also .conll, .tsv, .txt), or .jsonl with {"tokens", "predicate", "tags"}: words, the
            position of the predicate from 0, and a tag per word. Also with .gz, or a part from `propbank_parts`.
        require_target: False (prediction) needs the predicates and does not read the roles.
        skip_bad_rows: whether sentences with a defect are left out and their messages kept in `skipped`.

    Returns:
        `TaggedRecords`, one per predicate: features {"tokens": a list of str, "predicate": an int, its position in
        tokens from 0}, as target a list of BIO tags, one per token. `rows` is the line of the predicate.

    Raises:
        BadInput: a sentence has more or fewer columns of roles than predicates, its rows differ in length, a role does
            not fit the others, or no predicate is there; the message names file and row.
    """
    source, path, errors = path, os.fspath(path), RowErrors(skip_bad_rows)
    of_file = {}
    if is_json_lines(path):
        rows, fields, place = _read_objects(source, require_target, errors)
    elif path.lower().removesuffix(".gz").endswith(ENDINGS):
        rows, fields, place, of_file = _read_columns(source, require_target, errors)
    else:
        raise BadInput(
            f"{path}: the file ending names no known format; expected {', '.join(ENDINGS)} or .jsonl (also with .gz): "
            "rename or convert the file"
        )
    errors.check_rest(source, len(rows), "predicate")
    found = {"of_file": of_file}
    if require_target:
        scheme = found_in_whole(source, SCHEME)
        bio, found = as_bio([r.tags for r in rows], lambda i, word: place(rows[i], word), errors, scheme)
        found["of_file"] |= of_file
        rows = [dataclasses.replace(r, tags=tags) for r, tags in zip(rows, bio) if tags is not None]
        errors.check_rest(source, len(rows), "predicate")
    return TaggedRecords(
        {"tokens": [r.tokens for r in rows], "predicate": [r.predicate for r in rows]},
        [r.tags for r in rows] if require_target else None,
        [r.row for r in rows],
        path,
        fields,
        tuple(errors.skipped),
        **found,
    )


def propbank_parts(path: str | os.PathLike, size: int = PART_SIZE) -> Iterator[FilePart]:
    """Yields parts of a file with predicates, of about `size` bytes, for `read_propbank`. Raises `BadInput`."""
    return (cut_at_lines if is_json_lines(os.fspath(path)) else cut_at_blank_lines)(path, size)


@dataclasses.dataclass(frozen=True)
class _Predicate:
    tokens: list[str]
    predicate: int
    tags: list[str] | None
    row: int
    word_rows: list[int] = dataclasses.field(default_factory=list)
    column: int = 0


# === CoNLL-U ===


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Positions from 0: of the column that marks a predicate, and of the first column of roles."""

    mark: int
    roles: int


@dataclasses.dataclass(frozen=True)
class _Word:
    row: int
    fields: list[str]

    def value(self, position: int) -> str:
        value = self.fields[position] if position < len(self.fields) else ""
        return "" if value in _NONE else value


def _read_columns(source, require_target, errors):
    path, sentences = os.fspath(source), list(_sentences(source))
    layout = found_in_whole(source, _LAYOUT)
    layout = _detect_layout(sentences) if layout is None else _Layout(*layout)
    fields = {"tokens": "2", "predicate": str(layout.mark + 1)}
    of_file, as_tags = {_LAYOUT: [layout.mark, layout.roles]}, None
    if require_target:
        of_file[_STYLE] = found_in_whole(source, _STYLE) or _detect_style(sentences, layout)
        as_tags = _STYLES[of_file[_STYLE]]
    rows = []
    for words in sentences:
        with errors:
            rows.extend(_predicates(words, layout, as_tags, path))
    return rows, fields, lambda record, word: where(path, record.word_rows[word], str(record.column)), of_file


def _sentences(source: str | os.PathLike) -> Iterator[list[_Word]]:
    words = []
    for row, line in numbered_lines(source):
        line = line.rstrip("\r\n")
        if not line.strip(" \t"):
            if words:
                yield words
            words = []
        elif not line.startswith("#"):
            fields = line.split("\t")
            if not re.fullmatch(r"\d+[-.]\d+", fields[0]):
                words.append(_Word(row, fields))
    if words:
        yield words


def _detect_layout(sentences: list[list[_Word]]) -> _Layout:
    for mark, roles in ((10, 12), (8, 10)):
        if {word.value(mark) for words in sentences for word in words} in ({"Y"}, {"Y", ""}):
            return _Layout(mark, roles)
    return _Layout(10, 11)


def _detect_style(sentences: list[list[_Word]], layout: _Layout) -> str:
    """How the roles are written, one of `_STYLES`."""
    values = {value for words in sentences for word in words for value in word.fields[layout.roles :]}
    if any("(" in value for value in values):
        return "brackets"
    if any(value != schemes.OUTSIDE and schemes.is_tag(value) for value in values):
        return "tags"
    return "heads"


def _predicates(words: list[_Word], layout: _Layout, as_tags, path: str) -> list[_Predicate]:
    width = len(words[0].fields)
    for word in words:
        if len(word.fields) != width:
            raise BadInput(
                f"{where(path, word.row)}: {len(word.fields)} columns; expected {width} as in the first row of the "
                "sentence, parted by tabs: mend the row"
            )
        if width < 2 or not word.fields[1].strip(" "):
            raise BadInput(f"{where(path, word.row, '2')}: the word is missing; expected it in column 2: fill it in")
    marked = [index for index, word in enumerate(words) if word.value(layout.mark)]
    if as_tags:
        _check_role_columns(words, layout, len(marked), path)
    tokens = [word.fields[1].strip(" ") for word in words]
    rows = [word.row for word in words]
    out = []
    for number, index in enumerate(marked):
        column = layout.roles + number
        tags = as_tags(words, column, path) if as_tags else None
        out.append(_Predicate(tokens, index, tags, words[index].row, rows, column + 1))
    return out


def _check_role_columns(words: list[_Word], layout: _Layout, predicates: int, path: str) -> None:
    columns = max(0, len(words[0].fields) - layout.roles)
    # A sentence without a predicate may have a column with nothing in it.
    if not predicates and not any(word.value(i) for word in words for i in range(layout.roles, layout.roles + columns)):
        return
    if columns != predicates:
        raise BadInput(
            f"{where(path, words[0].row)}: {columns} columns of roles (from column {layout.roles + 1}) and "
            f"{predicates} predicates (in column {layout.mark + 1}); expected one per predicate: mend the sentence"
        )


def _from_heads(words: list[_Word], column: int, path: str) -> list[str]:
    return [f"B-{role}" if role not in ("", schemes.OUTSIDE) else schemes.OUTSIDE for role in _column(words, column)]


def _from_tags(words: list[_Word], column: int, path: str) -> list[str]:
    return [value or schemes.OUTSIDE for value in _column(words, column)]


def _from_brackets(words: list[_Word], column: int, path: str) -> list[str]:
    tags, role = [], None
    for word, value in zip(words, _column(words, column)):
        match = _BRACKETS.fullmatch(value or "*")
        opened = match and (match[1] or match[3])
        closed = match and (match[2] or match[3])
        if not match or (opened and role) or (closed and not (opened or role)):
            raise BadInput(
                f"{where(path, word.row, str(column + 1))}: {value!r} does not fit; expected brackets that open and "
                "close around one argument after the other, such as '(ARG0*', '*', '*)' or '(V*)': mend the row"
            )
        tags.append(f"B-{opened}" if opened else f"I-{role}" if role else schemes.OUTSIDE)
        role = None if closed else opened or role
    if role:
        raise BadInput(
            f"{where(path, words[-1].row, str(column + 1))}: the bracket of {role!r} is never closed; expected '*)' on "
            "the last word of the argument: mend the sentence"
        )
    return tags


def _column(words: list[_Word], column: int) -> list[str]:
    return [word.value(column).strip(" ") for word in words]


# How roles are written, and what turns a column of them into tags.
_STYLES = {"heads": _from_heads, "tags": _from_tags, "brackets": _from_brackets}


# === JSON Lines ===


def _read_objects(source, require_target, errors):
    path = os.fspath(source)
    _, first = first_object(source, errors.skip, "predicate")
    roles = ("tokens", "predicate", "tags") if require_target else ("tokens", "predicate")
    keys = keys_of(first, roles, ALIASES, path)
    rows = []
    for row, record in json_objects(source, errors):
        with errors:
            tokens = check_tokens(field_of(record, keys["tokens"], path, row), where(path, row, keys["tokens"]))
            place = where(path, row, keys["predicate"])
            predicate = _check_predicate(field_of(record, keys["predicate"], path, row), tokens, place)
            tags = None
            if require_target:
                tags = field_of(record, keys["tags"], path, row)
                tags = check_tags(tags, tokens, where(path, row, keys["tags"]))
            rows.append(_Predicate(tokens, predicate, tags, row))
    return rows, keys, lambda record, word: f"{where(path, record.row, keys['tags'])}, tag {word + 1}"


def _check_predicate(value: Any, tokens: list[str], place: str) -> int:
    if type(value) is not int or not 0 <= value < len(tokens):
        raise BadInput(
            f"{place}: {shorten(value)}; expected the position of the predicate among the tokens, from 0 to "
            f"{len(tokens) - 1}"
        )
    return value
