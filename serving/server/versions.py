"""Version folders under a base path: which there are, which are complete, which are wanted."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from serving.server.config import ModelSettings

_INT64_MAX = 2**63 - 1
# A tree whose last change lies further back than this is taken as complete at the first look.
_QUIET_SECONDS = 2.0

Snapshot = tuple[tuple[str, int, int], ...]


def scan(base_path: str) -> dict[int, Path]:
    """Version number to folder: every folder whose name is an int64 (`00000123` is 123). Raises OSError."""
    found = {}
    for entry in sorted(os.scandir(base_path), key=lambda e: e.name):
        name = entry.name
        if name.isascii() and name.isdigit() and int(name) <= _INT64_MAX and entry.is_dir():
            found.setdefault(int(name), Path(entry.path))
    return found


def wanted(settings: ModelSettings, versions: list[int]) -> list[int]:
    """The versions that the model's policy asks for, newest first, of those that can be had."""
    newest_first = sorted(versions, reverse=True)
    if settings.latest is not None:
        return newest_first[: settings.latest]
    if settings.versions is not None:
        return [version for version in newest_first if version in settings.versions]
    return newest_first


@dataclass
class _Seen:
    snapshot: Snapshot
    settled: bool


class CompletenessGate:
    """Says of a version folder whether it is complete: `saved_model.pb` is there and nothing changes any more.

    TensorFlow Serving loads whatever it finds; a folder that is still being copied then fails, or serves in part. Here
    such a folder waits, and no load is tried. A folder is complete when its files are as they were at the look before,
    or were last touched (by their change time, which copying cannot set back) a while ago.
    """

    def __init__(self):
        self._seen: dict[Path, _Seen] = {}

    def complete(self, folder: Path) -> bool:
        snapshot, newest = _look(folder)
        if not any(name == "saved_model.pb" for name, _, _ in snapshot):
            self._seen.pop(folder, None)
            return False
        before = self._seen.get(folder)
        same = before is not None and before.snapshot == snapshot
        quiet = time.time() - newest > _QUIET_SECONDS
        self._seen[folder] = _Seen(snapshot, same or quiet)
        return same or quiet

    def snapshot(self, folder: Path) -> Snapshot | None:
        """What the folder held at the last look."""
        seen = self._seen.get(folder)
        return seen.snapshot if seen else None

    def forget_all_but(self, folders: set[Path]) -> None:
        for folder in set(self._seen) - folders:
            del self._seen[folder]


def _look(folder: Path) -> tuple[Snapshot, float]:
    files, newest = [], 0.0
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            try:
                stat = os.stat(path)
            except OSError:
                continue  # renamed or removed since the listing
            files.append((os.path.relpath(path, folder), stat.st_size, stat.st_mtime_ns))
            newest = max(newest, stat.st_ctime)
    return tuple(sorted(files)), newest
