"""`fine-tune --tasks`: YAML files in, one model of several tasks out; and the commands that take it from there."""

import json
import socket
import subprocess
import sys
import time

import pytest

from tests.bert_keras.cli.tiny import Outcome, run

SENTENCES = ["fine film", "the plot is dull", "a great cast", "dull plot", "awful score"]
THINGS = ("film", "plot", "cast", "score")


@pytest.fixture(scope="session")
def folder(files, tmp_path_factory):
    """A directory with two tasks' YAML files beside their data, and a folder of the data of one."""
    path = tmp_path_factory.mktemp("tasks")
    rows = [[(word, "B-X" if word in THINGS else "O") for word in text.split()] for text in SENTENCES * 4]
    conll = "\n\n".join("\n".join("\t".join(pair) for pair in row) for row in rows) + "\n"
    (path / "words.conll").write_text(conll)
    (path / "train.csv").write_text((files / "train.csv").read_text().replace("text,label", "review,stars"))
    (path / "mood.yaml").write_text(
        f"task: classification\ntrain: train.csv\neval: {files / 'dev.csv'}\nmax_length: 16\nloss_weight: 2\n"
        "columns: {text: review, label: stars}\n"
    )
    text = (files / "dev.csv").read_text().replace("text,label", "review,stars")
    (path / "dev.csv").write_text(text)
    (path / "mood.yaml").write_text((path / "mood.yaml").read_text().replace(str(files / "dev.csv"), "dev.csv"))
    (path / "words.yaml").write_text(
        "name: things\ntask: token-classification\ntrain: words.conll\neval: words.conll\nmax_length: 24\n"
        "options: {label_pieces: all}\n"
    )
    return path


@pytest.fixture(scope="session")
def several(folder, preset) -> Outcome:
    """The run, as the terminal showed it; what it wrote is in `folder / "out"`."""
    outcome = fine_tune(folder, preset, "--epochs", 12, "--batch-size", 4, "--learning-rate", 5e-3, "--alpha", 0.5)
    assert outcome.code == 0, outcome.stderr
    return outcome


def fine_tune(folder, preset, *args, tasks=("mood.yaml", "words.yaml"), out="out"):
    paths = [folder / name for name in tasks]
    return run("fine-tune", "--tasks", *paths, "--preset", preset, "--out", folder / out, *args)


def test_it_writes_a_model_with_figures_for_each_task(several, folder):
    report = json.loads((folder / "out" / "metrics.json").read_text())
    assert {name: of_task["train_rows"] for name, of_task in report["tasks"].items()} == {"mood": 40, "things": 20}
    assert {name: of_task["eval_rows"] for name, of_task in report["tasks"].items()} == {"mood": 7, "things": 20}
    assert report["tasks"]["mood"]["eval"]["accuracy"] >= 0.8
    assert "f1" in report["tasks"]["things"]["eval"]
    assert {"loss", "mood_loss", "things_loss", "val_loss"} <= set(report["epochs"])
    assert list((folder / "out" / "logs").rglob("events*"))
    arguments = json.loads((folder / "out" / "train_args.json").read_text())["arguments"]
    assert (arguments["alpha"], arguments["tasks"]["mood"]["loss_weight"]) == (0.5, 2.0)


def test_it_ends_with_a_table_of_each_tasks_metrics(several):
    table = [line for line in several.stdout.splitlines() if line.startswith("│")]
    assert any("mood" in line and "accuracy" in line for line in table)
    assert any("things" in line and "precision" in line for line in table)
    assert several.stdout.splitlines()[-1].startswith("written:")


def test_the_best_weights_of_all_tasks_are_written(folder, preset):
    settings = ("--epochs", 2, "--batch-size", 8, "--learning-rate", 5e-3, "--keep-best", "--evaluations-per-epoch", 3)
    outcome = fine_tune(folder, preset, *settings, out="best")
    assert outcome.code == 0, outcome.stderr
    report = json.loads((folder / "best" / "metrics.json").read_text())
    measured, kept = report["keep_best"]["measured"], report["keep_best"]["kept"]
    means = [(entry["mood_accuracy"] + entry["things_f1"]) / 2 for entry in measured]
    assert [entry["mean"] for entry in measured] == pytest.approx(means) and len(means) == 6
    assert kept["mean"] == pytest.approx(max(means)) and "epoch 0.38: mean" in outcome.stderr
    for name in ("mood", "things"):
        assert report["tasks"][name]["eval"] == {
            key.removeprefix(f"{name}_"): value for key, value in kept.items() if key.startswith(f"{name}_")
        }


def test_the_best_weights_need_held_out_rows_of_every_task(folder, preset):
    (folder / "blind.yaml").write_text("task: classification\ntrain: train.csv\n")
    outcome = fine_tune(folder, preset, "--keep-best", tasks=("words.yaml", "blind.yaml"), out="none")
    assert outcome.code == 2 and not (folder / "none").exists()
    assert f"nothing to measure on; name held-out rows with the key `eval` of {folder / 'blind.yaml'}" in outcome.stderr


