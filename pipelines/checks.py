"""What every pipeline looks at before TFX is loaded: folders, thresholds, the model to start from."""

import hashlib
import os
import tempfile
from pathlib import Path

from bert_keras.errors import BadInput, nearest, where


def at(source: str, key: str, function, *args):
    """Calls a function; what it says about bad input gets the config's file and key in front."""
    try:
        return function(*args)
    except BadInput as error:
        raise BadInput(f"{where(source, field=key)}: {error}") from error


def check_writable(folder: Path, place: str):
    """Raises `BadInput` where nothing can be written into a folder, which need not be there yet."""
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


def check_program(path: Path | None, place: str):
    """Raises `BadInput` where a path is given that cannot be run."""
    if path and not (path.is_file() and os.access(path, os.X_OK)):
        raise BadInput(f"{place}: {path} is no program that can be run; expected the path of a tensorflow_model_server")


def check_thresholds(thresholds, place: str, known):
    """Raises `BadInput` where a threshold is for a metric that there is none of."""
    for name in thresholds:
        if name not in known:
            raise BadInput(f"{place}: there is no metric {name!r}{nearest(name, known)}; expected {', '.join(known)}")


def fingerprint_of(model) -> str:
    """A hash of the preset's and the vocabulary's files: a preset trained anew under its old name is another one.

    Args:
        model: the section `model` of a config.

    Raises:
        BadInput: the preset cannot be loaded, or has no weights and is not to start at random.
    """
    from bert_keras import presets

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
