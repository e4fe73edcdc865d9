"""Options that commands share, and options made from a task's own description."""

from collections.abc import Callable, Iterable

import click

from bert_keras.data.records import text_problem
from bert_keras.errors import BadInput


def data_options() -> list[click.Option]:
    """How a table is read; `reading` turns their values into arguments of a task's `read_records`."""
    return [
        click.Option(
            ["--column", "columns"],
            metavar="ROLE=NAME",
            multiple=True,
            help="Which column plays a role: --column text=review; a number counts from 1. Repeat for more roles.",
        ),
        click.Option(["--no-header"], is_flag=True, help="The first row is data; choose columns by number."),
        click.Option(
            ["--quoted/--unquoted"],
            default=None,
            help="Whether fields may stand in double quotes. Without this: yes in CSV, no in TSV.",
        ),
    ]


def reading(columns: tuple[str, ...], no_header: bool, quoted: bool | None) -> dict:
    """The keyword arguments of a task's `read_records` that the data options stand for.

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
    return {"columns": chosen or None, "header": not no_header, "quoted": quoted}


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
