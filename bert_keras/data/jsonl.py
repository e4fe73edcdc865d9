"""JSON in: one object a line with bad lines raised or left out, and the checks of values that several readers share."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bert_keras.data import columns as choosing
from bert_keras.data.lines import OpenFile, numbered_lines
from bert_keras.data.records import shorten, text_problem
from bert_keras.data.skipping import RowErrors
from bert_keras.errors import BadInput, where

ENDINGS = (".jsonl", ".ndjson")


def is_json_lines(path: str) -> bool:
    """Whether the file ending says JSON Lines, `.gz` left out."""
    return str(path).lower().removesuffix(".gz").endswith(ENDINGS)


def json_objects(
    source: str | os.PathLike, errors: RowErrors, open_file: OpenFile | None = None
) -> Iterator[tuple[int, dict]]:
    """Yields (row, object) of a JSON Lines file or a part of one; blank lines are left out, and bad ones as `errors`
    says.
    """
    path = os.fspath(source)
    for row, line in numbered_lines(source, open_file):
        if not line.strip():
            continue
        record = None
        with errors:
            record = _object(line, path, row)
        if record is not None:
            yield row, record


def first_object(source: str | os.PathLike, skip_bad_rows: bool, what: str) -> tuple[int, dict]:
    """(row, object) of the file's first object, whatever part of it is read: it says what the keys are.

    Raises:
        BadInput: there is none; or it is bad, and bad rows are not left out.
    """
    errors, path = RowErrors(skip_bad_rows), os.fspath(source)
    first = next(json_objects(path, errors), None)
    if first is None:
        errors.check_rest(path, 0, what)
    return first


def field_of(record: dict, key: str, path: str, row: int) -> Any:
    """The value under a key.

    Raises:
        BadInput: the object has no such key.
    """
    if key not in record:
        raise BadInput(f"{where(path, row, key)}: the field is missing; expected it in every row: add it")
    return record[key]


def keys_of(record: dict, roles: Sequence[str], aliases: Mapping[str, Sequence[str]], path: str) -> dict[str, str]:
    """Which key of the objects plays each role, by its name or one of its aliases.

    Raises:
        BadInput: there is no key for a role.
    """
    names = list(record)
    positions = choosing.choose(names, dict.fromkeys(roles), aliases, (), path)
    for role in roles:
        if role not in positions:
            looked_for = ", ".join((role, *aliases.get(role, ())))
            raise BadInput(
                f"{path}: no field for {role!r} (looked for {looked_for}); the first object has "
                f"{', '.join(map(repr, names))}: name it so, or add it"
            )
    return {role: names[position] for role, position in positions.items()}


def first_key(record: dict, names: Sequence[str]) -> str | None:
    """The first of these names that the object has as a key; None where it has none of them."""
    return next((name for name in names if name in record), None)


def check_tokens(tokens: Any, place: str) -> list[str]:
    """The value, if it is a list of at least one word.

    A token may be an odd blank, such as a no-break space: Chinese and web corpora hold them.

    Raises:
        BadInput: it is no list, it is empty, or one of its tokens is no text.
    """
    if not isinstance(tokens, list):
        raise BadInput(f'{place}: {shorten(tokens)} is no list; expected a list of words, such as ["a", "word"]')
    if not tokens:
        raise BadInput(f"{place}: the sentence is empty; expected at least one token: fill it in or delete the row")
    for number, token in enumerate(tokens, start=1):
        if isinstance(token, str) and token.strip(" \t\r\n") and not token.strip():
            continue
        problem = text_problem(token)
        if problem:
            raise BadInput(f"{place}, token {number}: {problem}")
    return tokens


def _object(line: str, path: str, row: int) -> dict:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", None) or str(error)
        column = f" at character {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadInput(f"{where(path, row)}: no JSON ({reason}{column}); expected one JSON object a line") from error
    if not isinstance(record, dict):
        raise BadInput(f"{where(path, row)}: {shorten(record)} is no JSON object; expected one JSON object a line")
    return record
