"""The parts of the components: examples of documents, what is odd about a corpus, the verdict, versions of a preset."""

import json
import os

import hypothesis
import hypothesis.strategies as st
import pytest

pytest.importorskip("tfx")

from pipelines.config import Threshold  # noqa: E402
from pipelines.pretraining.evaluator import shortfalls  # noqa: E402
from pipelines.pretraining.example_gen import COUNTS, examples_of_file, split_of  # noqa: E402
from pipelines.pretraining.masking import document_of_example  # noqa: E402
from pipelines.pretraining.statistics import CorpusStatistics  # noqa: E402
from pipelines.pretraining.validator import unfit  # noqa: E402
from pipelines.pretraining.versions import newest_version, push  # noqa: E402
from tests.pipelines.pretraining.small_corpus import count_by_hand, draw_documents  # noqa: E402


def source_of(folder, eval_fraction=0.3, **corpus):
    start = {"preset": str(folder / "tiny"), "vocabulary": None}
    return {"start": start, "eval_fraction": eval_fraction, "corpus": corpus}


@pytest.fixture(scope="module")
def folder(corpus_folder):
    return corpus_folder()


@pytest.fixture(scope="module")
def examples(folder):
    """[(split, serialized example)] of the first file."""
    return list(examples_of_file(("files", str(folder / "a.txt")), source_of(folder)))


def test_an_example_is_a_document_in_sentences(examples, folder):
    found = [document_of_example(serialized) for _, serialized in examples]
    assert [sentences for _, (_, sentences) in found] == draw_documents(40)[:25]
    assert [place for _, (place, _) in found] == [(str(folder / "a.txt"), number) for number in range(25)]


def test_each_example_counts_its_own_document(examples):
    import tensorflow as tf

    for (_, serialized), document in zip(examples, draw_documents(40)):
        feature = tf.train.Example.FromString(serialized).features.feature
        assert [feature[name].int64_list.value[0] for name in COUNTS] == list(count_by_hand([document])[1:])


def test_a_document_falls_into_one_split_whatever_file_it_is_in(folder, examples, tmp_path):
    """Other documents around it, another file, another tokenization: the split follows from its text."""
    text = (folder / "a.txt").read_text()
    (tmp_path / "other.jsonl").write_text(
        "".join(json.dumps({"body": part}) + "\n" for part in reversed(text.split("\n\n")) if part)
    )
    others = examples_of_file(("files", str(tmp_path / "other.jsonl")), source_of(folder, field="body"))

    def splits(some):
        return {document_of_example(serialized)[0]: split for split, serialized in some}

    assert splits(others) == splits(examples)
    assert set(splits(examples).values()) == {"train", "eval"}


def test_files_that_were_given_for_a_split_stay_in_it(folder):
    made = examples_of_file(("eval", str(folder / "b.txt")), source_of(folder))
    assert {split for split, _ in made} == {"eval"}


@hypothesis.given(st.binary(min_size=32, max_size=32), st.floats(0.01, 0.98), st.floats(0.001, 0.01))
def test_a_larger_fraction_keeps_what_was_held_out(digest, fraction, more):
    if split_of(digest.hex(), fraction) == "eval":
        assert split_of(digest.hex(), fraction + more) == "eval"


GOOD = CorpusStatistics(documents=10, sentences=30, characters=900, tokens=200, unknown_tokens=20, most_sentences=5)


def with_values(**values):
    import dataclasses

    return dataclasses.replace(GOOD, **values)


def test_a_corpus_that_fits_has_no_anomaly():
    assert unfit(GOOD, "nsp", unknown_share=0.1) == {}


def test_too_many_unknown_pieces_are_told_with_their_share():
    (sentence,) = unfit(with_values(unknown_tokens=21), "nsp", 0.1).values()
    assert sentence.startswith("10.5% of the 200 tokens are [UNK] (`corpus.unknown_share` allows 10.0%)")


def test_documents_of_one_sentence_are_odd_for_pairs_alone():
    single = with_values(sentences=10, most_sentences=1)
    assert list(unfit(single, "none", 0.1)) == []
    assert "all 10 documents have one sentence, and sop needs several" in unfit(single, "sop", 0.1)["num_sentences"]


def test_one_document_is_odd_where_pairs_are_drawn_from_others():
    assert list(unfit(with_values(documents=1), "nsp", 0.1)) == ["document"]
    assert unfit(with_values(documents=1), "sop", 0.1) == {}


FIGURES = {"mlm_loss": 2.0, "mlm_accuracy": 0.5}


@pytest.mark.parametrize(
    ("name", "threshold", "before", "expected"),
    [
        ("mlm_loss", {"upper_bound": 2.0}, {}, []),
        ("mlm_loss", {"upper_bound": 1.5}, {}, ["mlm_loss is 2.0000; the config asks for at most 1.5"]),
        (
            "mlm_accuracy",
            {"lower_bound": 0.6, "upper_bound": 1},
            {},
            ["mlm_accuracy is 0.5000; the config asks for at least 0.6 and at most 1"],
        ),
        ("mlm_loss", {"change": 0.0}, {}, []),
        ("mlm_loss", {"change": 0.1}, {"mlm_loss": 1.9}, []),
        (
            "mlm_loss",
            {"change": 0.0},
            {"mlm_loss": 1.9},
            ["mlm_loss changed by +0.1000 against the last blessed model; the config asks for at most +0.0000"],
        ),
        (
            "mlm_accuracy",
            {"change": 0.01},
            {"mlm_accuracy": 0.5},
            ["mlm_accuracy changed by +0.0000 against the last blessed model; the config asks for at least +0.0100"],
        ),
    ],
)
def test_the_verdict_follows_from_bounds_and_the_change(name, threshold, before, expected):
    assert shortfalls(FIGURES, before, {name: Threshold(**threshold)}) == expected


def test_without_thresholds_the_loss_must_not_rise():
    assert shortfalls(FIGURES, {"mlm_loss": 2.0}) == []
    assert len(shortfalls(FIGURES, {"mlm_loss": 1.99})) == 1


def test_a_loss_that_is_no_number_is_never_good_enough():
    thresholds = {"mlm_loss": Threshold(change=0.0)}
    assert shortfalls({"mlm_loss": float("nan")}, {}, thresholds) == ["mlm_loss is nan; expected a number"]


@pytest.fixture
def preset(tmp_path):
    folder = tmp_path / "preset"
    (folder / "assets").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "assets/vocab.txt").write_text("a\n")
    return folder


def test_a_preset_is_pushed_once_and_again_when_it_changed(preset, tmp_path):
    base = tmp_path / "presets"
    assert newest_version(base) is None
    first = push(str(preset), base)
    assert push(str(preset), base) == first == newest_version(base)
    (preset / "assets/vocab.txt").write_text("b\n")
    second = push(str(preset), base)
    assert second == newest_version(base) and int(os.path.basename(second)) > int(os.path.basename(first))
    assert (base / second / "assets/vocab.txt").read_text() == "b\n"


def test_a_push_that_breaks_off_leaves_nothing_behind(preset, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr("pipelines.pretraining.versions.shutil.copytree", broken)
    with pytest.raises(OSError, match="the disk is full"):
        push(str(preset), tmp_path / "presets")
    assert os.listdir(tmp_path / "presets") == []
