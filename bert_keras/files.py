"""Writes that either happen or do not."""

import contextlib
import errno
import json
import os
import shutil
import tempfile

from bert_keras.errors import BadInput, WorkFailed

# A directory with one of these in it is an output (a SavedModel, a run) that a later one may replace; and so is one
# with this file of a preset, where it names a class.
OURS = ("saved_model.pb", "train_args.json", "checkpoint.json")
PRESET_CONFIG, PRESET_CLASS = "config.json", "registered_name"

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

    HDF5 is one: it goes on with half of what it knows, and crashes the process in the end. Where the system (macOS) or
    the file system cannot reserve, nothing is made sure of.

    Raises:
        OSError: they do not fit.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with tempfile.TemporaryFile(dir=directory) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if full_disk(error):
                raise


@contextlib.contextmanager
def replaced_directory(path):
    """Gives a new directory beside `path` to write into, and puts it in the place of `path` at the end.

    When the body fails, `path` stays as it was. Where `path` is a link, what it points to is replaced.

    Raises:
        BadInput: the directory cannot be written there, or holds files of someone else, which would be lost.
        WorkFailed: it could be when this began and cannot be any more; what was written lies beside it.
    """
    path = os.path.realpath(path)
    _check_replaceable(path)
    parent = os.path.dirname(path)
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
        _put_in_place(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _check_replaceable(path):
    """Raises `BadInput` where a new directory cannot take the place of `path`."""
    if os.path.exists(path) and not os.path.isdir(path):
        raise BadInput(f"Cannot write the directory {path}: a file of that name is there; choose another name.")
    if os.path.ismount(path):
        raise BadInput(f"Cannot write the directory {path}: it is a mount point; name a directory in it.")
    # A process whose working directory is replaced finds nothing by relative paths any more, nor does the shell.
    with contextlib.suppress(FileNotFoundError):
        if os.path.commonpath([path, os.getcwd()]) == path:
            raise BadInput(f"Cannot write the directory {path}: it is in use as the working directory; name one in it.")
    if os.path.isdir(path) and os.listdir(path) and not _is_ours(path):
        raise BadInput(
            f"Cannot write the directory {path}: it holds other files, which would be lost; choose another name."
        )


def _is_ours(path):
    if any(os.path.exists(os.path.join(path, name)) for name in OURS):
        return True
    try:
        with open(os.path.join(path, PRESET_CONFIG), encoding="utf-8") as file:
            config = json.load(file)
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and PRESET_CLASS in config


def _put_in_place(new, path):
    """`_swap`, which must not cost hours of work where something has come in the way since."""
    try:
        _check_replaceable(path)
        _swap(new, path)
    except (BadInput, OSError) as error:
        kept = tempfile.mkdtemp(prefix=f"{os.path.basename(path)}.", dir=os.path.dirname(path))
        os.rename(new, kept)
        reason = str(error).rstrip(".") if isinstance(error, BadInput) else f"{path}: {error.strerror}"
        raise WorkFailed(f"What was written lies in {kept}, for it could not be put in its place. {reason}.") from error


def _swap(new, path):
    if not os.path.exists(path):
        os.rename(new, path)
        return
    # A directory that is not empty cannot be renamed over: the former one steps aside first.
    former = tempfile.mkdtemp(prefix=f".{os.path.basename(path)}.", suffix=".old", dir=os.path.dirname(path))
    try:
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
