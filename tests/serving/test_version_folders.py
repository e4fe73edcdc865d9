"""Version folders: which count, which a policy wants, which are complete."""

import os
import time

import pytest

from serving.server import versions
from serving.server.config import ModelSettings


def put(base, name, pb=True):
    folder = base / str(name)
    folder.mkdir()
    if pb:
        (folder / "saved_model.pb").write_bytes(b"graph")
    return folder


def test_versions_are_folders_named_by_an_int64(tmp_path):
    for name in ("1", "00000123", "-5", "1.5", "text", str(2**63), "temp-2"):
        (tmp_path / name).mkdir()
    (tmp_path / "9").write_text("a file")
    assert sorted(versions.scan(str(tmp_path))) == [1, 123]


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({}, [9]),
        ({"latest": 2}, [9, 3]),
        ({"latest": None}, [9, 3, 1]),
        ({"latest": None, "versions": (1, 7)}, [1]),
    ],
)
def test_policies(settings, expected):
    assert versions.wanted(ModelSettings("m", "/m", **settings), [1, 9, 3]) == expected


def test_a_folder_without_saved_model_pb_is_not_complete(tmp_path):
    gate = versions.CompletenessGate()
    folder = put(tmp_path, 1, pb=False)
    assert [gate.complete(folder), gate.complete(folder)] == [False, False]


def test_a_folder_is_complete_when_two_looks_see_the_same(tmp_path):
    gate = versions.CompletenessGate()
    folder = put(tmp_path, 1)
    assert gate.complete(folder) is False
    (folder / "variables").mkdir()
    (folder / "variables" / "data").write_bytes(b"1")
    assert gate.complete(folder) is False
    (folder / "variables" / "data").write_bytes(b"12")
    assert [gate.complete(folder), gate.complete(folder)] == [False, True]


def test_a_folder_untouched_for_a_while_is_complete_at_once(tmp_path, monkeypatch):
    folder = put(tmp_path, 1)
    later = time.time() + 10
    monkeypatch.setattr(versions.time, "time", lambda: later)
    assert versions.CompletenessGate().complete(folder) is True


def test_copying_an_old_modification_time_does_not_make_a_folder_look_complete(tmp_path):
    folder = put(tmp_path, 1)
    os.utime(folder / "saved_model.pb", (1, 1))
    assert versions.CompletenessGate().complete(folder) is False
