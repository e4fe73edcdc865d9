"""The tasks that label words or spans, through the command line: trained, measured, asked, refused with a reason."""

import json

import pytest

from bert_keras.cli.predict import _as_file
from tests.bert_keras.cli.tiny import fine_tune, run

# Rows of the words that the tiny vocabulary knows; only the form of the files matters here.
TEXTS = ["fine film", "the plot was dull", "a good film .", "dull plot", "nothing to find"]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """task -> its training file (a directory for intent-slot)."""
    folder = tmp_path_factory.mktemp("task_files")
    rows = [text.split() for text in TEXTS * 3]
    tags = [["B-X" if word in ("film", "plot") else "O" for word in words] for words in rows]
    conll = "\n\n".join("\n".join(f"{w}\t{t}" for w, t in zip(*row)) for row in zip(rows, tags)) + "\n"
    squad = "".join(
        json.dumps(
            {"question": "what ?", "context": text, "answers": [{"text": "film", "answer_start": text.find("film")}]}
        )
        + "\n"
        for text in TEXTS * 3
        if "film" in text
    )
    propbank = "".join(
        json.dumps({"tokens": words, "predicate": 0, "tags": of_words}) + "\n" for words, of_words in zip(rows, tags)
    )
    write(folder / "atis" / "seq.in", "".join(" ".join(words) + "\n" for words in rows))
    write(folder / "atis" / "seq.out", "".join(" ".join(of_words) + "\n" for of_words in tags))
    write(folder / "atis" / "label", "".join(("praise", "blame")[i % 2] + "\n" for i in range(len(rows))))
    return {
        "token-classification": write(folder / "train.conll", conll),
        "question-answering": write(folder / "train.jsonl", squad),
        "intent-slot": folder / "atis",
        "semantic-roles": write(folder / "roles.jsonl", propbank),
    }


@pytest.mark.parametrize(
    ("text", "is_a_file"),
    [
        ("train.conll", True),
        ("dev-v2.0.json.gz", True),
        ("roles.conllu", True),
        ("reviews.csv", True),
        ("see reviews.csv", False),
        ("warm", False),
    ],
)
def test_a_single_word_that_ends_like_a_file_of_some_task_is_one(text, is_a_file):
    assert _as_file((text,)) == (text if is_a_file else None)
    assert _as_file((text, text)) is None


def test_a_single_argument_is_a_file_where_there_is_one(tmp_path):
    assert _as_file((str(write(tmp_path / "my test set", "a\n")),)) == str(tmp_path / "my test set")


MAIN_METRIC = {
    "token-classification": "f1",
    "question-answering": "exact_match",
    "intent-slot": "sentence_accuracy",
    "semantic-roles": "f1",
}
ANSWER_KEYS = {
    "token-classification": {"entities"},
    "question-answering": {"answer", "null_score", "n_best"},
    "intent-slot": {"intents", "intent_score", "slots"},
    "semantic-roles": {"roles"},
}


@pytest.mark.parametrize("task", MAIN_METRIC)
def test_fine_tune_evaluate_and_predict(task, data, preset, tmp_path):
    out, train = tmp_path / "out", data[task]
    outcome = fine_tune(preset, train, out, "--eval", train, "--max-length", 24, "--keep-best", task=task)
    assert outcome.code == 0, outcome.stderr
    report = json.loads((out / "metrics.json").read_text())
    assert report["keep_best"]["kept"] == {"epoch": 1.0, **report["eval"]}
    assert MAIN_METRIC[task] in report["eval"] and MAIN_METRIC[task] in outcome.stdout
    outcome = run("evaluate", out, "--data", train)
    assert outcome.code == 0 and MAIN_METRIC[task] in outcome.stdout, outcome.stderr
    outcome = run("predict", out, "--data", train)
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert outcome.code == 0 and len(lines) == report["train_rows"], outcome.stderr
    assert all(ANSWER_KEYS[task] <= set(line) for line in lines)
    pair = ["--pair", TEXTS[0]] if task in ("question-answering", "semantic-roles") else []
    outcome = run("predict", out, TEXTS[0], *pair)
    assert outcome.code == 0 and ANSWER_KEYS[task] <= set(json.loads(outcome.stdout)), outcome.stderr


@pytest.mark.parametrize(
    "task, name, content, message",
    [
        ("token-classification", "bad.conll", "fine\tO\nfilm\n\n", "row 2"),
        ("token-classification", "bad.jsonl", '{"tokens": ["a"], "tags": ["O", "O"]}\n', "row 1"),
        ("question-answering", "bad.json", '{"data": [', "row 1"),
        ("intent-slot", "bad.jsonl", '{"tokens": ["a"], "intent": "x"}\n', "no field for 'slots'"),
        ("semantic-roles", "bad.jsonl", '{"tokens": ["a"], "predicate": 4, "tags": ["O"]}\n', "row 1"),
    ],
)
def test_a_bad_file_is_one_line_with_file_and_place(task, name, content, message, preset, tmp_path):
    path = write(tmp_path / name, content)
    outcome = fine_tune(preset, path, tmp_path / "out", task=task)
    assert outcome.code == 2 and not (tmp_path / "out").exists()
    assert str(path) in outcome.stderr and message in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1


def test_bad_rows_may_be_left_out_and_are_counted(data, preset, tmp_path):
    good = data["token-classification"].read_text()
    path = write(tmp_path / "some.conll", good + "\nfine\tQ-X\n\nfilm\tB-X\n")
    outcome = fine_tune(
        preset, path, tmp_path / "out", "--skip-bad-rows", "--max-length", 24, task="token-classification"
    )
    assert outcome.code == 0, outcome.stderr
    assert "1 rows left out" in outcome.stderr and "Q-X" in outcome.stderr
    report = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (report["train_rows"], report["train_rows_left_out"]) == (16, 1)


def test_an_option_of_tables_is_refused_for_other_files(data, preset, tmp_path):
    outcome = fine_tune(
        preset, data["token-classification"], tmp_path / "out", "--no-header", task="token-classification"
    )
    assert outcome.code == 2 and "--no-header" in outcome.stderr


def test_a_class_that_only_the_evaluation_has_is_named(data, preset, tmp_path):
    dev = write(tmp_path / "dev.conll", "fine\tB-NEW\n")
    train = data["token-classification"]
    outcome = fine_tune(preset, train, tmp_path / "out", "--eval", dev, "--max-length", 24, task="token-classification")
    assert outcome.code == 2 and "'NEW'" in outcome.stderr and str(dev) in outcome.stderr
