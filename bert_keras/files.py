"""Writes that either happen or do not."""

import contextlib
import errno
import os
import shutil
import tempfile

from bert_keras.errors import BadInput, WorkFailed

# A directory with one of these in it is an output (a preset, a SavedModel, a run) that a later one may replace.
OURS = ("config.json", "saved_model.pb", "train_args.json", "checkpoint.json")


# A disk without room, a quota that is used up, a file that may not grow any more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def full_disk(error):
    """In the system's words why there was no room to write, or None where an error has another reason.

    TensorFlow, HDF5 and Beam wrap what the system said in errors of their own, which have the words and no number: both
    are looked for, in the error and in those behind it.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return os.strerror(error.errno)
        for number in _FULL:
            if os.strerror(number) in str(error):
                return os.strerror(number)
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def naming_full_disk(path, way_out="what was there before is as it was: make room and run it again"):
    """Turns whatever error a full disk has led to into one sentence about what could not be written there.

    Raises:
        WorkFailed: the disk is full. Errors with other reasons go on as they are.
    """
    try:
        yield
    except WorkFailed:
        raise
    except Exception as error:
        reason = full_disk(error)
        if reason is None:
            raise
        raise WorkFailed(f"{path}: the disk is full ({reason}); {way_out}") from error


@contextlib.contextmanager
def failing_as_work(path, way_out):
    """As `naming_full_disk`; and whatever else keeps a file from being written is `WorkFailed` too."""
    with naming_full_disk(path, way_out):
        try:
            yield
        except OSError as error:
            if full_disk(error):
                raise
            raise WorkFailed(f"Cannot write {path} ({error.strerror or error}).") from error


def reserve(directory, size):
    """Makes sure that so many bytes fit into a directory, for writers that must not meet a full disk in their midst.

    HDF5 is one: it goes on with half of what it knows, and crashes the process in the end.

    Raises:
        OSError: they do not fit.
    """
    with tempfile.TemporaryFile(dir=directory) as file:
        os.posix_fallocate(file.fileno(), 0, size)


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
        if full_disk(error):
            raise
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
