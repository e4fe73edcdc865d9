"""`bert-keras pretrain`: rows in, a run directory with a preset out; stopped runs go on."""

import dataclasses
import hashlib
import json
import logging
import os
from pathlib import Path

import click

from bert_keras.cli import contract, output
from bert_keras.cli.progress import Progress
from bert_keras.cli.quiet import silence, starting_tensorflow
from bert_keras.cli.training import PRECISIONS, run_arguments, say_random_start
from bert_keras.errors import BadInput
from bert_keras.training.cluster import Cluster
from bert_keras.training.pretraining_recipe import OPTIMIZERS, PretrainingRecipe

_COMMAND = "pretrain"
# What a run may be given anew when it goes on: it does not change where the run ends.
_OF_RUN = ("checkpoint_every", "keep", "keep_every", "log_every")
_FREE = (*_OF_RUN, "wait_for_workers")
_positive = click.IntRange(1)
_share = click.FloatRange(0, 1)


@click.command(cls=contract.Command, short_help="Pretrain a BERT on rows of masked words.")
@click.option(
    "--data", required=True, multiple=True, metavar="DIR", help="Rows with a manifest.json; one for each phase."
)
@click.option("--steps", required=True, multiple=True, type=_positive, help="Optimizer steps; one for each phase.")
@click.option("--batch-size", multiple=True, type=_positive, default=(256,), help="Rows a step; one, or one a phase.")
@click.option(
    "--preset", required=True, metavar="PRESET", help="Where to start: a preset, or with --vocabulary a named size."
)
@click.option("--vocabulary", metavar="FILE", help="A WordPiece vocabulary: start --preset from random weights.")
@click.option("--out", required=True, metavar="DIR", help="The run's directory.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out from its newest whole checkpoint.")
@click.option("--sentence-loss-weight", type=click.FloatRange(0), default=1.0, show_default=True, help="Lambda.")
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), default="adamw", show_default=True)
@click.option(
    "--learning-rate",
    multiple=True,
    type=click.FloatRange(0, min_open=True),
    default=(1e-4,),
    help="The highest. One: warm-up and decay over the whole run; one a phase: in each phase.",
)
@click.option("--warmup", type=_share, default=PretrainingRecipe.warmup, show_default=True, help="Share of the steps.")
@click.option(
    "--decay-power",
    type=click.FloatRange(0, min_open=True),
    default=PretrainingRecipe.decay_power,
    show_default=True,
    help="1: the rate falls linearly.",
)
@click.option("--weight-decay", type=click.FloatRange(0), default=PretrainingRecipe.weight_decay, show_default=True)
@click.option("--clip", type=click.FloatRange(0), default=PretrainingRecipe.clip, show_default=True, help="0: none.")
@click.option(
    "--bias-correction/--no-bias-correction", default=True, help="Of Adam's moments; the first BERT had none."
)
@click.option("--layer-decay", type=_share, default=1.0, show_default=True, help="Rate of a layer over the one above.")
@click.option("--accumulate", type=_positive, default=1, show_default=True, help="Parts a batch is worked through in.")
@click.option("--recompute", is_flag=True, help="Less memory: blocks are computed again for their gradients.")
@click.option("--jit", is_flag=True, help="Compile the step with XLA.")
@click.option(
    "--strategy",
    type=click.Choice(("none", "mirrored", "multi_worker")),
    default="none",
    show_default=True,
    help="multi_worker: on every machine that the environment variable TF_CONFIG lists, with the same command there.",
)
@click.option(
    "--wait-for-workers",
    type=click.FloatRange(0, min_open=True),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until the other machines have started.",
)
@click.option("--precision", type=click.Choice(PRECISIONS), default="float32", show_default=True)
@click.option("--checkpoint-every", type=_positive, default=1000, show_default=True, help="Steps.")
@click.option("--keep", type=_positive, default=3, show_default=True, help="How many checkpoints stay.")
@click.option("--keep-every", type=_positive, metavar="STEPS", help="Checkpoints of these steps stay for good.")
@click.option("--log-every", type=_positive, default=100, show_default=True, help="Steps.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same machine: same weights.")
def pretrain(out, resume, **values):
    """Train on masked words, and on sentence pairs where the rows have them, and write a run directory.

    It holds preset/ (for --preset and fill-mask), checkpoints/, metrics.jsonl, train_args.json and logs/ for
    TensorBoard. A run that was stopped, killed or cut off goes on with the same command and --resume. Several phases
    (rows of 128 tokens, then of 512) are given by repeating --data and --steps.
    """
    directory = Path(out)
    cluster = _cluster(values)
    if cluster.is_chief:
        _check_directory(directory, resume, values)
    with starting_tensorflow():
        from bert_keras.training.multi_worker import naming_lost_workers
    phases = _phases(values)
    if values["strategy"] == "multi_worker":
        _start_workers({"out": out, "resume": resume, **values}, phases)
    with naming_lost_workers(cluster, lambda: "start it again on every machine."):
        model = _model(values, phases)
    _train(model, phases, directory, values, cluster)


