"""From a YAML file to a `PipelineConfig`, with one sentence about what is wrong."""

import os
from pathlib import Path
from typing import Any

from bert_keras.errors import BadInput, where
from bert_keras.yaml_config import read_yaml, validate
from pipelines.config import PipelineConfig, resolve_paths


def load_config(path: str | os.PathLike) -> PipelineConfig:
    """Reads and validates a config; its relative paths are relative to the file.

    Raises:
        BadInput: the file cannot be read, a key is unknown or given twice, a value does not fit, or a file that it
            names is not there. The message names the file, the key and what was expected.
    """
    path = Path(path)
    config = parse_config(read_yaml(path), source=str(path), folder=path.absolute().parent)
    _check_files(config, str(path))
    return config


def parse_config(values: Any, source: str, folder: Path) -> PipelineConfig:
    """Validates the values of a config. Raises `BadInput`."""
    config = resolve_paths(validate(values, PipelineConfig, source), folder)
    beside = folder / Path(config.model.preset).expanduser()
    if beside.exists() and _looks_like_path(config.model.preset, beside):
        preset = os.path.normpath(beside)
        config = config.model_copy(update={"model": config.model.model_copy(update={"preset": preset})})
    return config


def _looks_like_path(preset: str, beside: Path) -> bool:
    # A folder that happens to be called like a preset does not shadow it unless it holds one.
    return os.sep in preset or preset.startswith((".", "~")) or (beside / "config.json").exists()


def _check_files(config: PipelineConfig, source: str):
    files = {("data", key): path for key, path in config.data.files.items()}
    if config.model.vocabulary:
        files["model", "vocabulary"] = config.model.vocabulary
    for keys, path in files.items():
        # Whether data may be a folder is the task's to say; see `prepare`.
        if not (path.exists() if keys[0] == "data" else path.is_file()):
            raise missing(where(source, field=".".join(keys)), path)
    if config.data.train and config.data.train == config.data.eval:
        raise BadInput(f"{where(source, field='data.eval')}: it is the file of `data.train`; expected other examples")


def missing(place: str, path: Path) -> BadInput:
    """What to raise where a file that the config names is none."""
    problem = "is a folder" if path.is_dir() else "does not exist"
    return BadInput(f"{place}: {path} {problem}; expected a file (a relative path starts at the config's folder)")
