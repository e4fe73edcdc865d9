"""`bert-keras pretrain --strategy multi_worker` in two processes on this machine, beside one process alone.

The pairs of processes are few, as each has to start TensorFlow twice: one that nobody disturbs, and one in which a
worker is killed, which is taken up, told to stop, and taken up again.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.bert_keras.cli.tiny import run
from tests.bert_keras.row_directory import write_rows
from tests.bert_keras.tiny_encoder import tiny_encoder

ROOT = Path(__file__).resolve().parents[3]
LETTERS = "abcdefghijklmnop"
STEPS, EVERY = 10, 3
KILLED_AFTER, TOLD_AFTER = 5, 7
# Of the checks in `multi_worker.py`: one that waits for its turn, and the end of a busy process.
BOUND_SECONDS = 45

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """The options of all runs but for --strategy and --out: an encoder without dropout, 10 steps."""
    from bert_keras import MaskedTextPreprocessor, PretrainingModel, WordPieceTokenizer

    folder = tmp_path_factory.mktemp("world")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
    tokenizer = WordPieceTokenizer(pieces)
    model = PretrainingModel(tiny_encoder(pieces, num_layers=1), MaskedTextPreprocessor(tokenizer, max_length=16))
    model.save_to_preset(folder / "preset")
    (folder / "rows").mkdir()
    rows = write_rows(folder / "rows", tokenizer, list(LETTERS))
    options = ("--preset", folder / "preset", "--data", rows, "--steps", STEPS, "--batch-size", 8)
    options += ("--eval", rows, "--eval-every", 5, "--eval-rows", 16)
    return (*options, "--log-every", 2, "--checkpoint-every", EVERY, "--learning-rate", 1e-3)


@pytest.fixture(scope="module")
def start(options):
    """`start(out, …)`: the outcomes of the two workers, see `Pair`."""

    def pair(out, *args, signals=((0, 9), (0, 9)), folders=(ROOT, ROOT)):
        addresses = free_addresses(2)
        processes, ends = [], [None, None]
        for index, (step, number) in enumerate(signals):
            command = [sys.executable, "-m", "tests.bert_keras.training.signalled_command", step, int(number)]
            command += ["pretrain", *options, "--strategy", "multi_worker", "--out", out, *args]
            environment = {**os.environ, "TF_CONFIG": tf_config(addresses, index), "PYTHONPATH": str(ROOT)}
            processes.append(
                subprocess.Popen(
                    [str(word) for word in command],
                    cwd=folders[index],
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        try:
            until = time.monotonic() + 300
            while None in ends and time.monotonic() < until:
                for index, process in enumerate(processes):
                    if ends[index] is None and process.poll() is not None:
                        ends[index] = time.monotonic()
                time.sleep(0.1)
        finally:
            for process in processes:
                process.kill()
        texts = [process.communicate() for process in processes]
        return Pair(addresses, [process.returncode for process in processes], ends, *zip(*texts))

    return pair


class Pair:
    """Two workers that have ended: addresses, codes, when, and what they wrote, each a list of two."""

    def __init__(self, addresses, codes, ends, stdout, stderr):
        self.addresses, self.codes, self.ends, self.stdout, self.stderr = addresses, codes, ends, stdout, stderr

    def last_line(self, number):
        return self.stderr[number].strip().splitlines()[-1]


def free_addresses(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def tf_config(addresses, index):
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})


def state(out, step=STEPS):
    return load_file(out / "checkpoints" / f"step_{step:08d}" / "state.safetensors")


def figures(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "second" not in name} for line in lines]


@pytest.fixture(scope="module")
def alone(options, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "run"
    outcome = run("pretrain", *options, "--out", out)
    assert outcome.code == 0, outcome.stderr
    return out


@pytest.fixture(scope="module")
def together(start, tmp_path_factory):
    out = tmp_path_factory.mktemp("together") / "run"
    pair = start(out)
    assert pair.codes == [0, 0], pair.stderr
    return out, pair


@pytest.fixture(scope="module")
def killed(start, tmp_path_factory):
    """Worker 1 gets SIGKILL."""
    out = tmp_path_factory.mktemp("killed") / "run"
    return out, start(out, signals=((0, 9), (KILLED_AFTER, signal.SIGKILL)))


@pytest.fixture(scope="module")
def told(start, killed):
    """The same run goes on, and worker 1 gets SIGTERM."""
    out, _ = killed
    return out, start(out, "--resume", signals=((0, 9), (TOLD_AFTER, signal.SIGTERM)))


@pytest.fixture(scope="module")
def finished(start, told):
    """The same run goes on to its end."""
    out, _ = told
    pair = start(out, "--resume")
    assert pair.codes == [0, 0], pair.stderr
    return out


def test_two_workers_end_in_the_weights_of_one(alone, together):
    expected, found = state(alone), state(together[0])
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5, err_msg=name)


def test_two_workers_write_the_figures_of_one(alone, together):
    expected, found = figures(alone), figures(together[0])
    assert [line["step"] for line in found] == [2, 4, 5, 5, 6, 8, 10, 10]
    for line, other in zip(found, expected, strict=True):
        assert line == pytest.approx(other, rel=1e-4)


def test_worker_0_writes_and_the_other_says_so(together):
    out, pair = together
    assert sorted(os.listdir(out)) == ["checkpoints", "logs", "metrics.jsonl", "preset", "train_args.json"]
    assert sorted(os.listdir(out / "checkpoints")) == ["step_00000006", "step_00000009", "step_00000010"]
    assert len(os.listdir(out / "logs")) == 1
    assert pair.stdout[0].endswith(f"written: {out / 'preset'}\n")
    assert pair.stdout[1] == f"done; worker 0 ({pair.addresses[0]}) has written {out / 'preset'}\n"


def test_the_preset_has_the_weights_of_the_run(together):
    from bert_keras import PretrainingModel

    model = PretrainingModel.from_preset(str(together[0] / "preset"))
    saved = state(together[0])
    for number, weight in enumerate(model.weights):
        np.testing.assert_array_equal(weight.numpy(), saved[f"weights/{number:05d}"])


def test_a_killed_worker_ends_the_other_soon_with_one_clear_line(killed):
    _, pair = killed
    assert pair.codes == [1, -signal.SIGKILL], pair.stderr
    assert pair.last_line(0) == (
        f"bert-keras: Training has stopped: worker 1 ({pair.addresses[1]}) is gone (killed, failed or out of reach); "
        "start it again on every machine, with --resume: it goes on from step 3."
    )
    said = [line for line in pair.stderr[0].splitlines() if not line.startswith(("step ", "pretraining", "waiting"))]
    assert len(said) == 1 and "Traceback" not in pair.stderr[0]
    assert pair.ends[0] - pair.ends[1] < BOUND_SECONDS


def test_a_worker_that_is_told_to_stop_stops_all_after_a_step_that_is_saved(told):
    out, pair = told
    assert pair.codes == [1, 143], pair.stderr
    assert pair.last_line(1) == "bert-keras: terminated"
    stopped = TOLD_AFTER + 1
    assert pair.last_line(0) == (
        f"bert-keras: Training has stopped at step {stopped}, by a signal to worker 1 ({pair.addresses[1]}); start it "
        f"again on every machine, with --resume: it goes on from step {stopped}."
    )
    assert f"step_{stopped:08d}" in os.listdir(out / "checkpoints")


def test_a_disturbed_run_ends_bit_for_bit_in_the_state_of_an_undisturbed_one(together, finished):
    expected, found = state(together[0]), state(finished)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert [line["step"] for line in figures(finished)] == [2, 4, 5, 5, 6, 8, 10, 10]


def test_workers_that_do_not_share_the_directory_are_told_so(start, alone, tmp_path):
    """The same relative --out, in another folder each; the run of one process has the same steps."""
    arguments = json.loads((alone / "train_args.json").read_text())
    arguments["arguments"] |= {"strategy": "multi_worker"}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train_args.json").write_text(json.dumps(arguments))
    (tmp_path / "run" / "checkpoints").symlink_to(alone / "checkpoints")
    (tmp_path / "other").mkdir()
    pair = start("run", "--resume", folders=(tmp_path, tmp_path / "other"))
    assert pair.codes == [2, 2], pair.stderr
    for number in (0, 1):
        said = (
            f"The step to go on from is 0 for worker 1 ({pair.addresses[1]}) and 10 for worker 0; expected one run dir"
        )
        assert said in pair.last_line(number)
    assert os.listdir(tmp_path / "other") == []


def test_the_shares_of_the_workers_make_up_each_batch_and_do_not_overlap(options):
    """Over the end of an epoch, and from a place within one."""
    from bert_keras.data.row_files import RowFiles

    rows = RowFiles(options[3])
    start, count = (0, 5), rows.num_rows() // 6 + 3
    whole = rows.dataset(batch_size=6, start=start, drop_remainder=True).take(count)
    shares = [rows.dataset(2, start=start, drop_remainder=True, num_shards=3, index=index) for index in range(3)]
    for batch, *parts in zip(whole, *shares):
        for name, values in batch.items():
            dealt = np.stack([part[name].numpy() for part in parts], axis=1)
            np.testing.assert_array_equal(dealt.reshape(values.shape), values.numpy(), err_msg=name)


class TestOneProcess:
    """What is refused before anybody else is asked."""

    def pretrain(self, options, out, *args):
        return run("pretrain", *options, "--out", out, "--strategy", "multi_worker", *args)

    @pytest.fixture
    def cluster(self, monkeypatch):
        monkeypatch.setenv("TF_CONFIG", tf_config(["localhost:1", "localhost:2"], 0))

    def assert_refused(self, outcome, said):
        assert (outcome.code, len(outcome.stderr.strip().splitlines())) == (2, 1)
        assert said in outcome.stderr

    def test_tf_config_that_is_missing(self, options, tmp_path, monkeypatch):
        monkeypatch.delenv("TF_CONFIG", raising=False)
        self.assert_refused(self.pretrain(options, tmp_path / "run"), "TF_CONFIG is not set")

    def test_tf_config_that_is_no_json(self, options, tmp_path, monkeypatch):
        monkeypatch.setenv("TF_CONFIG", "worker")
        self.assert_refused(self.pretrain(options, tmp_path / "run"), "TF_CONFIG is not JSON")

    def test_a_batch_that_the_workers_do_not_divide(self, options, cluster, tmp_path):
        outcome = self.pretrain([9 if option == 8 else option for option in options], tmp_path / "run")
        self.assert_refused(outcome, "batch_size is 9, and 2 workers share each batch")

    def test_xla(self, options, cluster, tmp_path):
        outcome = self.pretrain(options, tmp_path / "run", "--jit")
        self.assert_refused(outcome, "--jit does not go with --strategy multi_worker")

    def test_a_process_that_has_used_tensorflow(self, alone, options, cluster, tmp_path):
        outcome = self.pretrain(options, tmp_path / "run")
        self.assert_refused(outcome, "TensorFlow has computed something in this process already")
        assert not (tmp_path / "run").exists()

    def test_fine_tuning(self, tmp_path):
        from bert_keras import BadInput, TextClassifier

        with pytest.raises(BadInput, match="'multi_worker' is for pretraining alone; expected one of none, mirrored"):
            TextClassifier.from_preset("tiny_uncased", strategy="multi_worker")


def test_a_worker_that_never_comes_is_named_after_the_wait(options, tmp_path):
    addresses = free_addresses(2)
    command = [sys.executable, "-c", "from bert_keras.cli import main; main()", "pretrain", *options]
    command += ["--strategy", "multi_worker", "--wait-for-workers", 1, "--out", tmp_path / "run"]
    environment = {**os.environ, "TF_CONFIG": tf_config(addresses, 0), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"waiting for worker 1 ({addresses[1]}) …",
        f"bert-keras: No sign of worker 1 ({addresses[1]}) within 1 seconds; start the same command there, and see "
        "that the address can be reached.",
    ]