def _train(model, phases: list, directory: Path, values: dict, cluster: Cluster) -> None:
    from bert_keras.training.pretraining import PRESET, PretrainingRun

    total = sum(phase.steps for phase in phases)
    with Progress("pretraining", total, unit="steps") as progress:
        shown = _Shown(progress, total)
        run = PretrainingRun(
            model,
            phases,
            directory,
            on_step=shown.step,
            on_figures=shown.figures,
            **{name: values[name] for name in ("seed", *_OF_RUN)},
        )
        if cluster.is_chief:
            _mark(directory, values)
        figures = run.run()
    for sentence in run.store.passed_over:
        click.echo(f"{sentence}; the one before was taken", err=True)
    if not cluster.is_chief:
        click.echo(f"done; {cluster.name(0)} has written {directory / PRESET}")
        return
    if figures:
        output.print_metrics({name: value for name, value in figures.items() if name != "step"}, title=f"step {total}")
    click.echo(f"written: {directory / PRESET}")


def _mark(directory: Path, values: dict) -> None:
    output.make_directory(directory)
    if not (directory / output.MARK).exists():
        with output.new_file(directory / output.MARK) as file:
            output.write_json(file, run_arguments({"command": _COMMAND, **values}))


class _Shown:
    """The run on the terminal: loss and tokens a second beside the bar, a line for each line of metrics.jsonl."""

    def __init__(self, progress: Progress, total: int):
        self._progress, self._total, self._speed = progress, total, None

    def step(self, step: int, loss: float) -> None:
        speed = "" if self._speed is None else f", {self._speed:,.0f} tokens/s"
        self._progress.update(step, f"loss {loss:.4f}{speed}")

    def figures(self, figures: dict) -> None:
        self._speed = figures["tokens_per_second"]
        named = ", ".join(
            f"{name} {value:.4g}"
            for name, value in figures.items()
            if name not in ("step", "phase", "seconds", "tokens")
        )
        self._progress.say(f"step {figures['step']} of {self._total}: {named}")


def _cluster(values: dict) -> Cluster:
    """The machines to train on, this one alone unless --strategy says otherwise."""
    if values["strategy"] != "multi_worker":
        return Cluster()
    if values["jit"]:
        raise BadInput("--jit does not go with --strategy multi_worker; leave one of them out")
    cluster = Cluster.from_environment()
    for _, _, batch_size in _per_phase(values):
        cluster.check_batch_size(batch_size)
    return cluster


def _start_workers(arguments: dict, phases: list) -> None:
    """Waits until all machines are there and have started alike."""
    from bert_keras.training.multi_worker import multi_worker_strategy

    # What TensorFlow logs of a worker that is gone runs over many lines, and is an error of its own besides.
    silence(logging.CRITICAL)
    waiting = arguments.pop("wait_for_workers")
    rows = [phase.rows.manifest for phase in phases]
    settings = {**run_arguments(arguments), "rows": hashlib.sha256(json.dumps(rows).encode()).hexdigest()}
    settings |= settings.pop("arguments")
    multi_worker_strategy(settings, waiting, on_wait=lambda sentence: click.echo(f"{sentence} …", err=True))


