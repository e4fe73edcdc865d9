"""Trainer: a pretraining run on the masked rows, which goes on where an earlier one was stopped."""

import hashlib
import json
import logging
import os
import shutil
from typing import Any

from bert_keras.data.row_files import RowFiles
from bert_keras.tasks.pretraining_start import model_for_rows
from bert_keras.training.pretraining import LOGS, METRICS, Phase, PretrainingRun
from bert_keras.training.pretraining_recipe import PretrainingRecipe
from bert_keras.training.run_log import in_words
from pipelines.pretraining.masking import phase_folders
from pipelines.trainer import strategy_name

log = logging.getLogger(__name__)

# What may change before a run goes on: it does not change where the run ends.
_FREE = ("checkpoint_every", "log_every")


def run_fn(fn_args):
    """TFX's hook: trains on the rows of all phases and writes a preset; figures and TensorBoard's logs go beside it.

    Until the end the run is in a folder of its own, which is named by all that it depends on: a component that failed
    or was stopped leaves no artifact, and the next try finds the checkpoints there.
    """
    settings = fn_args.custom_config
    (files,) = fn_args.train_files
    folders = phase_folders(os.path.dirname(files))
    directory = os.path.join(settings["unfinished"], _name_of_run(settings, folders))
    run = make_run(settings, folders, directory)
    if done := run.store.steps():
        log.info("going on after step %d of %d", done[-1], run.total_steps)
    run.run()
    run.model.save_to_preset(fn_args.serving_model_dir)
    shutil.copy(os.path.join(directory, METRICS), fn_args.model_run_dir)
    shutil.copytree(os.path.join(directory, LOGS), os.path.join(fn_args.model_run_dir, LOGS))
    shutil.rmtree(directory)


def make_run(settings: dict[str, Any], folders: list[str], directory: str) -> PretrainingRun:
    """The run of a pipeline.

    Args:
        settings: see `prepare.Prepared.training`.
        folders: the rows of each phase.
        directory: where it leaves checkpoints.

    Raises:
        BadInput: the model and the rows do not fit each other.
    """
    start, train, phases = settings["start"], settings["train"], settings["phases"]
    model = model_for_rows(
        [RowFiles(folder).settings for folder in folders],
        start["preset"],
        load_weights=start["load_weights"],
        vocabulary=start["vocabulary"],
        head=start["head"],
        dtype=train["precision"],
        strategy=strategy_name(train["strategy"]),
        seed=train["seed"],
        sentence_loss_weight=train["sentence_loss_weight"],
    )
    # With the vocabulary at hand: rows of another one are refused.
    rows = [RowFiles(folder, train["seed"], model.preprocessor.tokenizer) for folder in folders]
    with model.distribute_strategy.scope():
        recipe = PretrainingRecipe(**settings["recipe"])
        optimizer = recipe.build([phase["steps"] for phase in phases], settings["learning_rates"])
    model.compile(optimizer, accumulate=train["accumulate"], recompute=train["recompute"], jit_compile=train["jit"])
    total = sum(phase["steps"] for phase in phases)
    return PretrainingRun(
        model,
        [Phase(one, phase["steps"], phase["batch_size"]) for one, phase in zip(rows, phases)],
        directory,
        seed=train["seed"],
        on_figures=lambda figures: log.info(in_words(figures, total)),
        **{name: train[name] for name in _FREE},
    )


def _name_of_run(settings: dict[str, Any], folders: list[str]) -> str:
    train = {name: value for name, value in settings["train"].items() if name not in _FREE}
    shards = [shard["sha256"] for folder in folders for shard in RowFiles(folder).manifest["shards"]]
    decides = json.dumps([{**settings, "train": train}, shards], sort_keys=True)
    return hashlib.sha256(decides.encode()).hexdigest()[:16]
