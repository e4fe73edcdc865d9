"""A full disk: one line, code 1, the former output as it was, nothing left beside it, and room made is enough."""

import os
import subprocess
import sys

import pytest

from tests.bert_keras.cli.tiny import fine_tune, review, run, table
from tests.bert_keras.full_disk import files_up_to


def said_of(outcome):
    """The one line of a command that has failed."""
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("bert-keras: ")]
    assert (outcome.code, len(lines)) == (1, 1) and "Traceback" not in outcome.stderr, outcome.stderr
    return lines[0]


@pytest.fixture
def former(tmp_path):
    """A file with a former output, alone in its directory."""
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "out.csv").write_text("former")
    return tmp_path / "to" / "out.csv"


def commands(folder):
    (folder / "t.csv").write_text(table(f"{review(i)},{'ab'[i % 2]}" for i in range(100)))
    (folder / "c.txt").write_text("the lower the slower\nthe flow\n\nlow towers\n")
    return {
        "augment": ("augment", folder / "t.csv"),
        "vocab train": ("vocab", "train", folder / "c.txt", "--size", 40),
    }


@pytest.mark.parametrize("name", ["augment", "vocab train"])
def test_a_file_that_does_not_fit_leaves_the_former_one(former, tmp_path, name):
    command = (*commands(tmp_path)[name], "--out", former)
    with files_up_to(50):
        said = said_of(run(*command))
    assert f"{former}: the disk is full (File too large); what was there before is as it was" in said
    assert former.read_text() == "former" and os.listdir(former.parent) == ["out.csv"]
    assert run(*command).code == 0 and former.stat().st_size > 50


@pytest.mark.parametrize("size", [300, 12_000])
def test_fine_tuning_that_cannot_be_written_leaves_the_former_model(files, preset, trained, tmp_path, capfd, size):
    """300 bytes: TensorBoard's logs are the first that do not fit; 12,000: the weights, whose writer would crash."""
    out = tmp_path / "to" / "out"
    out.parent.mkdir()
    os.symlink(trained, out)
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    with files_up_to(size):
        said = said_of(fine_tune(preset, files / "dev.csv", out))
    assert "h5py" not in capfd.readouterr().err
    assert f"{out}: the disk is full (File too large); what was there before is as it was" in said
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before
    assert os.listdir(out.parent) == ["out"] and not list(trained.parent.glob(".*.new"))


@pytest.mark.parametrize("name", ["augment", "vocab train"])
def test_output_that_cannot_be_written_is_a_failure(tmp_path, name):
    """The terminal's place taken by a device that is always full; a short output fails as late as its flush."""
    command = [sys.executable, "-c", "from bert_keras.cli import main; main()"]
    command += [*map(str, commands(tmp_path)[name]), "--out", "-"]
    with open("/dev/full", "w") as full:
        found = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    last = found.stderr.splitlines()[-1]
    assert found.returncode == 1 and "Traceback" not in found.stderr, found.stderr
    assert last == "bert-keras: the output cannot be written (No space left on device): make room and run it again"
