"""One pipeline, run several times: what each component wrote, what was pushed and why, and what a second run keeps."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from bert_keras.errors import BadInput, WorkFailed
from pipelines.load import load_config
from pipelines.prepare import prepare
from pipelines.runner import run, run_config

pytest.importorskip("tfx")
pytestmark = pytest.mark.slow

COMPONENTS = [
    "ExampleGen",
    "LastBlessedModel",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "Transform",
    "Trainer",
    "Evaluator",
    "InfraValidator",
    "Pusher",
]
ALWAYS_RUNS = "LastBlessedModel"  # a look into the metadata, which TFX does not cache

CONFIG = """
name: films
data: {{train: train.jsonl, eval: eval.jsonl}}
model: {{preset: {preset}, max_length: 24}}
train: {{epochs: 6, batch_size: 8, learning_rate: 3.0e-3, strategy: none, keep_best: true}}
evaluate:
  thresholds: {{accuracy: {threshold}}}
  slices: [channel]
infra_validation: {{{infra}}}
"""


class Workshop:
    """A folder with data and a config, and what its runs said."""

    def __init__(self, folder, preset):
        self.folder, self.preset, self.lines = folder, preset, []

    @property
    def pushed(self):
        serving = self.folder / "runs/serving/films"
        return sorted(os.listdir(serving)) if serving.exists() else []

    def write(self, threshold="{lower_bound: 0.8, change: -0.05}", infra="examples: 2", name="pipeline"):
        """Writes the config with this bar for the accuracy and these keys of `infra_validation`."""
        path = self.folder / f"{name}.yaml"
        path.write_text(CONFIG.format(preset=self.preset, threshold=threshold, infra=infra))
        return path

    def run(self, **config):
        """Runs the pipeline with this config."""
        path = self.write(**config)
        self.lines = []
        return run_config(path, self.lines.append)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, tiny_preset, films, write_jsonl):
    folder = tmp_path_factory.mktemp("films")
    write_jsonl(folder / "train.jsonl", films(240, seed=1))
    # A channel that training never saw.
    write_jsonl(
        folder / "eval.jsonl", [*films(60, seed=2), {"text": "a great dog", "label": "pos", "channel": "radio"}]
    )
    return Workshop(folder, tiny_preset)


@pytest.fixture(scope="module")
def first(workshop):
    """The result of the first run, and the lines that it said."""
    result = workshop.run()
    return result, list(workshop.lines)


@pytest.fixture(scope="module")
def trained(first):
    """The task as the Trainer left it."""
    from bert_keras import load_task

    return load_task(first[0].preset)


@pytest.fixture(scope="module")
def pushed_model(first):
    import tensorflow as tf

    return tf.saved_model.load(first[0].pushed_path)


def rows_of(workshop, name):
    return [json.loads(line) for line in (workshop.folder / name).read_text().splitlines()]


def by_name(row):
    return sorted(row.items())


def artifacts(workshop, component, output):
    """The newest folder of an output."""
    folder = workshop.folder / "runs/films" / component / output
    return folder / max(os.listdir(folder), key=int)


def test_each_component_runs_once(first):
    result, lines = first
    assert result.components == {name: "ran" for name in COMPONENTS}
    started = [line.partition("] ")[2].removesuffix(" …") for line in lines if line.startswith("[")]
    assert started == COMPONENTS


def test_the_first_good_model_is_blessed_and_pushed(first, workshop):
    result, lines = first
    assert result.blessed and result.why_not == []
    assert result.metrics["accuracy"] > 0.8
    assert Path(result.pushed_path).parent == workshop.folder / "runs/serving/films"
    assert f"blessed; pushed to {result.pushed_path}" in lines
    assert result.baseline_metrics == {}


def test_the_evaluator_gives_the_metrics_that_evaluate_gives(first, workshop, trained):
    records = trained.read_records(str(workshop.folder / "eval.jsonl"))
    expected = trained.evaluate_records(records)
    metrics = dict(first[0].metrics)
    assert metrics.pop("example_count") == 61
    assert sorted(metrics) == sorted(expected)
    assert metrics == pytest.approx(expected, abs=1e-6)


def test_slices_are_measured_apart(first, workshop, trained):
    of_web = [row for row in rows_of(workshop, "eval.jsonl") if row["channel"] == "web"]
    answers = trained.answers([row["text"] for row in of_web])
    right = [answer["label"] == row["label"] for answer, row in zip(answers, of_web)]
    found = first[0].slice_metrics["channel:web"]
    assert found["example_count"] == len(of_web)
    assert found["accuracy"] == pytest.approx(np.mean(right))
    assert sorted(first[0].slice_metrics) == ["channel:radio", "channel:tv", "channel:web"]


def test_texts_with_quotes_tabs_and_line_ends_arrive_whole(first, workshop):
    import tensorflow as tf

    files = tf.io.gfile.glob(str(artifacts(workshop, "ExampleGen", "examples") / "Split-train/*"))
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in ("text", "label", "channel")}
    rows = []
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP"):
        example = tf.io.parse_single_example(record, spec)
        rows.append({name: value.numpy().decode() for name, value in example.items()})
    given = rows_of(workshop, "train.jsonl")
    assert any(set(row["text"]) >= {'"', "\t", "\n"} for row in given)
    assert sorted(map(by_name, rows)) == sorted(map(by_name, given))


def test_the_transformed_ids_are_those_of_the_tokenizer_that_is_served(first, workshop, trained):
    from pipelines.trainer import read_rows

    files = [str(artifacts(workshop, "Transform", "transformed_examples") / "Split-eval/*")]
    rows = read_rows(files, str(artifacts(workshop, "Transform", "transform_graph")), trained)
    ids = np.split(rows.token_ids, np.cumsum(rows.lengths)[:-1])
    found = sorted((tuple(row), int(label)) for row, label in zip(ids, rows.targets))
    given = rows_of(workshop, "eval.jsonl")
    expected_ids, _ = trained.preprocessor.ragged([row["text"] for row in given])
    expected = zip(expected_ids.to_list(), [trained.labels.index(row["label"]) for row in given])
    assert found == sorted((tuple(row), label) for row, label in expected)


def test_the_order_in_which_beam_writes_does_not_matter_to_training(first, workshop, trained, tmp_path):
    import tensorflow as tf

    from pipelines.trainer import read_rows

    pattern = str(artifacts(workshop, "Transform", "transformed_examples") / "Split-train/*")
    graph = str(artifacts(workshop, "Transform", "transform_graph"))
    records = list(tf.data.TFRecordDataset(tf.io.gfile.glob(pattern), compression_type="GZIP").as_numpy_iterator())
    with tf.io.TFRecordWriter(str(tmp_path / "reversed.gz"), "GZIP") as writer:
        for record in reversed(records):
            writer.write(record)
    one, other = (read_rows([some], graph, trained) for some in (pattern, str(tmp_path / "*.gz")))
    np.testing.assert_array_equal(one.token_ids, other.token_ids)
    np.testing.assert_array_equal(one.targets, other.targets)


def test_the_pushed_model_answers_as_the_trained_one(pushed_model, trained):
    import tensorflow as tf

    texts = ["the film is great", "a dull , awful story", "it was"]
    served = pushed_model.signatures["serving_default"](text=tf.constant(texts))
    answers = trained.answers(texts)
    assert [label.decode() for label in served["label"].numpy()] == [answer["label"] for answer in answers]
    np.testing.assert_allclose(served["score"], [answer["score"] for answer in answers], atol=1e-5)


def test_the_pushed_model_reads_targets_as_it_numbers_them(pushed_model):
    import tensorflow as tf

    def example(label):
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[label]))
        return tf.train.Example(features=tf.train.Features(feature={"label": feature})).SerializeToString()

    ids = pushed_model.signatures["targets"](examples=tf.constant([example(b"pos"), example(b"neg"), example(b"new")]))
    assert ids["label_id"].numpy().tolist() == [1, 0, -1]


def test_warm_up_requests_travel_with_the_pushed_model(first):
    assert os.path.getsize(os.path.join(first[0].pushed_path, "assets.extra/tf_serving_warmup_requests")) > 0


def test_what_is_unlike_the_training_data_is_reported_in_words(first):
    result, lines = first
    (anomaly,) = result.anomalies
    assert anomaly.startswith("split eval, feature 'channel': ")
    assert "radio" in anomaly
    assert f"data: {anomaly}" in lines


def test_the_trainer_keeps_the_weights_of_the_best_epoch(first):
    said = [line for line in first[1] if "val_loss" in line and "epoch 1.00" in line]
    assert len(said) == 1 and said[0].endswith(", the best so far")


def test_the_trainer_leaves_logs_for_tensorboard(first):
    logs = Path(first[0].preset).parent / "logs"
    assert sorted(os.listdir(logs)) == ["train", "validation"]


def test_everything_that_tfx_said_is_in_the_log(first):
    result, lines = first
    assert "Going to run a new execution" in Path(result.log).read_text()
    assert not any("Going to run" in line for line in lines)


def test_an_unchanged_run_takes_all_from_the_cache_and_measures_against_the_last_blessed_model(first, workshop):
    again = workshop.run()
    ran = {name for name, state in again.components.items() if state == "ran"}
    # There is a base line to compare with, which there was not before.
    assert ran == {ALWAYS_RUNS, "Evaluator", "Pusher"}
    assert again.saved_model == first[0].saved_model
    assert again.baseline_metrics == again.metrics
    assert "(the last blessed model in brackets)" in "\n".join(workshop.lines)
    third = workshop.run()
    assert {name for name, state in third.components.items() if state == "ran"} == {ALWAYS_RUNS}
    assert third.pushed_path == again.pushed_path


def test_a_model_below_the_bar_is_not_pushed_and_the_run_says_why(first, workshop):
    before = workshop.pushed
    with pytest.raises(WorkFailed) as failure:
        workshop.run(threshold="{lower_bound: 1.0}")
    accuracy = first[0].metrics["accuracy"]
    assert accuracy < 1
    reason = f"accuracy is {accuracy:.4f}; the config asks for at least 1"
    assert f"the model is not good enough, and nothing was pushed: {reason} (the model is at " in str(failure.value)
    assert workshop.lines[-2:] == [f"not blessed: {reason}", "nothing was pushed"]
    assert workshop.pushed == before


def test_a_model_that_no_server_can_use_is_not_pushed_and_the_run_says_why(first, workshop):
    server = workshop.folder / "model_server"
    server.write_text("#!/bin/sh\necho 'Failed to start server. Error: UNKNOWN: Op type not registered'\nexit 255\n")
    server.chmod(0o755)
    before = workshop.pushed
    with pytest.raises(WorkFailed) as failure:
        workshop.run(infra="binary: model_server, tries: 1")
    reason = "the server did not load it: Failed to start server. Error: UNKNOWN: Op type not registered"
    assert f"a model server cannot use the model, and nothing was pushed: {reason} (" in str(failure.value)
    assert "to try the same model again, change `infra_validation.tries`" in str(failure.value)
    assert workshop.lines[-2:] == [f"not fit to serve: {reason}", "nothing was pushed"]
    assert workshop.pushed == before


def test_what_is_unlike_the_training_data_stops_the_run_where_the_config_says_so(first, workshop):
    path = workshop.write(name="stop")
    path.write_text(path.read_text().replace("eval: eval.jsonl", "eval: eval.jsonl, anomalies: stop"))
    lines = []
    with pytest.raises(
        BadInput, match="split eval, feature 'channel': .*radio.*; mend the data, or go on all the same"
    ):
        run_config(path, lines.append)
    assert lines[-2].endswith("ExampleValidator …")


def test_a_model_no_better_than_the_last_blessed_one_is_held_back_where_a_gain_is_asked_for(first, workshop):
    before = workshop.pushed
    with pytest.raises(WorkFailed, match=r"accuracy changed by \+0.0000 against the last blessed model"):
        workshop.run(threshold="{change: 0.01}")
    assert workshop.pushed == before


def test_the_failure_of_a_component_is_told_by_its_name(first, workshop, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("out of memory\nand much more")

    # TFX reloads the module of run_fn, so it is what that one imports that breaks.
    monkeypatch.setattr("pipelines.task.make_task", broken)
    path = workshop.write(threshold="{lower_bound: 0.8}", name="broken")
    path.write_text(path.read_text().replace("epochs: 6", "epochs: 7"))
    with pytest.raises(WorkFailed, match="the component Trainer failed: out of memory \\(all of it: "):
        run_config(path, lambda line: None)


def test_a_model_of_pairs_and_numbers_goes_the_same_way(tmp_path, tiny_preset, films):
    folder = tmp_path
    rows = films(160, seed=5)
    with open(folder / "pairs.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sentence1", "sentence2", "score"])
        for row in rows:
            writer.writerow([row["text"], "a film", 4.5 if row["label"] == "pos" else 0.5])
    (folder / "pairs.yaml").write_text(
        f"name: pairs\nmodel: {{preset: {tiny_preset}, max_length: 24}}\n"
        "data: {path: pairs.csv, eval_fraction: 0.25}\n"
        "train: {epochs: 2, batch_size: 16, learning_rate: 3.0e-3}\n"
        "evaluate: {thresholds: {mean_squared_error: {upper_bound: 20}}}\n"
        "infra_validation: {enabled: false}\n"
    )
    result = run_config(folder / "pairs.yaml", lambda line: None)
    config = load_config(folder / "pairs.yaml")
    assert 20 <= result.metrics["example_count"] <= 60
    assert set(result.metrics) >= {"pearson", "spearman", "mean_squared_error", "mean_absolute_error"}
    assert Path(result.pushed_path).parent == config.push_directory


def test_a_model_of_several_labels_goes_the_same_way(tmp_path, tiny_preset, films, write_jsonl):
    rows = [
        {"text": row["text"], "label": [name for name in ("dog", "man") if name in row["text"]]}
        for row in films(160, seed=6)
    ]
    write_jsonl(tmp_path / "tags.jsonl", rows)
    (tmp_path / "tags.yaml").write_text(
        f"name: tags\nmodel: {{preset: {tiny_preset}, max_length: 24}}\n"
        "data: {path: tags.jsonl, eval_fraction: 0.25}\n"
        "train: {epochs: 2, batch_size: 16, learning_rate: 3.0e-3}\n"
        "infra_validation: {enabled: false}\n"
    )
    result = run_config(tmp_path / "tags.yaml", lambda line: None)
    assert set(result.metrics) >= {"micro_f1", "macro_f1", "hamming_error"}
    # Without a threshold of the user's the first model is good enough.
    assert result.blessed


def test_a_row_that_broke_since_the_data_were_looked_at_is_refused_in_one_sentence(
    tmp_path, tiny_preset, films, write_jsonl
):
    rows = films(40, seed=9)
    write_jsonl(tmp_path / "films.jsonl", rows)
    (tmp_path / "films.yaml").write_text(
        f"name: films\nmodel: {{preset: {tiny_preset}, max_length: 24}}\ndata: {{path: films.jsonl}}\n"
    )
    config = load_config(tmp_path / "films.yaml")
    prepared = prepare(config, "films.yaml")
    write_jsonl(tmp_path / "films.jsonl", [*rows[:33], {**rows[33], "text": ""}, *rows[34:]])
    with pytest.raises(BadInput) as refusal:
        run(config, prepared, lambda line: None)
    assert str(refusal.value) == (
        f"{tmp_path / 'films.jsonl'}, row 34, field 'text': the text is empty; expected at least one word: fill it in "
        "or delete the row"
    )


def test_a_split_without_rows_is_bad_input(tmp_path, tiny_preset, films, write_jsonl):
    write_jsonl(tmp_path / "few.jsonl", films(4, seed=8))
    (tmp_path / "few.yaml").write_text(
        f"name: few\nmodel: {{preset: {tiny_preset}, max_length: 24}}\ndata: {{path: few.jsonl, eval_fraction: 0.01}}\n"
    )
    with pytest.raises(BadInput, match="no row of the data fell into the split 'eval'; expected some: add rows"):
        run_config(tmp_path / "few.yaml", lambda line: None)
