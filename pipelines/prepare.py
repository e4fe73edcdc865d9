"""What can be said about a run before TFX is loaded: everything that the user may have got wrong."""

import dataclasses
from typing import Any

from bert_keras import __version__
from bert_keras.errors import BadInput, nearest, where
from bert_keras.tasks import get_task
from bert_keras.tasks.description import INPUT, check_options
from pipelines.anomalies import anomalies_of, long_texts, stopped
from pipelines.checks import at, check_program, check_thresholds, check_writable, fingerprint_of
from pipelines.config import PipelineConfig
from pipelines.load import missing
from pipelines.records import extra_columns, reading, reads_tables
from pipelines.task import make_task


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A run whose inputs are fine.

    Attributes:
        recipe: what Transform and Trainer need to make the task: plain values, for their configs. What is in it decides
            whether TFX takes a former output from its cache, hence the hashes and the version.
        layout: the examples' features by name, each a dict of the fields of `ExampleFeature`.
        eval_spec: the task's `EvalSpec`.
        slices: the features that the evaluation is broken down by.
        columns: those of them that are no features of the task but columns of the table.
        of_files: data key (path, train, eval) -> `Records.of_file`, which whoever reads a part of the file needs.
        rows: data key -> number of records.
        anomalies: what is odd about the data, a sentence each.
    """

    recipe: dict[str, Any]
    layout: dict[str, dict[str, Any]]
    eval_spec: Any
    slices: list[str]
    columns: list[str]
    of_files: dict[str, dict[str, Any]]
    rows: dict[str, int]
    anomalies: list[str]


def prepare(config: PipelineConfig, source: str) -> Prepared:
    """Looks at data, task, preset and folders.

    Args:
        config: the config.
        source: its file, for messages.

    Raises:
        BadInput: something does not fit; the message names the file, and the row and field or the key of the config.
    """
    task = at(source, "task.name", get_task, config.task.name)
    if not task.in_pipeline():
        raise BadInput(
            f"{where(source, field='task.name')}: the pipeline does not carry {config.task.name} yet; use `bert-keras "
            f"fine-tune {config.task.name}`"
        )
    check_options(task.options, config.task.options, lambda name: where(source, field=f"task.options.{name}"))
    for key in ("root", "push.directory"):
        check_writable(config.root if key == "root" else config.push_directory, where(source, field=key))
    check_program(config.infra_validation.binary, where(source, field="infra_validation.binary"))
    fingerprint = at(source, "model", fingerprint_of, config.model)
    _check_folders(task, config, source)
    how = reading(config.data)
    records = {key: task.read_file(str(path), **how) for key, path in config.data.files.items()}
    main = records.get("path") or records["train"]
    if config.data.path and len(main) < 2:
        raise BadInput(f"{config.data.path}: there is one row; expected several, to train on and to evaluate on")
    targets = task.describe_targets(task.training_records(main), **config.task.options)
    layout, spec = task.example_layout(**targets), task.eval_spec(**targets)
    check_thresholds(config.evaluate.thresholds, where(source, field="evaluate.thresholds"), spec.metrics)
    slices = list(spec.slices) if config.evaluate.slices is None else config.evaluate.slices
    _check_slices(config, source, task, slices, layout)
    columns = [name for name in slices if name not in layout]
    for some in records.values():
        _check_like_training(some, main)
        task.example_features(some, **targets)
        at(source, "evaluate.slices", extra_columns, some.source, columns, how)
    recipe = {
        "task": config.task.name,
        "targets": targets,
        "preset": config.model.preset,
        "load_weights": not config.model.random_start,
        "vocabulary": None if config.model.vocabulary is None else str(config.model.vocabulary),
        "max_length": config.model.max_length,
        "fingerprint": fingerprint,
        "version": __version__,
    }
    found = [sentence for some in records.values() for sentence in anomalies_of(task, some, targets)]
    if task.has_windows:
        made = at(source, "model", make_task, recipe, False)
        sentences = (long_texts(made, some, config.data.long_share) for some in records.values())
        found += filter(None, sentences)
    if found and config.data.anomalies == "stop":
        raise stopped(found)
    plain = {name: dataclasses.asdict(feature) for name, feature in layout.items()}
    of_files = {key: some.of_file for key, some in records.items()}
    rows = {key: len(some) for key, some in records.items()}
    return Prepared(recipe, plain, spec, slices, columns, of_files, rows, found)


def _check_folders(task, config: PipelineConfig, source: str):
    for key, path in config.data.files.items():
        if path.is_dir() and not task.reads_folders:
            raise missing(where(source, field=f"data.{key}"), path)


def _check_like_training(records, main):
    missing = [role for role in main.features if role not in records.features]
    more = [role for role in records.features if role not in main.features]
    if missing or more:
        role = (missing or more)[0]
        has, lacks = (main, records) if missing else (records, main)
        raise BadInput(
            f"{lacks.source}: there is no column for {role!r}, and {has.source} has one; expected the same in both"
        )


def _check_slices(config: PipelineConfig, source: str, task, slices: list[str], layout):
    for name in slices:
        if name not in layout and not reads_tables(task):
            known = [known for known, feature in layout.items() if feature.role != INPUT]
            raise BadInput(
                f"{where(source, field='evaluate.slices')}: the examples of {config.task.name} have no {name!r}"
                f"{nearest(name, known)}; expected some of {', '.join(known)}"
            )
