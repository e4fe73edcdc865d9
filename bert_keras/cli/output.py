"""Writing: results appear whole or not at all, and a failed run leaves what was there."""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from bert_keras.errors import BadInput
from bert_keras.files import full_disk, naming_full_disk, replaced_directory

# The file by which an earlier output of ours is known: only such a directory is replaced.
MARK = "train_args.json"


@contextlib.contextmanager
def new_directory(path: str | os.PathLike, replace_ours: bool = True) -> Iterator[Path]:
    """Gives a temporary directory beside `path` that takes its place when the block ends well.

    Raises:
        BadInput: at once, when `path` cannot be written or holds what must not be replaced.
        WorkFailed: the disk became full; what was there is as it was.
    """
    if not os.fspath(path):
        raise BadInput("the name of the directory to write is empty; expected one: is a variable of the shell not set?")
    # A link stays a link: what it points to is replaced.
    target = Path(os.path.realpath(path))
    _check_replaceable(path, target, replace_ours)
    with naming_full_disk(path), replaced_directory(target) as temporary:
        yield Path(temporary)


def make_directory(path: str | os.PathLike) -> None:
    """Makes a directory to be filled bit by bit. Raises `BadInput` where it cannot be made."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise _not_writable(path, error) from error


def move_up(directory: Path) -> None:
    """Moves what a directory holds into its parent and removes it: for writers that want to make their directory."""
    for path in directory.iterdir():
        path.rename(directory.parent / path.name)
    directory.rmdir()


@contextlib.contextmanager
def new_file(path: str | os.PathLike | None) -> Iterator[TextIO]:
    """Gives a text file that takes the place of `path` when the block ends well; stdout for None and "-".

    Raises:
        BadInput: at once, when `path` cannot be written.
        WorkFailed: the disk became full; what was there is as it was.
    """
    if path in (None, "-"):
        yield sys.stdout
        return
    with naming_full_disk(path), _new_file(path) as file:
        yield file


@contextlib.contextmanager
def _new_file(path: str | os.PathLike) -> Iterator[TextIO]:
    target = os.path.realpath(path)
    if os.path.isdir(target):
        raise BadInput(f"{path}: this is a directory; expected a file to write: name a file in it")
    # A pipe or a device is written as it is: there is nothing to put in its place.
    special = os.path.exists(target) and not os.path.isfile(target)
    temporary = target
    try:
        if special:
            file = open(target, "w", encoding="utf-8")
        else:
            handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=os.path.dirname(target))
            file = open(handle, "w", encoding="utf-8")
    except OSError as error:
        if full_disk(error):
            raise
        raise _not_writable(path, error) from error
    try:
        with file:
            yield file
        if not special:
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
    finally:
        if not special:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


def write_json(file: TextIO, content: Mapping[str, Any]) -> None:
    """Writes one JSON document, readable for people."""
    file.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def print_metrics(metrics: Mapping[str, float], title: str) -> None:
    """The closing table, on stdout."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(title, markup=False, highlight=False, soft_wrap=True)
    table = Table()
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4f}")
    console.print(table)


def print_metrics_of_tasks(metrics: Mapping[str, Mapping[str, float]]) -> None:
    """The closing table of several tasks, on stdout: dict of task to dict of metric to value."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("task")
    table.add_column("metric")
    table.add_column("value", justify="right")
    for task, of_task in metrics.items():
        for number, (name, value) in enumerate(of_task.items()):
            table.add_row("" if number else task, name, f"{value:.4f}", end_section=number == len(of_task) - 1)
    Console().print(table)


def _check_replaceable(path, target: Path, replace_ours: bool) -> None:
    try:
        if not os.path.lexists(target):
            return
        if not target.is_dir():
            raise BadInput(f"{path}: this is a file; expected a directory to write: choose another name")
        names = sorted(os.listdir(target))
    except OSError as error:
        raise _not_writable(path, error) from error
    if names and not (replace_ours and MARK in names):
        shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        raise BadInput(
            f"{path}: the directory holds {shown} and is no earlier output of this command; expected a new or empty "
            "directory: choose another name or empty it"
        )


def _not_writable(path, error: OSError) -> BadInput:
    return BadInput(f"{path}: cannot be written ({error.strerror or error}); expected a place where files can be made")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
