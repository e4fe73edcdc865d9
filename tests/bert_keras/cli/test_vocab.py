"""`bert-keras vocab train`, as a person uses it."""

import gzip
import hashlib
import json

import pytest

from tests.bert_keras.cli.tiny import run


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "a.txt").write_text("the lower the slower\nthe flow\n\nlow towers\n", encoding="utf-8")
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(b'{"body": "the lowest tower"}\n'))
    return folder


def test_it_writes_a_vocabulary_and_says_what_it_is(corpus, tmp_path):
    out = tmp_path / "vocab.txt"
    outcome = run("vocab", "train", corpus / "a.txt", "--size", 40, "--out", out)
    assert outcome.code == 0, outcome.stderr
    pieces = out.read_text(encoding="utf-8").splitlines()
    (report,) = outcome.rows
    assert pieces[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] and "the" in pieces
    assert (report["pieces"], report["words"], report["different_words"]) == (len(pieces), 8, 6)
    assert report["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert "reading: 2 documents" in outcome.stderr


def test_a_sample_reproduces_by_its_seed(corpus, tmp_path):
    lines = "".join(f"{word}\n\n" for word in ("alpha", "beta", "gamma", "delta", "zeta", "eta") for _ in range(2))
    (tmp_path / "c.txt").write_text(lines, encoding="utf-8")

    def trained(seed):
        args = ("--sample", 5, "--seed", seed, "--min-count", 1)
        outcome = run("vocab", "train", tmp_path / "c.txt", "--size", 60, "--out", tmp_path / "v.txt", *args)
        assert outcome.rows[0]["words"] == 5
        return outcome.rows[0]["sha256"]

    assert trained(1) == trained(1)
    assert len({trained(seed) for seed in range(4)}) > 1


BAD = {
    "no such file": (("missing*.txt",), "missing*.txt: there is no such file"),
    "a blank corpus": (("blank.txt",), "blank.txt: the corpus is empty"),
    "no room": (("a.txt", "--size", 10), "A vocabulary of 10 pieces has no room"),
    "another field": (("b.jsonl.gz",), "row 1, field 'text': the field is missing; the object has 'body'"),
    "an unknown kind": (("a.txt", "--kind", "klingon"), "'klingon' is not one of 'uncased'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_code_2(corpus, tmp_path, case):
    (corpus / "blank.txt").write_text("\n\n")
    (name, *args), said = BAD[case]
    args = args if "--size" in args else [*args, "--size", 50]
    outcome = run("vocab", "train", corpus / name, "--out", tmp_path / "v.txt", *args)
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("bert-keras: ")]
    assert outcome.code == 2 and len(lines) == 1 and said in lines[0], outcome.stderr
    assert not (tmp_path / "v.txt").exists()


def test_the_field_can_be_named(corpus, tmp_path):
    args = ("--field", "body", "--size", 40, "--min-count", 1, "--out", tmp_path / "v.txt")
    assert run("vocab", "train", corpus / "b.jsonl.gz", *args).rows[0]["different_words"] == 3


def test_the_vocabulary_may_go_to_stdout(corpus):
    outcome = run("vocab", "train", corpus / "a.txt", "--size", 40, "--out", "-")
    assert outcome.stdout.startswith("[PAD]\n[UNK]\n")
    assert json.loads(outcome.stderr.splitlines()[-1])["words"] == 8
