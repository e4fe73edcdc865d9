"""What can be said about a run before TFX is loaded: everything that the user may have got wrong."""

import dataclasses
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from bert_keras import __version__
from bert_keras.data.readers import read_table
from bert_keras.errors import BadInput, nearest, where
from bert_keras.tasks import get_task
from pipelines.config import DataConfig, PipelineConfig


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A run whose inputs are fine.

    Attributes:
        recipe: what Transform and Trainer need to make the task: plain values, for their configs. What is in it decides
            whether TFX takes a former output from its cache, hence the hashes and the version.
        texts: names of the features that are texts.
        eval_spec: the task's `EvalSpec`.
        rows: data key (path, train, eval) -> number of records.
    """

    recipe: dict[str, Any]
    texts: list[str]
    eval_spec: Any
    rows: dict[str, int]


def prepare(config: PipelineConfig, source: str) -> Prepared:
    """Looks at data, task, preset and folders.

    Args:
        config: the config.
        source: its file, for messages.

    Raises:
        BadInput: something does not fit; the message names the file, and the row and field or the key of the config.
    """
    task = _at(source, "task.name", get_task, config.task.name)
    if not task.in_pipeline():
        raise BadInput(
            f"{where(source, field='task.name')}: the pipeline does not carry {config.task.name} yet; use `bert-keras "
            f"fine-tune {config.task.name}`"
        )
    _check_options(task, config, source)
    for key in ("root", "push.directory"):
        _check_writable(config.root if key == "root" else config.push_directory, where(source, field=key))
    fingerprint = _at(source, "model", _fingerprint, config)
    records = {key: read_records(task, config.data, path) for key, path in config.data.files.items()}
    main = records.get("path") or records["train"]
    if config.data.path and len(main) < 2:
        raise BadInput(f"{config.data.path}: there is one row; expected several, to train on and to evaluate on")
    targets = task.describe_targets(main, **config.task.options)
    for key, some in records.items():
        _check_like_training(some, main)
        task.example_targets(some, **targets)
        _check_slices(config, source, key, some)
    spec = task.eval_spec(**targets)
    _check_thresholds(config, source, spec.metrics)
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
    return Prepared(recipe, sorted(main.features), spec, {key: len(some) for key, some in records.items()})


def _check_thresholds(config: PipelineConfig, source: str, known):
    place = where(source, field="evaluate.thresholds")
    for name in config.evaluate.thresholds:
        if name not in known:
            raise BadInput(f"{place}: there is no metric {name!r}{nearest(name, known)}; expected {', '.join(known)}")


def read_records(task, data: DataConfig, path: Path):
    """The records of one of the config's data files. Raises `BadInput`."""
    return task.read_file(str(path), **reading(data))


def reading(data: DataConfig) -> dict[str, Any]:
    """The keyword arguments of a task's `read_file` that the config has chosen."""
    values = {"columns": data.columns or None, "header": None if data.header else False, "quoted": data.quoted}
    return {name: value for name, value in values.items() if value is not None}


def _check_options(task, config: PipelineConfig, source: str):
    known = {option.name: option for option in task.options}
    for name, value in config.task.options.items():
        place = where(source, field=f"task.options.{name}")
        if name not in known:
            raise BadInput(f"{place}: there is no such option{nearest(name, known)}; expected {', '.join(known)}")
        option = known[name]
        if option.choices and value not in option.choices:
            hint = nearest(str(value), option.choices)
            raise BadInput(f"{place}: it is {value!r}{hint}; expected one of {', '.join(map(str, option.choices))}")
        if value is not None and not isinstance(value, option.type):
            raise BadInput(f"{place}: it is {value!r}; expected {option.type.__name__}")


def _check_like_training(records, main):
    missing = [role for role in main.features if role not in records.features]
    more = [role for role in records.features if role not in main.features]
    if missing or more:
        role = (missing or more)[0]
        has, lacks = (main, records) if missing else (records, main)
        raise BadInput(
            f"{lacks.source}: there is no column for {role!r}, and {has.source} has one; expected the same in both"
        )


def _check_slices(config: PipelineConfig, source: str, key: str, records):
    names = [name for name in config.evaluate.slices if name not in records.features]
    if names:
        try:
            read_table(
                str(config.data.files[key]),
                {name: name for name in names},
                header=config.data.header,
                quoted=config.data.quoted,
                required_roles=names,
            )
        except BadInput as error:
            raise BadInput(f"{where(source, field='evaluate.slices')}: {error}") from error


def _check_writable(folder: Path, place: str):
    nearest_there = folder
    while not nearest_there.exists() and nearest_there != nearest_there.parent:
        nearest_there = nearest_there.parent
    try:
        if not nearest_there.is_dir():
            raise NotADirectoryError(20, "a file is in the way", str(nearest_there))
        with tempfile.TemporaryFile(dir=nearest_there):
            pass
    except OSError as error:
        raise BadInput(
            f"{place}: {folder} cannot be written ({error.strerror}); expected a folder where files can be made"
        ) from error


def _fingerprint(config: PipelineConfig) -> str:
    """A hash of the preset's and the vocabulary's files: a preset trained anew under its old name is another one."""
    from bert_keras import presets

    model = config.model
    found = presets.find(model.preset)
    files = []
    if os.path.isdir(found.path):
        files = sorted(path for path in Path(found.path).rglob("*") if path.is_file())
    if model.vocabulary:
        files.append(model.vocabulary)
    presets.load_tokenizer(model.preset, None if model.vocabulary is None else str(model.vocabulary))
    if found.kind == presets.RANDOM_START and not model.random_start:
        raise BadInput(f"{model.preset} is a size without weights; write `random_start: true`, or name a preset")
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _at(source: str, key: str, function, *args):
    """Calls a function; what it says about bad input gets the config's file and key in front."""
    try:
        return function(*args)
    except BadInput as error:
        raise BadInput(f"{where(source, field=key)}: {error}") from error
