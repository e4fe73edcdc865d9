"""metrics.jsonl and TensorBoard's logs on a full disk; what else they do stands in test_pretraining_run."""

import json

import pytest

from bert_keras.errors import WorkFailed
from tests.bert_keras.full_disk import files_up_to


@pytest.fixture
def make_log(tmp_path):
    from bert_keras.training.run_log import RunLog

    return lambda step=0: RunLog(str(tmp_path), "metrics.jsonl", "logs", step)


def lines(tmp_path):
    return [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]


def test_a_line_that_does_not_fit_stops_the_run_and_is_gone_when_it_goes_on(make_log, tmp_path):
    log = make_log()
    log.write(1, {"tokens": 1})
    size = (tmp_path / "metrics.jsonl").stat().st_size
    with files_up_to(size + 10), pytest.raises(WorkFailed, match=r"metrics.jsonl: the disk is full .*\(--resume\)"):
        log.write(2, {"tokens": 1})
    assert (tmp_path / "metrics.jsonl").stat().st_size == size + 10
    log = make_log(step=1)
    log.write(2, {"tokens": 1})
    log.close()
    assert lines(tmp_path) == [1, 2]


def test_lines_that_cannot_be_put_in_order_stay_as_they_were(make_log, tmp_path):
    log = make_log()
    for step in (1, 2):
        log.write(step, {"tokens": 1})
    with files_up_to(10), pytest.raises(WorkFailed, match="metrics.jsonl: the disk is full"):
        make_log(step=1)
    assert lines(tmp_path) == [1, 2]


def test_logs_of_tensorboard_that_do_not_fit_are_a_failure(make_log, tmp_path):
    """A figure takes more room there than in metrics.jsonl, which fits."""
    log = make_log()
    with files_up_to(800), pytest.raises(WorkFailed, match="logs: the disk is full"):
        log.write(1, {"tokens": 1, **{f"figure_{number}": 0.5 for number in range(25)}})
    assert lines(tmp_path) == [1]
    log.close()
