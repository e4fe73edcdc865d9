"""What travels between the readers and the tasks: raw tables, and records of texts and targets."""

import dataclasses
from typing import Any

from bert_keras.errors import BadInput, where


@dataclasses.dataclass(frozen=True)
class Table:
    """The raw values of a file, one list per role, all of one length.

    Attributes:
        columns: role -> raw values: `str` from CSV, TSV and text files, any JSON value from JSONL.
        rows: the line (from 1) on which each record starts.
        source: the file, as the user named it.
        fields: role -> the name (or number) of the file's column, for messages.
    """

    columns: dict[str, list]
    rows: list[int]
    source: str
    fields: dict[str, str] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, role: str) -> bool:
        return role in self.columns

    def place(self, index: int, role: str) -> str:
        """Where the value of `role` in record `index` stands, in words."""
        return where(self.source, self.rows[index], self.fields.get(role, role))

    def texts(self, role: str) -> list[str]:
        """The values of a role as texts.

        Raises:
            BadInput: a value is empty, is no string, or cannot be written as UTF-8.
        """
        values = self.columns[role]
        for index, value in enumerate(values):
            problem = text_problem(value)
            if problem:
                raise BadInput(f"{self.place(index, role)}: {problem}")
        return values


def text_problem(value: Any) -> str | None:
    """What makes a value unfit as a model's text, with the way out; None when it is fine."""
    if value is None:
        return "the text is missing (null); expected text: fill it in or delete the row"
    if not isinstance(value, str):
        return f"{shorten(value)} is {_kind(value)}; expected text: put it in quotes"
    if not value.strip():
        return "the text is empty; expected at least one word: fill it in or delete the row"
    if "\0" in value:
        return "the text holds a NUL character; expected plain text: remove it"
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return "the text holds half a surrogate pair (\\ud800 to \\udfff); expected whole characters: mend it"
    return None


@dataclasses.dataclass(frozen=True)
class Records:
    """Examples as a task reads them.

    Attributes:
        features: role -> one value per record: a text, or what the reader of the file says (a list of tokens).
        targets: one raw target per record, or None where the file has none.
        rows: the line (from 1) on which each record starts in `source`.
        source: the file, as the user named it.
        fields: role -> the name (or number) of the file's column, for messages.
        skipped: what was wrong with each row that was left out, where the reader was told to leave bad rows out.
        of_file: what only the whole file says and who reads a part of it needs to know (see `parts`): plain values.
    """

    features: dict[str, list]
    targets: list | None
    rows: list[int]
    source: str
    fields: dict[str, str] = dataclasses.field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    of_file: dict[str, Any] = dataclasses.field(default_factory=dict, kw_only=True)

    def __post_init__(self):
        lengths = {role: len(values) for role, values in self.features.items()}
        if self.targets is not None:
            lengths["targets"] = len(self.targets)
        if any(length != len(self.rows) for length in lengths.values()):
            raise ValueError(f"Records of {len(self.rows)} rows need as many values for each role, got {lengths}.")

    def __len__(self) -> int:
        return len(self.rows)

    def slice(self, start: int | None = None, stop: int | None = None, step: int | None = None) -> "Records":
        """The records `[start:stop:step]`, with their row numbers."""
        part = slice(start, stop, step)
        return dataclasses.replace(
            self,
            features={role: values[part] for role, values in self.features.items()},
            targets=None if self.targets is None else self.targets[part],
            rows=self.rows[part],
        )

    def pick(self, indices: list[int], skipped: tuple[str, ...]) -> "Records":
        """The records at these places, with what is to be told of the others."""
        return dataclasses.replace(
            self,
            features={role: [values[index] for index in indices] for role, values in self.features.items()},
            targets=None if self.targets is None else [self.targets[index] for index in indices],
            rows=[self.rows[index] for index in indices],
            skipped=skipped,
        )

    def place(self, index: int, role: str) -> str:
        """Where the value of `role` in record `index` stands, in words."""
        return where(self.source, self.rows[index], self.fields.get(role, role))


def shorten(value: Any, limit: int = 40) -> str:
    """A value as Python writes it, cut to fit in a message."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _kind(value) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
