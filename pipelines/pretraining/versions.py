"""Presets in a folder of versions, whose names are numbers that rise with the time."""

import hashlib
import os
import shutil
import time
from pathlib import Path

from bert_keras.files import replaced_directory


def newest_version(base: str | os.PathLike) -> str | None:
    """The path of the newest version below a folder; None where there is none."""
    numbers = _numbers(base)
    return os.path.join(base, str(numbers[-1])) if numbers else None


def push(preset: str, base: str | os.PathLike) -> str:
    """Copies a preset's directory to a new version below a folder, where it appears whole, and gives its path.

    Where the newest version holds the same files, that is the one.
    """
    newest = newest_version(base)
    if newest and _digest(newest) == _digest(preset):
        return newest
    version = os.path.join(base, str(max([int(time.time()), *(number + 1 for number in _numbers(base))])))
    with replaced_directory(version) as new:
        shutil.copytree(preset, new, dirs_exist_ok=True)
    return version


def _numbers(base: str | os.PathLike) -> list[int]:
    return sorted(int(name) for name in os.listdir(base) if name.isdigit()) if os.path.isdir(base) else []


def _digest(folder: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
