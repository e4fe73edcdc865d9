"""How the config's data files are read: the same in `prepare`, before anything runs, and in ExampleGen."""

from typing import Any

from bert_keras.data.readers import read_table
from pipelines.config import DataConfig


def reading(data: DataConfig) -> dict[str, Any]:
    """The keyword arguments of a task's `read_file` that the config has chosen; plain values."""
    values = {
        "columns": data.columns or None,
        "header": None if data.header else False,
        "quoted": data.quoted,
        "skip_bad_rows": data.skip_bad_rows or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def extra_columns(path: str, names: list[str], how: dict[str, Any]) -> dict[str, list]:
    """Columns of a table that the task itself does not read: dict of name to a value for each row.

    Args:
        path: the table, or a part of it.
        names: the columns' names.
        how: what `reading` gave.

    Raises:
        BadInput: there is no such column.
    """
    if not names:
        return {}
    options = {name: value for name, value in how.items() if name in ("header", "quoted")}
    return read_table(path, {name: name for name in names}, required_roles=names, **options).columns


def reads_tables(task) -> bool:
    """Whether the task's files are tables, which may have columns that the task does not know."""
    return "header" in task.reading
