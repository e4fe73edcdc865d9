"""What is told about a pretraining run before TFX is loaded."""

import json
import os

import pytest

from pipelines.load import load_config
from pipelines.pretraining.prepare import metrics_of, prepare


@pytest.fixture
def prepared(pretraining_config):
    """A function that prepares the config with parts replaced."""

    def call(*replaced, more=""):
        path = pretraining_config(*replaced, more=more)
        return prepare(load_config(path), "pipeline.yaml")

    call.folder = pretraining_config.folder
    return call


def test_what_the_components_get_is_plain_json(prepared):
    made = prepared()
    for part in (made.source, made.masking, made.training):
        assert json.loads(json.dumps(part)) == part


def test_the_files_of_a_glob_are_found_in_order(prepared):
    assert prepared().files == {"files": [str(prepared.folder / "a.txt"), str(prepared.folder / "b.txt")]}


def test_a_file_that_changed_is_another_source(prepared):
    before = prepared().source
    assert prepared().source == before
    os.utime(prepared.folder / "a.txt", ns=(1, 1))
    assert prepared().source != before


def test_the_rows_of_each_phase_are_as_long_as_it_says(prepared):
    phases = prepared().masking["phases"]
    assert [phase["rows"]["max_length"] for phase in phases] == [16, 24]
    assert [phase["masks"]["max_predictions"] for phase in phases] == [3, 4]  # 15 %, rounded up


def test_sentences_are_measured_where_they_are_learnt():
    assert metrics_of("sop") == ("mlm_loss", "perplexity", "mlm_accuracy", "sop_loss", "sop_accuracy")
    assert metrics_of("none") == ("mlm_loss", "perplexity", "mlm_accuracy")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("'*.txt'", "'*.tsv'", "field 'pretraining.corpus.files': "),
        ("'*.txt'", "blank.txt", "blank.txt: the corpus is empty; expected at least one line of text"),
        (
            "files: '*.txt', eval_fraction: 0.3",
            "train: '*.txt', eval: b.txt",
            "b.txt is among the files of `pretraining.corpus.train`; expected other text",
        ),
        ("max_length: 24", "max_length: 40", "the encoder has 32 positions, and `phases` have rows of 40 tokens"),
        ("./tiny", "./tiny, head: loaded", "field 'pretraining.model': The preset "),
        ("./tiny", "small_uncased", "field 'pretraining.model': "),
        ("duplicates: 2", "objective: tlm, languages: [0, 2]", "the encoder's highest segment number is 1"),
        ("duplicates: 2", "objective: tlm, short_seq_prob: 0.5", "field 'pretraining.rows': short_seq_prob is 0.5"),
    ],
)
def test_what_does_not_fit_is_named(old, new, expected, prepared, refusal):
    (prepared.folder / "blank.txt").write_text("\n\n")
    assert expected in refusal(lambda: prepared((old, new)))


def test_a_segmenter_that_is_not_there_is_named(prepared, refusal):
    changes = (("'*.txt'", "a.txt, segmenter: no.txt"), ("duplicates: 2", "masking: whole-word"))
    assert "field 'pretraining.corpus.segmenter': no.txt: there is no such file" in refusal(lambda: prepared(*changes))


def test_a_list_of_words_that_changed_makes_other_rows(prepared):
    changes = (("'*.txt'", "a.txt, segmenter: words.list"), ("duplicates: 2", "masking: whole-word"))
    made = []
    for words in ("ab\n", "ab\n", "ab\ncd\n"):
        (prepared.folder / "words.list").write_text(words)
        made.append(prepared(*changes).masking)
    assert made[0] == made[1] != made[2]


def test_a_threshold_for_another_metric_is_refused_with_the_nearest_one(prepared, refusal):
    more = "  evaluate: {thresholds: {perplexty: {upper_bound: 5}}}\n"
    assert "there is no metric 'perplexty' (did you mean 'perplexity'?)" in refusal(lambda: prepared(more=more))
