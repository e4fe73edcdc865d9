"""Writes that either happen or do not."""

import contextlib
import os
import shutil
import tempfile

from bert_keras.errors import BadInput

# A directory with one of these in it is an output (a preset, a SavedModel, a run) that a later one may replace.
OURS = ("config.json", "saved_model.pb", "train_args.json", "checkpoint.json")


@contextlib.contextmanager
def replaced_directory(path):
    """Gives a new directory beside `path` to write into, and puts it in the place of `path` at the end.

    When the body fails, `path` stays as it was.

    Raises:
        BadInput: the directory cannot be written there, or holds files of someone else, which would be lost.
    """
    path = os.path.abspath(os.fspath(path))
    parent = os.path.dirname(path)
    if os.path.exists(path) and not os.path.isdir(path):
        raise BadInput(f"Cannot write the directory {path}: a file of that name is there; choose another name.")
    if os.path.isdir(path) and os.listdir(path) and not any(os.path.exists(os.path.join(path, name)) for name in OURS):
        raise BadInput(
            f"Cannot write the directory {path}: it holds other files, which would be lost; choose another name."
        )
    try:
        os.makedirs(parent, exist_ok=True)
        new = tempfile.mkdtemp(prefix=f".{os.path.basename(path)}.", suffix=".new", dir=parent)
    except OSError as error:
        raise BadInput(f"Cannot write the directory {path}: {error.strerror}; choose another place.") from error
    try:
        # mkdtemp makes directories that only their owner may enter.
        os.chmod(new, 0o777 & ~_umask())
        yield new
        _swap(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _swap(new, path):
    if not os.path.exists(path):
        os.rename(new, path)
        return
    # A directory that is not empty cannot be renamed over: the former one steps aside first.
    former = tempfile.mkdtemp(prefix=f".{os.path.basename(path)}.", suffix=".old", dir=os.path.dirname(path))
    os.rename(path, os.path.join(former, "former"))
    try:
        os.rename(new, path)
    except OSError:
        os.rename(os.path.join(former, "former"), path)
        raise
    finally:
        shutil.rmtree(former, ignore_errors=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
