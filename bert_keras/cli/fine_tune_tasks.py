"""`bert-keras fine-tune --tasks A.yaml B.yaml`: several tables in, one encoder with several heads out."""

import dataclasses
import os
import re
import time
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import Field

from bert_keras.cli import contract, options, output
from bert_keras.cli.keep_best import check_keep_best, keeping_best_of_tasks, report_of
from bert_keras.cli.progress import working
from bert_keras.cli.training import TrainingSettings, in_words, rows_in_words, say_start, training_options, write_run
from bert_keras.errors import BadInput, where
from bert_keras.yaml_config import Section, load_section

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class TaskFile(Section):
    """One task of several, as its YAML file says it; relative paths start at the file's folder."""

    task: str
    """A task that `bert-keras fine-tune --help` lists, such as `classification`"""
    train: Path
    """The file to learn from"""
    eval: Path | None = None
    """The file to measure the result on"""
    name: Annotated[str, Field(pattern=_NAME)] | None = None
    """The task's name, by default that of the YAML file; letters, digits, `.`, `_`, `-`"""
    options: dict[str, Any] = {}
    """The task's own options, such as `crf: true`"""
    columns: dict[str, str | int] = {}
    """Role -> the name, or the number from 1, of its column"""
    header: bool = True
    """Whether the first row of a table holds the names of the columns"""
    quoted: bool | None = None
    """Whether fields of a table may stand in double quotes"""
    skip_bad_rows: bool = False
    """Whether bad rows are left out instead of stopping the run"""
    max_length: Annotated[int, Field(ge=5)] | None = None
    """Tokens that are read at a time"""
    loss_weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """How much the gradient of the task's loss counts"""

    @property
    def reading(self) -> dict:
        """The keyword arguments of the task's `read_file` that the file has chosen."""
        values = {
            "columns": {role: str(column) for role, column in self.columns.items()} or None,
            "header": None if self.header else False,
            "quoted": self.quoted,
            "skip_bad_rows": self.skip_bad_rows or None,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Material:
    """A task's file, class and records; `targets` is what `describe_targets` gave."""

    file: TaskFile
    task_class: type
    train: Any
    held_out: Any
    targets: dict


class _Command(contract.Command):
    """Takes several values after one --tasks, as a shell's `*.yaml` gives them."""

    def parse_args(self, context, args):
        spread, taking = [], False
        for arg in args:
            if arg.startswith("-"):
                taking = arg == "--tasks"
            if arg != "--tasks":
                spread += ["--tasks", arg] if taking else [arg]
        return super().parse_args(context, spread)


def command(name: str) -> click.Command:
    """The command, under a name."""

    def callback(tasks, alpha, **values):
        settings = TrainingSettings.taken_from(values)
        files = _task_files(tasks)
        with output.new_directory(settings.out) as directory:
            report = _fine_tune(files, settings, alpha, directory)
        rows = {name: of_task["eval"] for name, of_task in report["tasks"].items() if "eval" in of_task}
        if rows:
            output.print_metrics_of_tasks(rows)
        click.echo(f"written: {settings.out}")

    made = [
        click.Option(["--tasks"], required=True, multiple=True, metavar="YAML…", help="A file for each task."),
        *training_options(),
        click.Option(
            ["--alpha"],
            type=click.FloatRange(0),
            default=1.0,
            show_default=True,
            help="Tasks are drawn by their rows to the power of this: 1 by size, 0 all alike.",
        ),
    ]
    keys = "\n\n".join(
        f"{name}: {field.description}{'' if field.is_required() else ' (optional)'}"
        for name, field in TaskFile.model_fields.items()
    )
    text = f"Fine-tune one encoder on several tasks at once, each described by a YAML file with the keys\n\n{keys}"
    return _Command(name, callback=callback, params=made, help=text)


def _task_files(paths: tuple[str, ...]) -> dict[str, tuple[str, TaskFile]]:
    """By task name: the YAML file's path and what it says, with its own paths made whole."""
    found = {}
    for path in paths:
        file = load_section(path, TaskFile)
        name = file.name or Path(path).stem
        if not re.match(_NAME, name):
            raise BadInput(
                f"{path}: a task cannot be called {name!r} as the file is; give it another by the key `name`"
            )
        if name in found:
            raise BadInput(
                f"{where(path, field='name')}: {found[name][0]} is called {name!r} too; expected different names"
            )
        folder = Path(path).absolute().parent
        whole = {}
        for key in ("train", "eval"):
            if (value := getattr(file, key)) is not None:
                whole[key] = Path(os.path.normpath(folder / value.expanduser()))
                if not whole[key].exists():
                    raise BadInput(f"{where(path, field=key)}: {whole[key]} does not exist; expected a file")
        found[name] = (path, file.model_copy(update=whole))
    return found


def _material(path: str, file: TaskFile) -> Material:
    from bert_keras.tasks import get_task
    from bert_keras.tasks.description import check_options

    try:
        task_class = get_task(file.task)
    except BadInput as error:
        raise BadInput(f"{where(path, field='task')}: {error}") from error
    check_options(task_class.options, file.options, lambda name: where(path, field=f"options.{name}"))
    unknown = [key for key in file.reading if key not in task_class.reading]
    if unknown:
        raise BadInput(
            f"{where(path, field=unknown[0])}: it has no meaning for the files of {file.task}, which know "
            f"{', '.join(task_class.reading)}; leave it out"
        )
    train = task_class.training_records(task_class.read_file(str(file.train), **file.reading))
    options.echo_skipped(train)
    held_out = task_class.read_file(str(file.eval), **file.reading) if file.eval else None
    return Material(file, task_class, train, held_out, task_class.describe_targets(train, **file.options))


def _fine_tune(files: dict, settings: TrainingSettings, alpha: float, directory: Path) -> dict:
    from bert_keras.cli.training_progress import TrainingProgress, tensorboard
    from bert_keras.tasks.multi_task import MultiTask

    without_rows = [path for path, file in files.values() if file.eval is None]
    check_keep_best(settings, f"the key `eval` of {without_rows[0]}" if without_rows else None)
    found = {name: _material(path, file) for name, (path, file) in files.items()}
    for name, one in found.items():
        click.echo(f"{name} ({one.file.task}): {rows_in_words(one.train)}; {in_words(one.targets)}", err=True)
    say_start(settings)
    model = MultiTask.from_preset(**settings.of_preset, tasks={name: _settings_of(one) for name, one in found.items()})
    model.compile(**settings.of_compile)
    data = {name: model[name].encode_records(one.train) for name, one in found.items()}
    # A target that the model does not know must come to light before the training, not after it.
    held_out = {name: one.held_out for name, one in found.items() if one.held_out}
    validation = {}
    for name, records in held_out.items():
        validated = model[name].validation_records(records)
        options.echo_skipped(validated)
        validation[name] = model[name].encode_records(validated)[:2]

    start = time.monotonic()
    with TrainingProgress() as progress:
        best = None
        if settings.keep_best:
            targets = {name: one.targets for name, one in found.items()}
            best = keeping_best_of_tasks(model, targets, held_out, settings, progress.say)
        history = model.fit(
            data,
            validation_data=validation,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            alpha=alpha,
            seed=settings.seed,
            callbacks=[progress, tensorboard(directory / "logs"), *([best] if best else [])],
            verbose=0,
        )
    report = {
        "train_seconds": round(time.monotonic() - start, 1),
        "epochs": history.history,
        "tasks": {
            name: {"train_rows": len(one.train), "train_rows_left_out": len(one.train.skipped)}
            for name, one in found.items()
        },
    }
    if best:
        report["keep_best"] = report_of(best)
    with working(f"evaluating {sum(map(len, held_out.values()))} rows", plain=bool(held_out)):
        model.tune(held_out)
        for name, metrics in model.evaluate_records(held_out).items():
            report["tasks"][name] |= {"eval_rows": len(held_out[name]), "eval": metrics}
    # The preset's writer makes its directory anew, and the logs are in this one already.
    model.save_to_preset(str(directory / "preset"))
    output.move_up(directory / "preset")
    tasks = {name: file.model_dump(mode="json") for name, (_, file) in files.items()}
    write_run(directory, report, {**dataclasses.asdict(settings), "alpha": alpha, "tasks": tasks})
    return report


def _settings_of(one: Material) -> dict:
    """A task's settings for `MultiTask.from_preset`."""
    file = one.file
    return {"task": file.task, "max_length": file.max_length, "loss_weight": file.loss_weight, **one.targets}
