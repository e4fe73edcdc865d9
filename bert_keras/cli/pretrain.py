"""`bert-keras pretrain`: rows or texts in, a run directory with a preset out; stopped runs go on."""

import dataclasses
import json
import logging
import os
from pathlib import Path

import click

from bert_keras.cli import contract, output
from bert_keras.cli.corpus_options import field_option
from bert_keras.cli.pretrain_rows import MadeRows, RowPhase, StoredRows, is_given, row_phases
from bert_keras.cli.progress import Progress
from bert_keras.cli.quiet import silence, starting_tensorflow
from bert_keras.cli.row_options import row_options
from bert_keras.cli.training import PRECISIONS, SEED, run_arguments, say_random_start
from bert_keras.errors import BadInput
from bert_keras.training.cluster import Cluster
from bert_keras.training.pretraining_recipe import OPTIMIZERS, PretrainingRecipe
from bert_keras.training.run_log import in_words

_COMMAND = "pretrain"
# What a run may be given anew when it goes on: it does not change where the run ends.
_OF_RUN = ("checkpoint_every", "keep", "keep_every", "log_every", "eval_every")
_FREE = (*_OF_RUN, "wait_for_workers")
# What does nothing without another option.
_GO_WITH = (("eval_rows", "--eval"), ("eval_every", "--eval"), ("wait_for_workers", "--strategy multi_worker"))
_positive = click.IntRange(1)
_share = click.FloatRange(0, 1)


@click.command(cls=contract.Command, short_help="Pretrain a BERT on masked words and sentence pairs.")
@click.option("--data", multiple=True, metavar="DIR", help="Rows that pretrain-data made; one for each phase.")
@click.option(
    "--corpus", multiple=True, metavar="FILES", help="Texts instead: rows are made anew every epoch. A file or glob."
)
@click.option("--eval", multiple=True, metavar="DATA", help="Held-out rows for --data, held-out texts for --corpus.")
@click.option("--eval-rows", type=_positive, default=2048, show_default=True, help="The most held-out rows.")
@click.option("--eval-every", type=_positive, default=1000, show_default=True, help="Steps.")
@click.option("--steps", required=True, multiple=True, type=_positive, help="Optimizer steps; one for each phase.")
@click.option("--batch-size", multiple=True, type=_positive, default=(256,), help="Rows a step; one, or one a phase.")
@click.option(
    "--preset", required=True, metavar="PRESET", help="Where to start: a preset, or with --vocabulary a named size."
)
@click.option("--vocabulary", metavar="FILE", help="A WordPiece vocabulary: start --preset from random weights.")
@click.option("--out", required=True, metavar="DIR", help="The run's directory.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out from its newest whole checkpoint.")
@click.option("--sentence-loss-weight", type=click.FloatRange(0), default=1.0, show_default=True, help="Lambda.")
@click.option(
    "--dropout",
    type=click.FloatRange(0, 1, max_open=True),
    help="Of this run alone; the preset keeps its own for fine-tuning.  [default: the preset's, 0.1]",
)
@click.option(
    "--output-bias",
    type=click.Choice(("zeros", "counts")),
    help="Where the head for masked words begins; counts: at how often each piece is masked.  [default: zeros]",
)
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
@click.option("--seed", type=SEED, default=0, show_default=True, help="Same seed, same machine: same weights.")
@click.option(
    "--max-length",
    type=_positive,
    multiple=True,
    help="With --corpus: tokens of a row; one, or one a phase.  [default: 128]",
)
@row_options
@field_option
@click.pass_context
def pretrain(context, out, resume, **values):
    """Train on masked words, and on sentence pairs where the rows have them, and write a run directory.

    It holds preset/ (for --preset and fill-mask), checkpoints/, metrics.jsonl, train_args.json and logs/ for
    TensorBoard. A run that was stopped, killed or cut off goes on with the same command and --resume. Several phases
    (rows of 128 tokens, then of 512) are given by repeating --steps, and --data or --max-length.

    Rows are those of --data, or are made from the texts of --corpus; what stands from --max-length on is about the
    latter. Texts are plain, with blank lines between documents, or JSON Lines, gzipped or not.
    """
    directory = Path(out)
    phases = row_phases(context)
    _check_all_used(context)
    cluster = _cluster(values, phases)
    if cluster.is_chief:
        _check_directory(directory, resume, values)
    with starting_tensorflow():
        from bert_keras.training.multi_worker import naming_lost_workers
    source = (StoredRows if values["data"] else MadeRows)(phases, values)
    if is_given(context, "sentence_loss_weight") and not any(rows.has_label for rows in source.settings):
        raise BadInput("--sentence-loss-weight does nothing for rows without pairs of sentences; leave it out.")
    if cluster.is_chief:
        _check_rows(directory, source.digest)
    if values["strategy"] == "multi_worker":
        _start_workers({"out": out, "resume": resume, **values}, source.digest)
    say_random_start(values["preset"], values["vocabulary"])
    with naming_lost_workers(cluster, lambda: "start it again on every machine."):
        model, built = _model_and_phases(source, phases, values)
    _train(model, built, directory, values, source.digest, cluster)


