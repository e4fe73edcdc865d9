"""Options that commands share, and options made from a task's own description."""

from collections.abc import Callable, Iterable

import click

from bert_keras.data.records import text_problem
from bert_keras.errors import BadInput


def data_options(known: Iterable[str] = ("columns", "header", "quoted", "skip_bad_rows")) -> list[click.Option]:
    """How a file is read; `reading` turns their values into arguments of a task's `read_file`.

    Args:
        known: what the files of a task know, as `Task.reading` names it; everything where the task is not known yet.
    """
    made = {
        "columns": click.Option(
            ["--column", "columns"],
            metavar="ROLE=NAME",
            multiple=True,
            help="Which column plays a role: --column text=review; a number counts from 1. Repeat for more roles.",
        ),
        "header": click.Option(["--no-header"], is_flag=True, help="The first row is data; choose columns by number."),
        "quoted": click.Option(
            ["--quoted/--unquoted"],
            default=None,
            help="Whether fields may stand in double quotes. Without this: yes in CSV, no in TSV.",
        ),
        "skip_bad_rows": click.Option(
            ["--skip-bad-rows"], is_flag=True, help="Leave bad rows out and say how many, instead of stopping."
        ),
    }
    return [option for name, option in made.items() if name in known]


def reading(
    columns: tuple[str, ...] = (), no_header: bool = False, quoted: bool | None = None, skip_bad_rows: bool = False
) -> dict:
    """The keyword arguments of a task's `read_file` that the data options stand for: those that the user chose.

    Raises:
        BadInput: a --column is not ROLE=NAME, or names a role twice.
    """
    chosen: dict[str, str] = {}
    for item in columns:
        role, equals, name = item.partition("=")
        role = role.strip()
        if not (role and equals and name):
            raise BadInput(f"--column {item}: expected ROLE=NAME, for example --column text=review")
        if role in chosen:
            raise BadInput(f"--column {item}: the role {role!r} is given twice; expected one column for each role")
        chosen[role] = name
    values = {
        "columns": chosen or None,
        "header": False if no_header else None,
        "quoted": quoted,
        "skip_bad_rows": skip_bad_rows or None,
    }
    return {name: value for name, value in values.items() if value is not None}


task_option = click.option(
    "--task", "task_name", metavar="NAME", help="Which task, where DIR holds several that were trained together."
)

READING_VALUES = ("columns", "no_header", "quoted", "skip_bad_rows")


def echo_skipped(records, most: int = 3) -> None:
    """Says on stderr how many rows were left out, and why the first ones were."""
    if not records.skipped:
        return
    click.echo(f"{records.source}: {len(records.skipped)} rows left out", err=True)
    for reason in records.skipped[:most]:
        click.echo(f"  {reason}", err=True)
    if len(records.skipped) > most:
        click.echo(f"  and {len(records.skipped) - most} more", err=True)


def task_options(described: Iterable) -> list[click.Option]:
    """A click option for each of a task's own options.

    Args:
        described: objects with `name`, `type`, `default`, `choices` and `help`, as `Task.options` holds them.
    """
    return [_task_option(option) for option in described]


def with_options(made: Iterable[click.Option]) -> Callable:
    """Gives a command options that were made beforehand, in their order, after its own."""

    def add(command: click.Command) -> click.Command:
        command.params.extend(made)
        return command

    return add


def check_texts(texts: tuple[str, ...], pairs: tuple[str, ...]) -> None:
    """Texts from the command line, as strict as those from a file.

    Raises:
        BadInput: a text is empty, or there are not as many second texts as first ones.
    """
    if pairs and len(pairs) != len(texts):
        raise BadInput(f"there are {len(texts)} texts and {len(pairs)} --pair; expected one --pair for each text")
    for what, values in (("text", texts), ("--pair", pairs)):
        for number, value in enumerate(values, start=1):
            problem = text_problem(value)
            if problem:
                raise BadInput(f"{what} {number}: {problem}")


def _task_option(option) -> click.Option:
    flag = "--" + option.name.replace("_", "-")
    if option.type is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}", option.name], default=option.default, help=option.help)
    kind = click.Choice([str(choice) for choice in option.choices]) if option.choices else option.type
    shown = option.default is not None
    return click.Option([flag, option.name], type=kind, default=option.default, help=option.help, show_default=shown)
