"""`bert-keras fine-tune TASK`: a table in, a preset directory out."""

import dataclasses
import platform
import time
from pathlib import Path

import click

from bert_keras.cli import contract, options, output
from bert_keras.cli.progress import working
from bert_keras.cli.quiet import starting_tensorflow

PRECISIONS = ("float32", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the user asked for, apart from how tables are read and what only the task knows."""

    train: str
    eval: str | None
    preset: str
    out: str
    vocabulary: str | None
    epochs: int
    batch_size: int
    learning_rate: float
    max_length: int | None
    strategy: str
    precision: str
    seed: int


def _settings_options(task_class) -> list[click.Option]:
    from bert_keras.training.distribution import STRATEGIES
    from bert_keras.training.recipe import Recipe

    positive = click.IntRange(1)
    return [
        click.Option(["--train"], required=True, metavar="FILE", help="CSV, TSV or JSON Lines to learn from."),
        click.Option(["--eval"], metavar="FILE", help="The same, to measure the result on."),
        click.Option(
            ["--preset"],
            required=True,
            metavar="PRESET",
            help="A preset's name, a preset or Hugging Face directory, or with --vocabulary a named size.",
        ),
        click.Option(["--out"], required=True, metavar="DIR", help="Where the fine-tuned model goes."),
        click.Option(
            ["--vocabulary"],
            metavar="FILE",
            help="A WordPiece vocabulary, one entry a line: start --preset (a named size) from random weights.",
        ),
        click.Option(["--epochs"], type=positive, default=3, show_default=True, help="Passes over the training rows."),
        click.Option(["--batch-size"], type=positive, default=32, show_default=True, help="Rows per step."),
        click.Option(
            ["--learning-rate"],
            type=click.FloatRange(0, min_open=True),
            default=Recipe.learning_rate,
            show_default=True,
            help="The highest; it warms up to this and decays to zero.",
        ),
        click.Option(
            ["--max-length"],
            type=click.IntRange(5),
            show_default=str(task_class.default_max_length),
            help="Tokens that are read at a time.",
        ),
        click.Option(
            ["--strategy"],
            type=click.Choice(STRATEGIES),
            default="none",
            show_default=True,
            help="mirrored: train on all GPUs of this machine.",
        ),
        click.Option(["--precision"], type=click.Choice(PRECISIONS), default="float32", show_default=True),
        click.Option(
            ["--seed"],
            type=int,
            default=0,
            show_default=True,
            help="Same seed, same machine: same weights.",
        ),
    ]


class TaskGroup(contract.Group):
    """One command per registered task; a task is imported when its command is used."""

    def list_commands(self, context):
        from bert_keras.tasks import task_names

        return list(task_names())

    def get_command(self, context, name):
        with starting_tensorflow():
            from bert_keras.tasks import get_task

            task_class = get_task(name)
        return _command(name, task_class)

    def format_commands(self, context, formatter):
        with formatter.section("Tasks"):
            formatter.write_text(", ".join(self.list_commands(context)))
        with formatter.section("Options of a task"):
            formatter.write_text(f"{context.command_path} TASK --help")


@click.group(cls=TaskGroup, subcommand_metavar="TASK [OPTIONS]", short_help="Fine-tune a BERT on a table of examples.")
def fine_tune() -> None:
    """Fine-tune a BERT on a table of examples and write it to a directory.

    The directory holds the model (a preset: weights, configuration, vocabulary, labels), metrics.json, train_args.json
    and TensorBoard logs. It appears when all went well; a failed run leaves what was there.
    """


def _command(name: str, task_class) -> click.Command:
    def callback(**values):
        settings = Settings(**{field.name: values.pop(field.name) for field in dataclasses.fields(Settings)})
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

    train = task_class.training_records(task_class.read_file(settings.train, **reading))
    options.echo_skipped(train)
    held_out = task_class.read_file(settings.eval, **reading) if settings.eval else None
    targets = task_class.describe_targets(train, **task_values)
    click.echo(f"{settings.train}: {len(train)} rows; {_in_words(targets)}", err=True)
    task = _build(task_class, settings, targets)
    x, y, weights = task.encode_records(train)
    # A target that the model does not know must come to light before the training, not after it.
    validation = None
    if held_out:
        validated = task.validation_records(held_out)
        options.echo_skipped(validated)
        validation = task.encode_records(validated)[:2]

    start = time.monotonic()
    with TrainingProgress() as progress:
        history = task.fit(
            x,
            y,
            sample_weight=weights,
            validation_data=validation,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            seed=settings.seed,
            callbacks=[progress, tensorboard(directory / "logs")],
            verbose=0,
        )
    report = {
        "train_rows": len(train),
        "train_rows_left_out": len(train.skipped),
        "train_seconds": round(time.monotonic() - start, 1),
        "epochs": history.history,
    }
    if held_out:
        with working(f"evaluating {len(held_out)} rows"):
            task.tune(held_out)
            report |= {"eval_rows": len(held_out), "eval": task.evaluate_records(held_out)}
    # The preset's writer makes its directory anew, and the logs are in this one already.
    task.save_to_preset(str(directory / "preset"))
    output.move_up(directory / "preset")
    _write(directory / "metrics.json", report)
    arguments = {"task": task_class.task_name, **dataclasses.asdict(settings), **reading, **task_values}
    _write(directory / output.MARK, {"arguments": arguments, "versions": _versions()})
    return report.get("eval", {})


def _build(task_class, settings: Settings, targets: dict):
    if settings.vocabulary:
        click.secho(
            f"RANDOM START: {settings.preset} with the vocabulary {settings.vocabulary} starts from random weights, "
            "not from a pretrained BERT.",
            fg="yellow",
            err=True,
        )
    task = task_class.from_preset(
        settings.preset,
        load_weights=settings.vocabulary is None,
        vocabulary=settings.vocabulary,
        max_length=settings.max_length,
        dtype=settings.precision,
        strategy=settings.strategy,
        seed=settings.seed,
        **targets,
    )
    task.compile(recipe={"learning_rate": settings.learning_rate})
    return task


def _in_words(targets: dict, limit: int = 100) -> str:
    words = ", ".join(f"{name}: {value}" for name, value in targets.items())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def _versions() -> dict[str, str]:
    import keras
    import tensorflow as tf

    import bert_keras

    return {
        "bert_keras": bert_keras.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
    }


def _write(path: Path, content: dict) -> None:
    with path.open("w", encoding="utf-8") as file:
        output.write_json(file, content)
