"""Tables in: CSV, TSV, JSON Lines and plain text files become lists of raw values by role.

    table = read_table("train.tsv", {"text": "sentence", "label": None}, required_roles=("text", "label"))
    table.columns["text"], table.columns["label"], table.rows

Files are read as a stream, line by line; only the chosen columns are kept. `formats` says which files are read and how
quotes are treated.
"""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence

from bert_keras.data import columns as choosing
from bert_keras.data import formats
from bert_keras.data.columns import Choice
from bert_keras.data.cutting import PART_SIZE, cut_at_lines, cut_at_quoted_rows
from bert_keras.data.jsonl import json_objects
from bert_keras.data.parts import FilePart, Part
from bert_keras.data.records import Table
from bert_keras.data.skipping import RowErrors
from bert_keras.errors import BadInput, nearest, where


def read_table(
    path: str | os.PathLike,
    columns: Mapping[str, Choice],
    header: bool = True,
    quoted: bool | None = None,
    required_roles: Sequence[str] = (),
    aliases: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """Reads the columns that play the given roles.

    Args:
        path: a .csv, .tsv, .jsonl or .txt file, gzipped or not, or a part of one from `table_parts`.
        columns: role -> the column's name, its number from 1, or None for the column named like the role or one of its
            aliases. A role with None that finds no column is left out, unless it is required.
        header: whether the first row of a CSV or TSV file holds the names. Without one, columns are chosen by number;
            only a file of one column needs no choice.
        quoted: whether fields of a CSV or TSV file may stand in double quotes; None = yes for CSV, no for TSV.
        required_roles: roles that must have a column.
        aliases: role -> other names that its column goes by.

    Returns:
        A `Table`: raw values by role (`str`, or JSON values from JSONL) and the line on which each record starts.

    Raises:
        BadInput: anything that is wrong with the file or the choice; the message names file, row and field.
    """
    aliases = dict(aliases or {})
    unknown = [role for role in (*required_roles, *aliases) if role not in columns]
    if unknown:
        raise ValueError(f"Roles {unknown} are required or have aliases but are not in columns {list(columns)}.")
    ending = formats.ending(os.fspath(path))
    if ending in formats.JSON_LINES:
        return _read_objects(path, columns, required_roles, aliases)
    if ending == formats.PLAIN_TEXT:
        rows_of, header = formats.text_rows, False
    else:
        delimiter = formats.DELIMITERS[ending]
        rows_of = functools.partial(
            formats.delimited_rows, delimiter=delimiter, quoted=formats.is_quoted(delimiter, quoted)
        )
    return _read_fields(rows_of, path, columns, header, required_roles, aliases)


def table_parts(path: str | os.PathLike, quoted: bool | None = None, size: int = PART_SIZE) -> Iterator[FilePart]:
    """Yields parts of a table of about `size` bytes, for `read_table`; the other arguments as there."""
    ending = formats.ending(os.fspath(path))
    delimiter = formats.DELIMITERS.get(ending)
    if delimiter and formats.is_quoted(delimiter, quoted):
        return cut_at_quoted_rows(path, delimiter, size)
    return cut_at_lines(path, size)


def read_columns(
    path: str | os.PathLike,
    task_columns: Sequence,
    columns: Mapping[str, Choice] | None = None,
    header: bool = True,
    quoted: bool | None = None,
    require_target: bool = True,
) -> Table:
    """Reads what a task asks for: `read_table` over the task's own description of its columns.

    Args:
        task_columns: objects with `role`, `required`, `aliases` and `is_target`.
        columns: role -> name or number, where the user chose one.
        require_target: False leaves the targets optional (prediction).

    Raises:
        BadInput: as `read_table`; also when `columns` names a role that the task does not have.
    """
    roles = [column.role for column in task_columns]
    for role in columns or {}:
        if role not in roles:
            raise BadInput(
                f"there is no column role {role!r}{nearest(role, roles)}; "
                f"expected one of {', '.join(roles)}: write ROLE=NAME with one of these roles"
            )
    return read_table(
        path,
        {role: (columns or {}).get(role) for role in roles},
        header=header,
        quoted=quoted,
        required_roles=[c.role for c in task_columns if c.required and (require_target or not c.is_target)],
        aliases={c.role: tuple(c.aliases) for c in task_columns},
    )


_NO_HEADER = ", and give header=False (--no-header) if this first row is data"


def _read_fields(rows_of, source, columns, header, required_roles, aliases) -> Table:
    path = os.fspath(source)
    # Whatever part is read, the file's first row is what its columns are told by.
    first_row, first = next(((row, fields) for row, fields in rows_of(path) if fields), (None, None))
    if first is None:
        raise BadInput(f"{path}: the file is empty; expected {'a header and ' if header else ''}at least one row")
    if header:
        positions = choosing.choose(first, columns, aliases, required_roles, path, _NO_HEADER)
        names = [name.strip() for name in first]
    else:
        names = [str(number) for number in range(1, len(first) + 1)]
        positions = _choose_by_number(names, columns, required_roles, path)
    blank = None
    values: dict[str, list] = {role: [] for role in positions}
    numbers: list[int] = []
    for row, fields in rows_of(source):
        if header and row <= first_row:
            continue
        if not fields:
            blank = blank or row
            continue
        # Blank lines part the rows of a wide table; in a table of one column each of them is an empty text, save at
        # the end of the file.
        if blank and len(names) == 1:
            raise BadInput(f"{where(path, blank)}: the line is blank; expected a text: fill it in or delete the line")
        if len(fields) != len(names):
            raise _ragged(path, row, fields, len(names))
        for role, position in positions.items():
            values[role].append(fields[position])
        numbers.append(row)
    if not numbers and not isinstance(source, Part):
        raise BadInput(f"{path}: the file holds a header and no rows; expected at least one row under it")
    return Table(values, numbers, path, {role: names[position] for role, position in positions.items()})


def _choose_by_number(names, columns, required_roles, path) -> dict[str, int]:
    chosen = {role: choice for role, choice in columns.items() if choice is not None}
    for role, choice in chosen.items():
        if not str(choice).strip().isdecimal():
            raise BadInput(
                f"{path}: column {choice!r} for {role!r} is a name, and the file is read without a header; "
                f"expected a number from 1 to {len(names)}"
            )
    if not chosen and len(names) == 1 and len(required_roles) == 1:
        return {required_roles[0]: 0}
    missing = [role for role in required_roles if role not in chosen]
    if missing:
        raise BadInput(
            f"{path}: no column is chosen for {missing[0]!r}, and the file is read without a header; expected a number "
            f"from 1 to {len(names)}: give columns={{{missing[0]!r}: NUMBER}} "
            f"(on the command line --column {missing[0]}=NUMBER)"
        )
    return choosing.choose(names, chosen, {}, (), path)


def _ragged(path: str, row: int, fields: list[str], expected: int) -> BadInput:
    hint = "mend the row"
    if any(field.startswith('"') != field.endswith('"') for field in fields):
        hint += ", or read the file with quoted=True (--quoted) if fields stand in quotes"
    return BadInput(f"{where(path, row)}: {len(fields)} fields; expected {expected} as in the first row: {hint}")


def _read_objects(source, columns, required_roles, aliases) -> Table:
    path = os.fspath(source)
    first_row, first = next(json_objects(path, RowErrors(skip=False)), (None, None))
    if first is None:
        raise BadInput(f"{path}: the file holds no rows; expected at least one JSON object")
    names = list(first)
    positions = choosing.choose(names, columns, aliases, required_roles, path)
    keys = {role: names[position] for role, position in positions.items()}
    # A role that the first object lacks is left out; that it turns up further down must not pass unseen.
    late = {name for role in columns if role not in keys for name in (role, *aliases.get(role, ()))} - set(names)
    values: dict[str, list] = {role: [] for role in keys}
    numbers: list[int] = []
    for row, record in json_objects(source, RowErrors(skip=False)):
        for role, key in keys.items():
            if key not in record:
                raise BadInput(f"{where(path, row, key)}: the field is missing; expected it in every row: add it")
            values[role].append(record[key])
        surprise = late and next((name for name in record if name in late), None)
        if surprise:
            raise BadInput(
                f"{where(path, row, surprise)}: the first row (row {first_row}) has no such field; "
                "expected the same fields in every row: add or remove it"
            )
        numbers.append(row)
    return Table(values, numbers, path, keys)
