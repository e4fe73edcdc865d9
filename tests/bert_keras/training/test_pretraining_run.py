"""A pretraining run: stopped anywhere it goes on, and ends bit for bit where one ends that was never stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bert_keras.errors import WorkFailed
from tests.bert_keras.masked_rows import RowStream
from tests.bert_keras.training.pretraining_program import STEPS, make_run

ROOT = Path(__file__).resolve().parents[3]
TOTAL = sum(STEPS)


class Stop(Exception):
    """What ends a run from outside, at a step."""


def stop_at(wanted):
    def on_step(step, loss):
        if step == wanted:
            raise Stop

    return on_step


def lines_of(directory):
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    times = ("seconds", "tokens_per_second")
    return [{name: value for name, value in line.items() if name not in times} for line in lines]


def state_of(run):
    return {
        f"{group}/{number}": variable.numpy()
        for group, variables in run._state().items()
        for number, variable in enumerate(variables)
    }


def assert_same(run, whole):
    expected = state_of(whole)
    found = state_of(run)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never stopped."""
    run = make_run(tmp_path_factory.mktemp("whole"))
    run.run()
    return run


def test_a_run_leaves_checkpoints_a_preset_and_a_line_every_so_often(whole):
    directory = Path(whole.directory)
    assert sorted(os.listdir(directory)) == ["checkpoints", "logs", "metrics.jsonl", "preset"]
    assert whole.store.steps() == [12, 16, 18]
    lines = lines_of(directory)
    assert [line["step"] for line in lines] == [3, 6, 9, 12, 15, 18]
    assert [line["phase"] for line in lines] == [1] * 4 + [2] * 2
    assert all(line["tokens"] > 0 and np.isfinite(line["loss"]) for line in lines)


def test_its_preset_has_the_last_weights(whole):
    from bert_keras import PretrainingModel

    model = PretrainingModel.from_preset(os.path.join(whole.directory, "preset"))
    for weight, expected in zip(model.weights, whole.model.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy())


def test_tensorboard_reads_the_figures(whole):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(os.path.join(whole.directory, "logs"))
    events.Reload()
    assert [event.step for event in events.Tensors("mlm_loss")] == [3, 6, 9, 12, 15, 18]


def test_a_run_that_broke_off_ends_bit_for_bit_in_the_same_state(whole, tmp_path):
    """Once in the first phase, once in the second; lines of steps that are done again are written once."""
    for step in (7, 14):
        with pytest.raises(Stop):
            make_run(tmp_path, on_step=stop_at(step)).run()
    last = make_run(tmp_path)
    assert last.resume() == 12
    last.run()
    assert_same(last, whole)
    assert lines_of(tmp_path) == lines_of(Path(whole.directory))


def test_an_interrupted_run_loses_no_step(whole, tmp_path):
    def interrupt(step, loss):
        if step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_run(tmp_path, on_step=interrupt).run()
    last = make_run(tmp_path)
    assert last.resume() == 6
    last.run()
    assert_same(last, whole)


def test_a_finished_run_has_nothing_left_to_do(whole):
    again = make_run(whole.directory)
    assert again.run() is None and again.step == TOTAL
    assert_same(again, whole)


def test_a_run_that_was_stopped_between_its_last_checkpoint_and_its_preset_still_gets_one(whole, tmp_path):
    from bert_keras import PretrainingModel

    shutil.copytree(Path(whole.directory) / "checkpoints", tmp_path / "checkpoints")
    make_run(tmp_path).run()
    model = PretrainingModel.from_preset(str(tmp_path / "preset"))
    for weight, expected in zip(model.weights, whole.model.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy())


def test_measuring_that_is_broken_off_leaves_nothing_in_the_metrics(tmp_path):
    """What is saved then would count the held-out rows among those of training."""
    from bert_keras.training.held_out import HeldOut

    run = make_run(tmp_path)
    run.resume()

    def broken_off(iterator):
        run.model.metrics[0].update_state(3.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        HeldOut(RowStream(20, 0, 12), 8, 8).measure(run.model, run.workers, broken_off)
    assert [float(variable) for metric in run.model.metrics for variable in metric.variables if variable != 0] == []


def test_a_broken_checkpoint_costs_the_steps_since_the_one_before(whole, tmp_path):
    with pytest.raises(Stop):
        make_run(tmp_path, on_step=stop_at(9)).run()
    os.truncate(tmp_path / "checkpoints" / "step_00000008" / "state.safetensors", 100)
    last = make_run(tmp_path)
    assert last.resume() == 4 and "step_00000008 is broken" in last.store.passed_over[0]
    last.run()
    assert_same(last, whole)


def test_a_loss_that_is_nan_stops_the_run_and_names_step_and_checkpoint(tmp_path):
    def spoil(step, loss):
        if step == 6:
            run.model.mlm_head.bias.assign(run.model.mlm_head.bias * np.nan)

    run = make_run(tmp_path, on_step=spoil)
    with pytest.raises(WorkFailed, match=r"The loss is nan at step 7; .*step 4 in .* is the last good one"):
        run.run()
    assert run.store.steps() == [4] and run.store.latest().step == 4


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [5, 13])
def test_a_killed_process_goes_on_from_its_last_checkpoint(whole, tmp_path, kill_at):
    """SIGKILL, at a step that is no checkpoint; then the same program again, in another process."""
    program = [sys.executable, "-m", "tests.bert_keras.training.pretraining_program", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(program, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) == kill_at:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.splitlines()[0]) >= kill_at // 4 * 4 + 1
    last = make_run(tmp_path)
    assert last.resume() == TOTAL
    assert_same(last, whole)