def test_evaluate_and_predict_name_the_task(several, folder):
    out = folder / "out"
    outcome = run("evaluate", out, "--task", "things", "--data", folder / "words.conll")
    assert outcome.code == 0 and "f1" in outcome.stdout, outcome.stderr
    outcome = run("predict", out, "--task", "mood", "great film")
    assert outcome.code == 0 and outcome.rows[0]["label"] == "pos", outcome.stderr
    outcome = run("predict", out, "--task", "things", "fine film")
    assert outcome.code == 0 and "entities" in outcome.rows[0], outcome.stderr


@pytest.mark.parametrize(
    "args, message",
    [
        ((), "holds the tasks mood, things; choose one with --task NAME"),
        (("--task", "thing"), "There is no task 'thing' (did you mean 'things'?)"),
    ],
)
def test_a_task_that_is_not_named_or_not_there_is_bad_input(several, folder, args, message):
    outcome = run("predict", folder / "out", *args, "fine film")
    assert outcome.code == 2 and message in outcome.stderr


@pytest.mark.slow
def test_a_client_reaches_each_task_of_the_export(several, folder):
    outcome = run("export", folder / "out", "--out", folder / "served")
    assert outcome.code == 0, outcome.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from bert_keras.cli import main; main()", "serve", str(folder / "served")]
    server = subprocess.Popen([*command, "--name", "m", "--port", str(port), "--rest-port", "0"])
    try:
        end = time.monotonic() + 120
        while (outcome := ask(port, "mood")).code != 0 and time.monotonic() < end:
            time.sleep(1)
        assert outcome.code == 0 and outcome.rows[0]["label"] == "pos", outcome.stderr
        outcome = ask(port, "things")
        assert outcome.code == 0, outcome.stderr
        told = run("predict", folder / "out", "--task", "things", "great film").rows[0]["entities"]
        assert [(e["begin"], e["end"], e["label"]) for e in outcome.rows[0]["entities"]] == [
            (e["begin"], e["end"], e["label"]) for e in told
        ]
        outcome = ask(port, "nothing")
        assert outcome.code == 2 and "no signature 'nothing'; it has: mood" in outcome.stderr
    finally:
        server.terminate()
        server.wait(30)


def ask(port, signature):
    return run("query", f"127.0.0.1:{port}", "m", "--signature", signature, "great film")


# === Bad input ===


@pytest.mark.parametrize(
    "text, message",
    [
        ("task: classification\ntrane: t.csv\n", "there is no key 'trane' (did you mean 'train'?)"),
        ("task: classification\n", "field 'train': the key is missing; expected The file to learn from"),
        ("task: classification\ntrain: nowhere.csv\n", "nowhere.csv does not exist"),
        ("task: clasification\ntrain: train.csv\n", "field 'task': There is no task 'clasification' (did you mean"),
        ("task: classification\ntrain: train.csv\nmax_length: long\n", "field 'max_length': it is 'long'; expected"),
        ("task: classification\ntrain: train.csv\nloss_weight: 0\n", "field 'loss_weight': it is 0; expected"),
        ("task: classification\ntrain: train.csv\noptions: {crv: 1}\n", "field 'options.crv': there is no such option"),
        (
            "task: classification\ntrain: train.csv\noptions: {problem: x}\n",
            "options.problem': it is 'x'; expected one",
        ),
        ("task: classification\ntrain: train.csv\ntrain: t.csv\n", "row 3: the key 'train' is given twice"),
        ("task: classification\ntrain: train.csv\nskip_bad_rows: true\n", "field 'skip_bad_rows': it has no meaning"),
        ("name: things\ntask: classification\ntrain: train.csv\n", "is called 'things' too"),
        ("- a\n", "the config is a list; expected keys and values"),
        ("task: [\n", "expected YAML"),
    ],
)
def test_a_bad_file_is_one_line_with_file_and_key(folder, preset, tmp_path, text, message):
    path = folder / "bad.yaml"
    path.write_text(text)
    args = ("--preset", preset, "--out", tmp_path / "out")
    outcome = run("fine-tune", "--tasks", folder / "words.yaml", path, *args)
    assert outcome.code == 2 and not (tmp_path / "out").exists()
    assert str(path) in outcome.stderr and message in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) <= 1 + outcome.stderr.count("rows;")


def test_a_file_that_is_not_there_is_named(preset, tmp_path):
    outcome = run("fine-tune", f"--tasks={tmp_path / 'no.yaml'}", "--preset", preset, "--out", tmp_path / "out")
    assert outcome.code == 2 and "no.yaml: cannot be read" in outcome.stderr


def test_a_bad_row_is_named_with_its_file(folder, preset, tmp_path):
    (folder / "bad.csv").write_text("text,label\n,pos\n")
    (folder / "rows.yaml").write_text("task: classification\ntrain: bad.csv\n")
    outcome = run("fine-tune", "--tasks", folder / "rows.yaml", "--preset", preset, "--out", tmp_path / "out")
    assert outcome.code == 2 and "bad.csv, row 2, field 'text'" in outcome.stderr


def test_a_single_task_takes_no_task_name(trained):
    outcome = run("predict", trained, "--task", "mood", "great film")
    assert outcome.code == 2 and "holds one task alone" in outcome.stderr
