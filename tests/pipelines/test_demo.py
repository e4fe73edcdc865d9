"""The demo's own parts; the demo as a whole is `make demo`."""

import csv

import pytest

from pipelines import demo
from pipelines.load import load_config
from pipelines.result import RunResult

pytest.importorskip("tfx")


def test_the_demo_writes_the_reviews_of_tfx_with_names_for_their_labels(tmp_path):
    config = load_config(demo.write_inputs(tmp_path / "demo"))
    rows = {name: list(csv.DictReader(open(path, newline=""))) for name, path in config.data.files.items()}
    assert {name: len(some) for name, some in rows.items()} == {"train": 70, "eval": 30}
    assert rows["train"][0]["text"].startswith("This was an absolutely terrible movie.")
    assert rows["train"][0]["label"] == "negative"
    assert sum(row["label"] == "positive" for some in rows.values() for row in some) == 46


def test_a_second_demo_leaves_files_and_the_users_config_as_they_are(tmp_path):
    path = demo.write_inputs(tmp_path)
    path.write_text(path.read_text().replace("batch_size: 8", "batch_size: 4"))
    before = (tmp_path / "train.csv").stat().st_mtime_ns
    assert "batch_size: 4" in demo.write_inputs(tmp_path).read_text()
    assert (tmp_path / "train.csv").stat().st_mtime_ns == before


def test_a_folder_that_cannot_be_written_is_bad_input(tmp_path, refusal):
    (tmp_path / "file").write_text("")
    assert "file/demo cannot be written" in refusal(demo.write_inputs, tmp_path / "file/demo")


def test_the_closing_lines_say_how_little_an_accuracy_on_few_rows_means(tmp_path):
    result = RunResult(
        blessed=True,
        unfit=None,
        pushed_path=str(tmp_path / "serving/reviews/7"),
        why_not=[],
        metrics={"example_count": 30.0, "accuracy": 0.7},
        baseline_metrics={},
        slice_metrics={},
        details=(),
        anomalies=[],
        components={},
        preset=str(tmp_path / "model_run/3/preset"),
        saved_model="",
        log="",
    )
    lines = "\n".join(demo.closing(result, tmp_path / "serving/reviews"))
    assert "accuracy   0.70 on 30 reviews that training did not see" in lines
    assert "from 0.52 to 0.83 (95 %)" in lines
    assert f"serve {tmp_path}/serving/reviews --name reviews" in lines
