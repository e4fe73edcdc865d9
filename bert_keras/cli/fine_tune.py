"""`bert-keras fine-tune TASK`: a table in, a preset directory out."""

import dataclasses
import time
from pathlib import Path

import click

from bert_keras.cli import contract, options, output
from bert_keras.cli.keep_best import check_keep_best, keeping_best, report_of
from bert_keras.cli.progress import working
from bert_keras.cli.quiet import starting_tensorflow
from bert_keras.cli.training import TrainingSettings, in_words, rows_in_words, say_start, training_options, write_run


@dataclasses.dataclass(frozen=True)
class Settings(TrainingSettings):
    """What the user asked for, apart from how tables are read and what only the task knows."""

    train: str
    eval: str | None
    max_length: int | None


def _settings_options(task_class) -> list[click.Option]:
    return [
        click.Option(["--train"], required=True, metavar="FILE", help="CSV, TSV or JSON Lines to learn from."),
        click.Option(["--eval"], metavar="FILE", help="The same, to measure the result on."),
        *training_options(),
        click.Option(
            ["--max-length"],
            type=click.IntRange(5),
            show_default=str(task_class.default_max_length),
            help="Tokens that are read at a time.",
        ),
    ]


class TaskGroup(contract.Group):
    """One command per registered task; a task is imported when its command is used.

    `--tasks` where a task's name would stand is the command for several tasks.
    """

    def parse_args(self, context, args):
        if args and args[0].startswith("-") and any(arg.partition("=")[0] == _SEVERAL for arg in args):
            args = [_SEVERAL.lstrip("-"), *args]
        return super().parse_args(context, args)

    def list_commands(self, context):
        from bert_keras.tasks import task_names

        return list(task_names())

    def get_command(self, context, name):
        with starting_tensorflow():
            from bert_keras.cli import fine_tune_tasks
            from bert_keras.tasks import get_task

            if name == _SEVERAL.lstrip("-"):
                return fine_tune_tasks.command(_SEVERAL)
            task_class = get_task(name)
        return _command(name, task_class)

    def resolve_command(self, context, args):
        _, command, rest = super().resolve_command(context, args)
        return command.name, command, rest

    def format_commands(self, context, formatter):
        with formatter.section("Tasks"):
            formatter.write_text(", ".join(self.list_commands(context)))
        with formatter.section("Options of a task"):
            formatter.write_text(f"{context.command_path} TASK --help")
        with formatter.section("Several tasks at once, over one encoder"):
            formatter.write_text(f"{context.command_path} {_SEVERAL} --help")


_SEVERAL = "--tasks"


@click.group(cls=TaskGroup, subcommand_metavar="TASK [OPTIONS]", short_help="Fine-tune a BERT on a table of examples.")
def fine_tune() -> None:
    """Fine-tune a BERT on a table of examples and write it to a directory.

    The directory holds the model (a preset: weights, configuration, vocabulary, labels), metrics.json, train_args.json
    and TensorBoard logs. It appears when all went well; a failed run leaves what was there.
    """


def _command(name: str, task_class) -> click.Command:
    def callback(**values):
        settings = Settings.taken_from(values)
        reading = options.reading(**{name: values.pop(name) for name in options.READING_VALUES if name in values})
        # What is left are the task's own options.
        with output.new_directory(settings.out) as directory:
            metrics = _fine_tune(task_class, settings, reading, values, directory)
        if metrics:
            output.print_metrics(metrics, title=f"{settings.eval}")
        click.echo(f"written: {settings.out}")

    first_line = (task_class.__doc__ or name).strip().splitlines()[0]
    made = [
        *_settings_options(task_class),
        *options.data_options(task_class.reading),
        *options.task_options(task_class.options),
    ]
    return contract.Command(name, callback=callback, params=made, help=f"{first_line}")


def _fine_tune(task_class, settings: Settings, reading: dict, task_values: dict, directory: Path) -> dict[str, float]:
    from bert_keras.cli.training_progress import TrainingProgress, tensorboard

    check_keep_best(settings, None if settings.eval else "--eval FILE")
    train = task_class.training_records(task_class.read_file(settings.train, **reading))
    options.echo_skipped(train)
    held_out = task_class.read_file(settings.eval, **reading) if settings.eval else None
    targets = task_class.describe_targets(train, **task_values)
    click.echo(f"{settings.train}: {rows_in_words(train)}; {in_words(targets)}", err=True)
    say_start(settings)
    task = task_class.from_preset(**settings.of_preset, max_length=settings.max_length, **targets)
    task.compile(**settings.of_compile)
    x, y, weights = task.encode_records(train)
    # A target that the model does not know must come to light before the training, not after it.
    validation = None
    if held_out:
        validated = task.validation_records(held_out)
        options.echo_skipped(validated)
        validation = task.encode_records(validated)[:2]

    start = time.monotonic()
    with TrainingProgress() as progress:
        best = keeping_best(task, targets, held_out, settings, progress.say) if settings.keep_best else None
        history = task.fit(
            x,
            y,
            sample_weight=weights,
            validation_data=validation,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            seed=settings.seed,
            callbacks=[progress, tensorboard(directory / "logs"), *([best] if best else [])],
            verbose=0,
        )
    report = {
        "train_rows": len(train),
        "train_rows_left_out": len(train.skipped),
        "train_seconds": round(time.monotonic() - start, 1),
        "epochs": history.history,
    }
    if best:
        report["keep_best"] = report_of(best)
    if held_out:
        with working(f"evaluating {len(held_out)} rows"):
            task.tune(held_out)
            report |= {"eval_rows": len(held_out), "eval": task.evaluate_records(held_out)}
    # The preset's writer makes its directory anew, and the logs are in this one already.
    task.save_to_preset(str(directory / "preset"))
    output.move_up(directory / "preset")
    write_run(
        directory, report, {"task": task_class.task_name, **dataclasses.asdict(settings), **reading, **task_values}
    )
    return report.get("eval", {})