def _train(model, phases: list, directory: Path, values: dict, digest: str, cluster: Cluster) -> None:
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
            _mark(directory, values, digest)
        figures = run.run()
    for sentence in run.store.passed_over:
        click.echo(f"{sentence}; the one before was taken", err=True)
    if not cluster.is_chief:
        click.echo(f"done; {cluster.name(0)} has written {directory / PRESET}")
        return
    if figures:
        output.print_metrics({name: value for name, value in figures.items() if name != "step"}, title=f"step {total}")
    click.echo(f"written: {directory / PRESET}")


def _mark(directory: Path, values: dict, digest: str) -> None:
    output.make_directory(directory)
    if not (directory / output.MARK).exists():
        with output.new_file(directory / output.MARK) as file:
            output.write_json(file, {**run_arguments({"command": _COMMAND, **values}), "rows": digest})


class _Shown:
    """The run on the terminal: loss and tokens a second beside the bar, a line for each line of metrics.jsonl."""

    def __init__(self, progress: Progress, total: int):
        self._progress, self._total, self._speed = progress, total, None

    def step(self, step: int, loss: float) -> None:
        speed = "" if self._speed is None else f", {self._speed:,.0f} tokens/s"
        self._progress.update(step, f"loss {loss:.4f}{speed}")

    def figures(self, figures: dict) -> None:
        self._speed = figures.get("tokens_per_second", self._speed)
        self._progress.say(in_words(figures, self._total))


def _cluster(values: dict, phases: list[RowPhase]) -> Cluster:
    """The machines to train on, this one alone unless --strategy says otherwise."""
    if values["strategy"] != "multi_worker":
        return Cluster()
    if values["jit"]:
        raise BadInput("--jit does not go with --strategy multi_worker; leave one of them out")
    cluster = Cluster.from_environment()
    for phase in phases:
        cluster.check_batch_size(phase.batch_size)
    return cluster


def _start_workers(arguments: dict, digest: str) -> None:
    """Waits until all machines are there and have started alike."""
    from bert_keras.training.multi_worker import multi_worker_strategy

    # What TensorFlow logs of a worker that is gone runs over many lines, and is an error of its own besides.
    silence(logging.CRITICAL)
    waiting = arguments.pop("wait_for_workers")
    settings = {**run_arguments(arguments), "rows": digest}
    settings |= settings.pop("arguments")
    multi_worker_strategy(settings, waiting, on_wait=lambda sentence: click.echo(f"{sentence} …", err=True))


def _model_and_phases(source: StoredRows | MadeRows, phases: list[RowPhase], values: dict):
    from bert_keras.tasks.pretraining_start import model_for_rows
    from bert_keras.training.held_out import HeldOut
    from bert_keras.training.output_bias import start_at_frequencies
    from bert_keras.training.pretraining import Phase

    model = model_for_rows(
        source.settings,
        values["preset"],
        load_weights=values["vocabulary"] is None,
        vocabulary=values["vocabulary"],
        dtype=values["precision"],
        strategy=values["strategy"],
        seed=values["seed"],
        sentence_loss_weight=values["sentence_loss_weight"],
    )
    recipe = PretrainingRecipe(**{field.name: values[field.name] for field in dataclasses.fields(PretrainingRecipe)})
    with model.distribute_strategy.scope():
        optimizer = recipe.build([phase.steps for phase in phases], list(values["learning_rate"]))
    model.compile(
        optimizer,
        accumulate=values["accumulate"],
        recompute=values["recompute"],
        jit_compile=values["jit"],
        dropout=values["dropout"],
    )
    built = []
    loaded = source.load(model.preprocessor.tokenizer, model.backbone.config.max_sequence_length)
    for phase, (rows, held_out) in zip(phases, loaded):
        measured = None if held_out is None else HeldOut(held_out, values["eval_rows"], phase.batch_size)
        built.append(Phase(rows, phase.steps, phase.batch_size, measured))
    if values["output_bias"] == "counts":
        start_at_frequencies(model, built[0].rows)
    return model, built


def _check_all_used(context: click.Context) -> None:
    """Raises `BadInput` where an option is given that does nothing without another."""
    values = context.params
    is_there = {"--eval": bool(values["eval"]), "--strategy multi_worker": values["strategy"] == "multi_worker"}
    for name, other in _GO_WITH:
        if is_given(context, name) and not is_there[other]:
            raise BadInput(f"--{name.replace('_', '-')} does nothing here; expected {other} beside it.")


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


def _check_rows(directory: Path, digest: str) -> None:
    """Raises `BadInput` where a run is to go on with other rows than it began with."""
    if (directory / output.MARK).exists() and _written(directory).get("rows", digest) != digest:
        raise BadInput(
            f"{directory}: the run was started with other rows or texts than these; expected the same: put them back, "
            "or begin in another directory with --preset "
            f"{directory / 'preset'}"
        )


def _arguments_of(directory: Path) -> dict:
    return _written(directory).get("arguments") or {}


def _written(directory: Path) -> dict:
    try:
        with open(directory / output.MARK, encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{directory / output.MARK}: cannot be read ({error}); choose another directory") from error
