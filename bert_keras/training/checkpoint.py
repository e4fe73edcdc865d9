"""Checkpoints of a run: they appear whole, are checked when they are read, and old ones make room."""

import dataclasses
import hashlib
import json
import os
import re
import shutil

import numpy as np
import safetensors
import safetensors.numpy

from bert_keras.errors import BadInput, WorkFailed
from bert_keras.files import replaced_directory

_ARRAYS, _DESCRIPTION = "state.safetensors", "checkpoint.json"
_NAME = re.compile(r"step_(\d+)")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What was read: the number of steps that were done, and the arrays by `group/number`."""

    step: int
    path: str
    arrays: dict


class CheckpointStore:
    """The checkpoints of one run, `step_00001000` and so on under a directory.

    Args:
        directory: where they are; made when the first one is written.
        keep: int of at least 1. How many of the newest stay.
        keep_every: int or None. Those whose step is a multiple of it stay for good.

    Attributes:
        passed_over: after `latest`, one sentence for each checkpoint that was newer and broken.
    """

    def __init__(self, directory, keep=3, keep_every=None):
        self.directory = os.fspath(directory)
        self.keep = keep
        self.keep_every = keep_every
        self.passed_over = []

    def steps(self):
        """The steps of all checkpoints that are there, broken ones too, in order."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return sorted(int(found.group(1)) for name in names if (found := _NAME.fullmatch(name)))

    def save(self, step, groups):
        """Writes a checkpoint, then removes those that are not to be kept.

        Args:
            step: int, the number of steps that are done.
            groups: dict of name to a list of Keras variables, in an order that is the same in every process.

        Raises:
            WorkFailed: it cannot be written, or a value is NaN or infinite; what was there is as it was.
        """
        arrays = {}
        for group, variables in groups.items():
            for number, variable in enumerate(variables):
                arrays[f"{group}/{number:05d}"] = value = np.asarray(variable.numpy(), order="C")
                if value.dtype.kind == "f" and not np.isfinite(value).all():
                    raise WorkFailed(
                        f"After step {step} {variable.path} holds NaN or infinite values; {self._way_back()}"
                    )
        path = self._path(step)
        try:
            # Only a broken one of the same step can be there: whoever goes on starts after the newest whole one.
            shutil.rmtree(path, ignore_errors=True)
            with replaced_directory(path) as new:
                _write(new, step, arrays)
        except (OSError, safetensors.SafetensorError, BadInput) as error:
            raise WorkFailed(f"Cannot write the checkpoint {path} ({error}); {self._way_back()}") from error
        self._make_room()
        return path

    def latest(self):
        """The newest checkpoint that is whole, or None where there is none at all.

        Raises:
            BadInput: there are checkpoints, and all are broken.
        """
        self.passed_over = []
        for step in reversed(self.steps()):
            try:
                return _read(self._path(step), step)
            except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
                self.passed_over.append(f"{self._path(step)} is broken ({error})")
        if self.passed_over:
            raise BadInput(
                f"None of the {len(self.passed_over)} checkpoints in {self.directory} is whole: {self.passed_over[0]}; "
                "start again in another directory."
            )
        return None

    def clear_leftovers(self):
        """Removes what writers that were killed have left."""
        if os.path.isdir(self.directory):
            for name in os.listdir(self.directory):
                if name.startswith(".step_"):
                    shutil.rmtree(os.path.join(self.directory, name), ignore_errors=True)

    def _way_back(self):
        steps = self.steps()
        if not steps:
            return "there is no checkpoint yet to go on from."
        return f"a resumed run goes on from the last checkpoint, step {steps[-1]} ({self._path(steps[-1])})."

    def _path(self, step):
        return os.path.join(self.directory, f"step_{step:08d}")

    def _make_room(self):
        for step in self.steps()[: -self.keep]:
            if not (self.keep_every and step % self.keep_every == 0):
                shutil.rmtree(self._path(step), ignore_errors=True)


def restore(checkpoint, groups):
    """Puts a checkpoint's values into variables.

    Args:
        checkpoint: `Checkpoint`.
        groups: as for `CheckpointStore.save`.

    Raises:
        BadInput: it holds other variables than these; nothing is changed then.
    """
    wanted = {
        f"{group}/{number:05d}": variable
        for group, variables in groups.items()
        for number, variable in enumerate(variables)
    }
    shapes = {name: (tuple(variable.shape), variable.dtype) for name, variable in wanted.items()}
    found = {name: (array.shape, array.dtype.name) for name, array in checkpoint.arrays.items()}
    if found != shapes:
        name = next(name for name in sorted({*found, *shapes}) if found.get(name) != shapes.get(name))
        raise BadInput(
            f"The checkpoint {checkpoint.path} is of another model or optimizer: it has {found.get(name)} for {name}, "
            f"here it is {shapes.get(name)}; go on with the settings that the run was started with."
        )
    for name, variable in wanted.items():
        variable.assign(checkpoint.arrays[name])


def _write(directory, step, arrays):
    file = os.path.join(directory, _ARRAYS)
    safetensors.numpy.save_file(arrays, file)
    description = {"step": step, "bytes": os.path.getsize(file), "sha256": _sha256(file)}
    with open(os.path.join(directory, _DESCRIPTION), "w", encoding="utf-8") as opened:
        json.dump(description, opened, indent=2)
    # The checksum must not be on the disk before what it is of.
    for name in (_ARRAYS, _DESCRIPTION):
        with open(os.path.join(directory, name), "rb") as opened:
            os.fsync(opened.fileno())


def _read(path, step):
    file = os.path.join(path, _ARRAYS)
    with open(os.path.join(path, _DESCRIPTION), encoding="utf-8") as opened:
        description = json.load(opened)
    if description["step"] != step:
        raise ValueError(f"{_DESCRIPTION} is that of step {description['step']}")
    if os.path.getsize(file) != description["bytes"] or _sha256(file) != description["sha256"]:
        raise ValueError(f"{_ARRAYS} is not what was written: its size or SHA-256 differs")
    return Checkpoint(step, path, safetensors.numpy.load_file(file))


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()
