"""From a YAML file to a config, with one sentence about what is wrong."""

import os
from pathlib import Path
from typing import Any

from bert_keras.errors import BadInput, nearest, where
from bert_keras.yaml_config import Section, read_yaml, validate
from pipelines.chain_config import ChainConfig
from pipelines.config import PipelineConfig, RunConfig, resolve_paths
from pipelines.pretraining.config import PretrainingConfig, PretrainingPipelineConfig


def load_config(path: str | os.PathLike) -> PipelineConfig | PretrainingPipelineConfig | ChainConfig:
    """Reads and validates a config; its relative paths are relative to the file.

    `pretraining` alone is a pipeline that pretrains; beside a task's `data` the two are chained; without it the
    pipeline is a task's.

    Raises:
        BadInput: the file cannot be read, a key is unknown or given twice, a value does not fit, or a file that it
            names is not there. The message names the file, the key and what was expected.
    """
    path = Path(path)
    config = parse_config(read_yaml(path), source=str(path), folder=path.absolute().parent)
    if not isinstance(config, PretrainingPipelineConfig):
        _check_files(config, str(path))
    if not isinstance(config, PipelineConfig):
        _check_vocabulary(config.pretraining.model, str(path), "pretraining.model.vocabulary")
    return config


def parse_config(values: Any, source: str, folder: Path) -> RunConfig:
    """Validates the values of a config. Raises `BadInput`."""
    config = resolve_paths(validate(values, _kind(values, source), source), folder)
    if isinstance(config, PipelineConfig):
        return config.model_copy(update={"model": _with_preset(config.model, folder)})
    return config.model_copy(update={"pretraining": _with_names(config.pretraining, folder)})


def _kind(values: Any, source: str) -> type[RunConfig]:
    keys = [key for key in values if isinstance(key, str)] if isinstance(values, dict) else []
    known = list(ChainConfig.model_fields)
    for key in keys:
        if key not in known:
            raise BadInput(
                f"{source}: there is no key {key!r}{nearest(key, known)}; expected the keys to be among "
                f"{', '.join(known)}"
            )
    if "pretraining" not in keys:
        return PipelineConfig
    if set(keys) <= set(PretrainingPipelineConfig.model_fields):
        return PretrainingPipelineConfig
    if isinstance(values.get("model"), dict) and "preset" in values["model"]:
        raise BadInput(
            f"{where(source, field='model.preset')}: the task starts from the preset that `pretraining` pushes; leave "
            "this one out (`pretraining.model.preset` is where pretraining starts)"
        )
    return ChainConfig


def _with_names(pretraining: PretrainingConfig, folder: Path) -> PretrainingConfig:
    """The config with the directory of a preset and the file of words found beside the file, where they are there."""
    changed: dict[str, Section] = {"model": _with_preset(pretraining.model, folder)}
    segmenter = pretraining.corpus.segmenter
    if segmenter and (folder / segmenter).exists():
        changed["corpus"] = pretraining.corpus.model_copy(update={"segmenter": os.path.normpath(folder / segmenter)})
    return pretraining.model_copy(update=changed)


def _with_preset(model, folder: Path):
    beside = folder / Path(model.preset).expanduser()
    if beside.exists() and _looks_like_path(model.preset, beside):
        return model.model_copy(update={"preset": os.path.normpath(beside)})
    return model


def _looks_like_path(preset: str, beside: Path) -> bool:
    # A folder that happens to be called like a preset does not shadow it unless it holds one.
    return os.sep in preset or preset.startswith((".", "~")) or (beside / "config.json").exists()


def _check_files(config: PipelineConfig | ChainConfig, source: str):
    for key, path in config.data.files.items():
        # Whether data may be a folder is the task's to say; see `prepare`.
        if not path.exists():
            raise missing(where(source, field=f"data.{key}"), path)
    if isinstance(config, PipelineConfig):
        _check_vocabulary(config.model, source, "model.vocabulary")
    if config.data.train and config.data.train == config.data.eval:
        raise BadInput(f"{where(source, field='data.eval')}: it is the file of `data.train`; expected other examples")


def _check_vocabulary(model, source: str, key: str):
    if model.vocabulary and not model.vocabulary.is_file():
        raise missing(where(source, field=key), model.vocabulary)


def missing(place: str, path: Path) -> BadInput:
    """What to raise where a file that the config names is none."""
    problem = "is a folder" if path.is_dir() else "does not exist"
    return BadInput(f"{place}: {path} {problem}; expected a file (a relative path starts at the config's folder)")
