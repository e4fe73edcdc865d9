"""The two errors that a user meets; everything else is a defect of ours.

Both are one sentence: what is wrong, where (file, row, field), what was expected, and the way out. The command line
prints that sentence on one line and exits with the number that the class carries.
"""

import difflib
from collections.abc import Iterable


class BadInput(ValueError):
    """Bad usage or bad input: the caller can put it right (exit code 2)."""

    exit_code = 2


class WorkFailed(RuntimeError):
    """The input was fine and the work failed all the same (exit code 1)."""

    exit_code = 1


def where(source, row: int | None = None, field: str | None = None) -> str:
    """The place of a defect in words: `train.csv, row 5, field 'label'`; rows are line numbers from 1."""
    place = str(source)
    if row is not None:
        place += f", row {row}"
    if field is not None:
        place += f", field {field!r}"
    return place


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a mistyped name: ` (did you mean 'label'?)`, or an empty string where nothing is near."""
    by_lowercase = {str(k).lower(): str(k) for k in known}
    match = difflib.get_close_matches(str(name).lower(), list(by_lowercase), n=1)
    return f" (did you mean {by_lowercase[match[0]]!r}?)" if match else ""
