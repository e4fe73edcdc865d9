"""Trainer: fits the task on transformed examples and exports it."""

import functools
import logging
import os

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from bert_keras.export import export_saved_model, serving_ops
from bert_keras.training.batching import TokenizedRows
from bert_keras.training.keep_best import KeepBest
from pipelines import transform
from pipelines.task import make_task

log = logging.getLogger(__name__)

PRESET_FOLDER = "preset"
_CHUNK = 1024


def run_fn(fn_args):
    """TFX's hook: trains on transformed examples, writes a SavedModel and, beside the logs, a preset."""
    transform.release()
    recipe, train = fn_args.custom_config["recipe"], fn_args.custom_config["train"]
    task = make_task(recipe, dtype=train["precision"], strategy=strategy_name(train["strategy"]), seed=train["seed"])
    rows = {
        split: read_rows(files, fn_args.transform_output, task)
        for split, files in (("train", fn_args.train_files), ("eval", fn_args.eval_files))
    }
    chosen = {} if train["learning_rate"] is None else {"learning_rate": train["learning_rate"]}
    task.compile(recipe=chosen, accumulate=train["accumulate"])
    task.fit(
        rows["train"],
        validation_data=rows["eval"],
        batch_size=train["batch_size"],
        epochs=train["epochs"],
        seed=train["seed"],
        callbacks=[
            keras.callbacks.TensorBoard(os.path.join(fn_args.model_run_dir, "logs"), write_graph=False),
            keras.callbacks.LambdaCallback(on_epoch_end=functools.partial(_log_epoch, epochs=train["epochs"])),
            *([KeepBest(None, "val_loss", lower_is_better=True, say=log.info)] if train["keep_best"] else []),
        ],
        verbose=0,
    )
    if task.tuning_features:
        _tune(task, read_held_out(fn_args.eval_files, fn_args.transform_output, task))
    task.save_to_preset(os.path.join(fn_args.model_run_dir, PRESET_FOLDER))
    _export(task, fn_args.serving_model_dir, **fn_args.custom_config["export"])


def _export(task, path, tokenizer_ops, require_serving):
    export_saved_model(task, path, targets=True, tokenizer_ops=tokenizer_ops)
    for verdict in serving_ops.verdicts(path):
        log.info("%s", verdict)
    if require_serving is not None:
        serving_ops.require_serving(path, require_serving)


def _log_epoch(epoch, logs, epochs):
    values = ", ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
    log.info("epoch %d/%d: %s", epoch + 1, epochs, values)


def _tune(task, records):
    before = task.get_config()
    task.tune(records)
    chosen = [f"{name} {value}" for name, value in task.get_config().items() if value != before[name]]
    log.info("chosen on %d rows of the split eval: %s", len(records), ", ".join(chosen) or "nothing else than before")


def strategy_name(name: str) -> str:
    """`auto` is `mirrored` where there are GPUs."""
    if name != "auto":
        return name
    return "mirrored" if tf.config.list_physical_devices("GPU") else "none"


def read_rows(files: list[str], transform_graph: str, task) -> TokenizedRows:
    """The transformed examples of one split.

    Args:
        files: patterns of gzipped TFRecord files.
        transform_graph: the Transform component's output, which knows the features.
        task: the task that made them.

    Returns:
        `TokenizedRows` in an order that depends on the rows alone: Beam writes them in any order, and the same data and
        seed must give the same weights.
    """
    spec = tft.TFTransformOutput(transform_graph).transformed_feature_spec()
    spec = {name: parser for name, parser in spec.items() if name not in task.tuning_features}
    chunks = list(_parsed(files, spec))
    joined = {name: tf.concat([chunk[name] for chunk in chunks], axis=0) for name in spec}
    order = _canonical_order(joined)
    return task.training_rows({name: tf.gather(values, order) for name, values in joined.items()})


def read_held_out(files: list[str], transform_graph: str, task):
    """The `Records` that `task.tune` takes, of the split eval; arguments as for `read_rows`."""
    spec = tft.TFTransformOutput(transform_graph).transformed_feature_spec()
    spec = {name: spec[name] for name in task.tuning_features}
    columns = {name: [] for name in spec}
    for chunk in _parsed(files, spec):
        for name, values in chunk.items():
            columns[name] += _listed(values)
    order = sorted(range(len(columns[task.tuning_features[0]])), key=lambda row: [columns[n][row] for n in columns])
    return task.tuning_records({name: [values[row] for row in order] for name, values in columns.items()})


def _parsed(files, spec):
    dataset = tf.data.TFRecordDataset(tf.io.gfile.glob(files), compression_type="GZIP").batch(_CHUNK)
    return dataset.map(lambda examples: tf.io.parse_example(examples, spec))


def _listed(values) -> list:
    """A tensor `[n]`, or SparseTensor `[n, values]`, as Python values, strings decoded."""
    if isinstance(values, tf.SparseTensor):
        return _decoded(tf.RaggedTensor.from_sparse(values).to_list())
    return _decoded(values.numpy().tolist())


def _decoded(value):
    if isinstance(value, list):
        return list(map(_decoded, value))
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _canonical_order(features) -> np.ndarray:
    columns = [features[name] for name in sorted(features)]
    keys = [tuple(row.numpy().tobytes() for row in rows) for rows in zip(*columns)]
    return np.asarray(sorted(range(len(keys)), key=keys.__getitem__), "int64")