def _phases(values: dict) -> list:
    from bert_keras.data.row_files import RowFiles
    from bert_keras.training.pretraining import Phase

    phases = [Phase(RowFiles(data, seed=values["seed"]), *sizes) for data, *sizes in _per_phase(values)]
    objectives = {phase.rows.settings.objective for phase in phases}
    if len(objectives) > 1:
        raise BadInput(f"The phases have rows of different objectives ({', '.join(sorted(objectives))}); expected one.")
    return phases


def _model(values: dict, phases: list):
    from bert_keras.tasks.pretraining_model import PretrainingModel

    say_random_start(values["preset"], values["vocabulary"])
    settings = [phase.rows.settings for phase in phases]
    objective = settings[0].objective
    model = PretrainingModel.from_preset(
        values["preset"],
        load_weights=values["vocabulary"] is None,
        vocabulary=values["vocabulary"],
        max_length=max(one.max_length for one in settings),
        dtype=values["precision"],
        strategy=values["strategy"],
        seed=values["seed"],
        sentence_objective=objective if objective in ("nsp", "sop") else None,
        sentence_loss_weight=values["sentence_loss_weight"],
    )
    segments = model.backbone.config.num_segments
    if objective == "tlm" and max(max(one.languages) for one in settings) >= segments:
        raise BadInput(f"The rows have segment numbers of languages above {segments - 1}, the encoder's highest.")
    for phase in phases:
        phase.rows.check_vocabulary(model.preprocessor.tokenizer)
    recipe = PretrainingRecipe(**{field.name: values[field.name] for field in dataclasses.fields(PretrainingRecipe)})
    with model.distribute_strategy.scope():
        optimizer = recipe.build([phase.steps for phase in phases], list(values["learning_rate"]))
    model.compile(optimizer, accumulate=values["accumulate"], recompute=values["recompute"], jit_compile=values["jit"])
    return model


def _per_phase(values: dict) -> list[tuple[str, int, int]]:
    data, steps, sizes = values["data"], values["steps"], values["batch_size"]
    if len(steps) != len(data):
        raise BadInput(f"There are {len(data)} --data and {len(steps)} --steps; expected as many, one for each phase.")
    if len(sizes) not in (1, len(data)):
        raise BadInput(f"There are {len(sizes)} --batch-size for {len(data)} phases; expected one, or one for each.")
    return list(zip(data, steps, sizes if len(sizes) == len(data) else sizes * len(data)))


def _check_directory(directory: Path, resume: bool, values: dict) -> None:
    """Raises `BadInput` where the directory is in use, or holds a run with other settings than those to go on with."""
    if directory.exists() and not directory.is_dir():
        raise BadInput(f"{directory}: this is a file; expected a directory: choose another name")
    names = os.listdir(directory) if directory.exists() else []
    if output.MARK not in names:
        if names:
            raise BadInput(f"{directory}: it holds other files and no run; expected a new or empty directory")
        return
    if _arguments_of(directory).get("command") != _COMMAND:
        raise BadInput(f"{directory}: it holds another command's output; expected a new or empty directory")
    if not resume:
        raise BadInput(f"{directory}: a run is there; add --resume to go on with it, or choose another directory")
    before = _arguments_of(directory)
    after = json.loads(json.dumps({"command": _COMMAND, **values}))
    for name in {*before, *after} - set(_FREE):
        if before.get(name) != after.get(name):
            raise BadInput(
                f"{directory}: the run was started with {name} = {before.get(name)}, and is to go on with "
                f"{after.get(name)}; expected the same: go on with it, or begin in another directory"
            )


def _arguments_of(directory: Path) -> dict:
    try:
        with open(directory / output.MARK, encoding="utf-8") as file:
            return json.load(file).get("arguments") or {}
    except (OSError, ValueError, AttributeError) as error:
        raise BadInput(f"{directory / output.MARK}: cannot be read ({error}); choose another directory") from error
