"""What `fine-tune` of one task and of several have in common."""

import dataclasses
import platform
from pathlib import Path

import click

from bert_keras.cli import output

PRECISIONS = ("float32", "mixed_bfloat16")
# What NumPy, Keras and TensorFlow all take.
SEED = click.IntRange(0, 2**32 - 1)


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """What the user asked for, whatever is learnt."""

    preset: str
    out: str
    vocabulary: str | None
    epochs: int
    batch_size: int
    accumulate: int
    learning_rate: float
    strategy: str
    precision: str
    seed: int
    keep_best: bool
    evaluations_per_epoch: int

    @classmethod
    def taken_from(cls, values: dict):
        """The settings among the values of a command's options, which lose them."""
        return cls(**{field.name: values.pop(field.name) for field in dataclasses.fields(cls)})

    @property
    def of_compile(self) -> dict:
        """The arguments of `compile`."""
        return {"recipe": {"learning_rate": self.learning_rate}, "accumulate": self.accumulate}

    @property
    def of_preset(self) -> dict:
        """The arguments of `from_preset`."""
        return {
            "preset": self.preset,
            "load_weights": self.vocabulary is None,
            "vocabulary": self.vocabulary,
            "dtype": self.precision,
            "strategy": self.strategy,
            "seed": self.seed,
        }


def training_options() -> list[click.Option]:
    """The options that `TrainingSettings` holds."""
    from bert_keras.training.distribution import STRATEGIES
    from bert_keras.training.recipe import Recipe

    positive = click.IntRange(1)
    return [
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
            ["--accumulate"],
            type=positive,
            default=1,
            show_default=True,
            help="Parts a batch is worked through in: less memory, the same steps.",
        ),
        click.Option(
            ["--learning-rate"],
            type=click.FloatRange(0, min_open=True),
            default=Recipe.learning_rate,
            show_default=True,
            help="The highest; it warms up to this and decays to zero.",
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
            ["--keep-best"],
            is_flag=True,
            help="Write the weights that did best on the held-out rows, not the last ones. The figures on these then "
            "flatter: measure the model on rows that nothing was chosen on.",
        ),
        click.Option(
            ["--evaluations-per-epoch"],
            type=positive,
            default=1,
            show_default=True,
            help="How often --keep-best measures.",
        ),
        click.Option(
            ["--seed"], type=SEED, default=0, show_default=True, help="Same seed, same machine: same weights."
        ),
    ]


def say_start(settings: TrainingSettings) -> None:
    """Says loudly where the weights are random."""
    say_random_start(settings.preset, settings.vocabulary)


def say_random_start(preset: str, vocabulary: str | None) -> None:
    """The same for a preset and the vocabulary that was given for it, if any."""
    if vocabulary:
        click.secho(
            f"RANDOM START: {preset} with the vocabulary {vocabulary} starts from random weights, not from a "
            "pretrained BERT.",
            fg="yellow",
            err=True,
        )


def rows_in_words(records) -> str:
    """How many rows there are, and which of the file's columns they are made of: others that it has are not read."""
    columns = ", ".join(name if name == role else f"{name} ({role})" for role, name in records.fields.items())
    return f"{len(records)} rows" + (f" of {columns}" if columns else "")


def in_words(targets: dict, limit: int = 100) -> str:
    """What was found in the training records, on one line."""
    words = ", ".join(f"{name}: {value}" for name, value in targets.items())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def write_run(directory: Path, report: dict, arguments: dict) -> None:
    """Writes metrics.json, and train_args.json with the versions of what was in use."""
    _write(directory / "metrics.json", report)
    _write(directory / output.MARK, run_arguments(arguments))


def run_arguments(arguments: dict) -> dict:
    """What train_args.json holds: the arguments, and the versions of what was in use."""
    return {"arguments": arguments, "versions": _versions()}


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
