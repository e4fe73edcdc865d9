"""Progress: plain lines where there is no terminal, a bar where there is one."""

import os
import pty
import subprocess
import sys

import pytest

from bert_keras.cli import progress


def test_plain_lines_come_at_intervals_with_the_time_left(capsys, monkeypatch):
    clock = iter([0.0, 4.0, 14.0, 15.0, 34.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.Progress("training", 100, unit="steps") as shown:
        for done in (10, 20, 21, 40):
            shown.update(done, "loss 0.5")
    assert capsys.readouterr().err.splitlines() == [
        "training: 20 of 100 steps, 14 s, about 80 s left, loss 0.5",
        "training: 40 of 100 steps, 34 s, about 60 s left, loss 0.5",
    ]


def test_an_unknown_total_gives_no_time_left(capsys, monkeypatch):
    clock = iter([0.0, 200.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.Progress("reading", None) as shown:
        shown.update(7)
    assert capsys.readouterr().err == "reading: 7 rows, 3 min 20 s\n"


def test_work_without_steps_is_one_line(capsys):
    with progress.working("exporting"):
        pass
    with progress.working("starting", plain=False):
        pass
    assert capsys.readouterr().err == "exporting …\n"


ON_A_TERMINAL = """
from bert_keras.cli import progress
with progress.working("starting"): pass
with progress.Progress("training", 4) as shown:
    for done in range(5): shown.update(done, "loss 0.5")
    shown.say("epoch 1")
print("on stdout")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_a_terminal_gets_a_bar_and_stdout_stays_clean():
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-c", ON_A_TERMINAL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave, env=environment) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not part:
                break
            shown += part
        assert process.stdout.read() == b"on stdout\n"
    text = shown.decode()
    assert "4/4" in text and "training loss 0.5" in text and "epoch 1" in text


@pytest.mark.parametrize("batches, steps, last", [([31, 63], 40, "40 of 80"), ([0], 1, "1 of 2")])
def test_the_training_never_counts_more_steps_than_there_are(capsys, monkeypatch, batches, steps, last):
    from bert_keras.cli.training_progress import TrainingProgress

    monkeypatch.setattr(progress, "PLAIN_INTERVAL", 0)
    with TrainingProgress() as callback:
        callback.set_params({"steps": steps, "epochs": 2})
        callback.on_train_begin()
        callback.on_epoch_begin(0)
        for batch in batches:
            callback.on_train_batch_end(batch, {"loss": 0.25})
        callback.on_epoch_end(0, {"loss": 0.25, "val_accuracy": 1})
    lines = capsys.readouterr().err.splitlines()
    assert last in lines[-2] and "epoch 1/2, loss 0.2500" in lines[-2]
    assert lines[-1] == "epoch 1/2: loss 0.2500, val_accuracy 1.0000"
