"""Labels as files hold them (names, numbers, lists) to labels as models hold them (ids, many-hot rows, values)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_keras.data.records import Records
from bert_keras.errors import BadInput, nearest, where

PROBLEMS = ("binary", "multiclass", "multilabel", "regression")
_ROLE = "label"
_LARGEST = float(np.finfo("float32").max)


def describe_labels(records: Records, problem: str | None = None, separator: str | None = None) -> dict[str, Any]:
    """What the training labels fix about a model: the problem and the label names, in a stable order.

    Without a given `problem`: lists (or a `separator`) mean multilabel, a number with a fraction means regression, two
    different labels mean binary, more mean multiclass. Names are sorted, by value where all of them are numbers.

    Returns:
        {"problem": str, "labels": list of names}; the list is empty for regression.

    Raises:
        BadInput: a label is missing or NaN, all rows have the same, or they do not fit the problem.
    """
    if problem is not None and problem not in PROBLEMS:
        raise BadInput(f"there is no problem {problem!r}{nearest(problem, PROBLEMS)}; expected {', '.join(PROBLEMS)}")
    values = _present(records, blank_is_fine=problem == "multilabel" or separator is not None)
    problem = problem or _infer(values, separator)
    if problem == "regression":
        numbers = regression_values(records)
        if numbers.min() == numbers.max():
            raise _one_class(records, f"{numbers[0]:g}", "value")
        return {"problem": problem, "labels": []}
    if problem == "multilabel":
        rows = label_sets(records, separator)
        if len(set(rows)) < 2:
            raise _one_class(records, ", ".join(sorted(rows[0])) or "none", "set of labels")
        return {"problem": problem, "labels": _in_order({name for row in rows for name in row})}
    names = [_one_name(records, index, value) for index, value in enumerate(values)]
    labels = _in_order(set(names))
    if len(labels) < 2:
        raise _one_class(records, labels[0], "label")
    if problem == "binary" and len(labels) > 2:
        raise BadInput(
            f"{_column(records)}: {len(labels)} different labels ({_listed(labels)}); expected 2 for "
            "problem=binary: use problem=multiclass or mend the labels"
        )
    if len(labels) > max(100, len(records) // 2):
        raise BadInput(
            f"{_column(records)}: {len(labels)} different labels in {len(records)} rows; expected few names "
            "that repeat: choose another column, or problem=regression for numbers"
        )
    return {"problem": problem, "labels": labels}


def class_ids(records: Records, labels: Sequence[str]) -> np.ndarray:
    """The targets as positions in `labels`, int32 [n].

    Raises:
        BadInput: a label is missing, or not one of `labels`.
    """
    ids = {name: index for index, name in enumerate(labels)}
    values = _present(records)
    out = np.empty(len(values), "int32")
    for index, value in enumerate(values):
        out[index] = _id(records, index, _one_name(records, index, value), ids)
    return out


def many_hot(records: Records, labels: Sequence[str], separator: str | None = None) -> np.ndarray:
    """The targets as float32 [n, len(labels)] of zeros and ones.

    Raises:
        BadInput: a label is not one of `labels`.
    """
    ids = {name: index for index, name in enumerate(labels)}
    out = np.zeros((len(records), len(labels)), "float32")
    for index, names in enumerate(label_sets(records, separator)):
        for name in sorted(names):
            out[index, _id(records, index, name, ids)] = 1
    return out


def regression_values(records: Records) -> np.ndarray:
    """The targets as float32 [n].

    Raises:
        BadInput: a target is missing, NaN, infinite or no number.
    """
    values = _present(records)
    out = np.empty(len(values), "float32")
    for index, value in enumerate(values):
        number = _number(value)
        # float32 is what the model sees: a number beyond its range is infinite to it.
        if number is None or not math.isfinite(number) or abs(number) > _LARGEST:
            raise BadInput(f"{records.place(index, _ROLE)}: {_quoted(value)}; expected a finite number for regression")
        out[index] = number
    return out


def label_sets(records: Records, separator: str | None = None) -> list[frozenset[str]]:
    """The label names of each row: a JSON list, or one text cut at `separator`; nothing in it means no label."""
    out = []
    for index, value in enumerate(_present(records, blank_is_fine=True)):
        if isinstance(value, str):
            parts = value.split(separator) if separator else [value]
            names = [part.strip() for part in parts if part.strip()]
        else:
            items = value if isinstance(value, list) else [value]
            names = [_one_name(records, index, item) for item in items]
        out.append(frozenset(names))
    return out


def label_name(value: Any) -> str | None:
    """The name of a label: 1, 1.0 and "1" are all "1", True is "true"; None where it is missing or no single label."""
    if isinstance(value, str):
        name = value.strip()
        return None if name.casefold() in ("", "nan") else name
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and math.isfinite(value):
        return str(int(value)) if float(value).is_integer() else str(float(value))
    return None


def _present(records: Records, blank_is_fine: bool = False) -> list:
    if records.targets is None:
        raise BadInput(
            f"{records.source}: there is no column of labels; expected one: choose it with columns={{'label': NAME}} "
            "(on the command line --column label=NAME)"
        )
    if not len(records):
        raise BadInput(f"{records.source}: there are no rows; expected at least one")
    for index, value in enumerate(records.targets):
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        if isinstance(value, str):
            text = value.strip().casefold()
            missing = text == "nan" or (not text and not blank_is_fine)
        if missing:
            shown = "empty" if isinstance(value, str) and not value.strip() else _quoted(value)
            raise BadInput(
                f"{records.place(index, _ROLE)}: the label is {shown}; expected a label: fill it in or delete the row"
            )
    return records.targets


def _infer(values: list, separator: str | None) -> str:
    if separator or any(isinstance(value, list) for value in values):
        return "multilabel"
    numbers = [_number(value) for value in values]
    if all(number is not None for number in numbers):
        if any(not float(number).is_integer() for number in numbers):
            return "regression"
    return "binary" if len({label_name(value) for value in values}) <= 2 else "multiclass"


def _one_name(records: Records, index: int, value: Any) -> str:
    name = label_name(value)
    if name is None:
        raise BadInput(f"{records.place(index, _ROLE)}: {_quoted(value)}; expected one label, a name or a number")
    return name


def _id(records: Records, index: int, name: str, ids: dict[str, int]) -> int:
    if name not in ids:
        raise BadInput(
            f"{records.place(index, _ROLE)}: the label {name!r} is not one of the model's{nearest(name, ids)}; "
            f"expected one of {_listed(list(ids))}: mend the row, or train with this label"
        )
    return ids[name]


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _in_order(names: set[str]) -> list[str]:
    numbers = {name: _number(name) for name in names}
    if all(number is not None for number in numbers.values()):
        return sorted(names, key=lambda name: (numbers[name], name))
    return sorted(names)


def _one_class(records: Records, name: str, what: str) -> BadInput:
    return BadInput(
        f"{_column(records)}: all {len(records)} rows have the same {what} ({name}); expected at "
        "least two different ones to learn from: add rows of another"
    )


def _column(records: Records) -> str:
    return where(records.source, field=records.fields.get(_ROLE, _ROLE))


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _listed(names: Sequence[str], limit: int = 10) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
