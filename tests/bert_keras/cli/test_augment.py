"""`bert-keras augment`, as a person uses it."""

import csv
import json
import re

import numpy as np
import pytest

from tests.bert_keras.cli.tiny import BAD as AWFUL
from tests.bert_keras.cli.tiny import GOOD, WORDS, run
from tests.bert_keras.tiny_encoder import tiny_encoder

TEXTS = ["one two three four", 'five, six seven "eight"', "nine ten eleven", "alone"]


@pytest.fixture
def table(tmp_path):
    with open(tmp_path / "t.csv", "w", newline="") as file:
        csv.writer(file).writerows([["id", "text", "label"], *([i, text, "ab"[i % 2]] for i, text in enumerate(TEXTS))])
    return tmp_path / "t.csv"


def test_copies_follow_their_row_with_its_label(table, tmp_path):
    outcome = run("augment", table, "--out", tmp_path / "o.csv", "--copies", 2, "--rate", 0.3)
    assert outcome.code == 0, outcome.stderr
    with open(tmp_path / "o.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["id", "text", "label"]
    assert [row[0] for row in rows] == [*"000111222", "3"]
    for number, text, label in rows:
        assert label == "ab"[int(number) % 2]
        assert set(text.replace(",", "").replace('"', "").split()) <= set(
            TEXTS[int(number)].replace(",", "").replace('"', "").split()
        )
    assert [row[1] for row in rows[::3]] == TEXTS
    assert outcome.rows == [{"rows": 4, "copies": 6, "unchanged": 2}]


def test_the_same_seed_writes_the_same_table(table, tmp_path):
    def content(seed):
        assert run("augment", table, "--out", tmp_path / "o.csv", "--seed", seed).code == 0
        return (tmp_path / "o.csv").read_text()

    assert content(1) == content(1) != content(2)


def test_synonyms_replace_words_of_json_lines(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"body": "good film", "label": ["x", "y"]}\n')
    (tmp_path / "s.txt").write_text("good, fine\n")
    args = ("--synonyms", tmp_path / "s.txt", "--operation", "replace", "--column", "body", "--out", "-")
    outcome = run("augment", tmp_path / "t.jsonl", *args)
    assert outcome.rows == [
        {"body": "good film", "label": ["x", "y"]},
        {"body": "fine film", "label": ["x", "y"]},
    ]
    assert json.loads(outcome.stderr.splitlines()[-1]) == {"rows": 1, "copies": 1, "unchanged": 0}


def test_a_table_without_names_is_read_by_number(tmp_path):
    (tmp_path / "t.tsv").write_text('a "b c\tpos\n')
    args = ("--no-header", "--column", 1, "--operation", "delete", "--out", tmp_path / "o.tsv")
    assert run("augment", tmp_path / "t.tsv", *args).code == 0
    first, second = (tmp_path / "o.tsv").read_text().splitlines()
    assert first == 'a "b c\tpos' and second.endswith("\tpos") and len(second.split("\t")[0].split()) == 2


LIKELY = [*GOOD, *AWFUL, "film"]


@pytest.fixture(scope="module")
def expecting(tmp_path_factory):
    """A preset that expects nine words in every place, and a full stop even more."""
    from bert_keras import MaskedTextPreprocessor, PretrainingModel, WordPieceTokenizer

    tokenizer = WordPieceTokenizer(WORDS)
    model = PretrainingModel(
        tiny_encoder(WORDS, num_layers=1), MaskedTextPreprocessor(tokenizer, max_length=12), sentence_objective=None
    )
    bias = np.zeros(len(WORDS), "float32")
    bias[[WORDS.index(word) for word in LIKELY]] = 50.0
    bias[WORDS.index(".")] = 90.0
    model.mlm_head.bias.assign(bias)
    path = tmp_path_factory.mktemp("expecting") / "preset"
    model.save_to_preset(str(path))
    return path


def test_words_come_from_what_a_model_expects(table, tmp_path, expecting):
    args = ("--preset", expecting, "--operation", "replace", "--copies", 3, "--rate", 0.5, "--out", tmp_path / "o.csv")
    outcome = run("augment", table, *args)
    assert outcome.code == 0, outcome.stderr
    with open(tmp_path / "o.csv", newline="") as file:
        _, *rows = csv.reader(file)
    assert [row[0] for row in rows] == [str(number) for number in range(4) for _ in range(4)]
    for number, text, label in rows:
        assert label == "ab"[int(number) % 2]
        former = re.findall(r"\w+", TEXTS[int(number)])
        new = [word for word, was in zip(re.findall(r"\w+", text), former, strict=True) if word != was]
        assert set(new) <= set(LIKELY) and len(new) == (
            0 if text == TEXTS[int(number)] else round(len(former) / 2) or 1
        )
    first = (tmp_path / "o.csv").read_text()
    run("augment", table, *args)
    assert (tmp_path / "o.csv").read_text() == first


def test_masks_are_written_for_words_and_both_texts_of_a_pair_draw_apart(tmp_path):
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": "a b c d e", "text_pair": "a b c d e", "label": 1}) + "\n")
    args = ("--operation", "mask", "--column", "text", "--column", "text_pair", "--copies", 4, "--out", "-")
    rows = run("augment", tmp_path / "t.jsonl", *args).rows
    assert len(rows) == 5 and all(row["label"] == 1 for row in rows)
    assert all(row["text"].split().count("[MASK]") == 1 for row in rows[1:])
    assert any(row["text"] != row["text_pair"] for row in rows[1:])


def test_masks_are_not_written_unless_they_are_asked_for(table, tmp_path):
    run("augment", table, "--out", tmp_path / "o.csv", "--copies", 20)
    assert "MASK" not in (tmp_path / "o.csv").read_text()


@pytest.mark.parametrize("field", ["tags", "spans", "answers"])
def test_labels_of_words_are_refused(tmp_path, field):
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": "a b", field: []}) + "\n")
    outcome = run("augment", tmp_path / "t.jsonl", "--out", tmp_path / "o.jsonl")
    assert outcome.code == 2 and f"t.jsonl, row 1, field '{field}': labels of words or places" in outcome.stderr
    assert not (tmp_path / "o.jsonl").exists()


BAD = {
    "two kinds of words": (("--synonyms", "s.txt", "--preset", "p"), "--synonyms and --preset both give words"),
    "a preset that is none": (("--preset", "nowhere"), "nowhere"),
    "no such column": (("--column", "txt"), "there is no column 'txt' for 'text' (did you mean 'text'?)"),
    "words from nowhere": (("--operation", "insert"), "The operation 'insert' needs words"),
    "words for nothing": (
        ("--operation", "swap", "--synonyms", "s.txt"),
        "--synonyms does nothing here; expected --operation replace or insert beside it",
    ),
    "a rate of 2": (("--rate", 2), "The rate is 2.0; expected a number above 0, up to 1"),
    "no synonyms": (("--synonyms", "missing.txt"), "missing.txt: there is no such file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_code_2(table, tmp_path, case):
    args, said = BAD[case]
    outcome = run("augment", table, "--out", tmp_path / "o.csv", *args)
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("bert-keras: ")]
    assert outcome.code == 2 and len(lines) == 1 and said in lines[0], outcome.stderr
    assert not (tmp_path / "o.csv").exists()


def test_an_empty_text_names_its_row(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\na b,x\n ,y\n")
    outcome = run("augment", tmp_path / "t.csv", "--out", tmp_path / "o.csv")
    assert outcome.code == 2 and "t.csv, row 3, field 'text': the text is empty" in outcome.stderr
