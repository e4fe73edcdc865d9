"""What is looked at before TFX is loaded: task, data, preset, thresholds and folders."""

import json

import pytest

from pipelines.load import load_config
from pipelines.prepare import prepare


@pytest.fixture
def prepared(tiny_preset, config_with):
    """A function that prepares a config over the tiny preset: `prepared(old, new, more)`, as `config_with`."""

    def call(old="", new="", more=""):
        config = load_config(config_with(old, new, more=more))
        model = config.model.model_copy(update={"preset": str(tiny_preset), "max_length": 24})
        return prepare(config.model_copy(update={"model": model}), "pipeline.yaml")

    call.folder = config_with.folder
    return call


def test_the_training_records_fix_the_labels(prepared):
    made = prepared()
    assert made.recipe["targets"] == {"problem": "binary", "labels": ["neg", "pos"], "pair": False}
    assert {name: feature["role"] for name, feature in made.layout.items()} == {"text": "input", "label": "target"}
    assert made.rows == {"path": 20}
    assert made.eval_spec.main_metric == "accuracy"


def test_the_recipe_is_plain_json(prepared):
    recipe = prepared().recipe
    assert json.loads(json.dumps(recipe)) == recipe


def test_an_option_of_the_task_overrides_what_the_labels_suggest(prepared):
    made = prepared(more="task: {options: {problem: multiclass}}\n")
    assert made.recipe["targets"]["problem"] == "multiclass"
    assert made.eval_spec.metrics == ("accuracy", "macro_f1", "matthews")


def test_a_changed_vocabulary_is_another_recipe(config_with, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]))
    path = config_with("preset: minilm_l6_uncased", "preset: tiny_uncased, random_start: true, vocabulary: vocab.txt")
    before = prepare(load_config(path), str(path)).recipe
    assert prepare(load_config(path), str(path)).recipe == before
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "b"]))
    assert prepare(load_config(path), str(path)).recipe["fingerprint"] != before["fingerprint"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            "task: {name: clasification}\n",
            "field 'task.name': There is no task 'clasification' (did you mean 'classification'?)",
        ),
        (
            "task: {options: {problm: binary}}\n",
            "field 'task.options.problm': there is no such option (did you mean 'problem'?); expected problem",
        ),
        (
            "task: {options: {problem: binry}}\n",
            "field 'task.options.problem': it is 'binry' (did you mean 'binary'?); expected one of binary, multiclass",
        ),
        (
            "evaluate: {thresholds: {acuracy: {lower_bound: 0.5}}}\n",
            "field 'evaluate.thresholds': there is no metric 'acuracy' (did you mean 'accuracy'?); expected ",
        ),
        ("evaluate: {slices: [chanel]}\n", "field 'evaluate.slices': "),
        ("push: {directory: films.jsonl/models}\n", "films.jsonl/models cannot be written"),
        ("root: films.jsonl\n", "films.jsonl cannot be written (a file is in the way)"),
    ],
)
def test_a_key_that_does_not_fit_the_task_is_named(more, expected, prepared, refusal):
    assert expected in refusal(prepared, "", "", more)


def test_a_folder_is_refused_where_the_task_reads_files(prepared, refusal):
    assert "field 'data.path': " in refusal(prepared, "films.jsonl", ".")
    assert " is a folder; expected a file" in refusal(prepared, "films.jsonl", ".")


def test_an_unknown_preset_is_named(config_with, refusal):
    config = load_config(config_with("minilm_l6_uncased", "minilm_l7_uncased"))
    sentence = refusal(prepare, config, "pipeline.yaml")
    assert sentence.startswith("pipeline.yaml, field 'model': There is no preset 'minilm_l7_uncased' (did you mean")


def test_a_size_needs_to_be_asked_for_as_a_random_start(config_with, refusal, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    config = load_config(config_with("minilm_l6_uncased", "tiny_uncased, vocabulary: vocab.txt"))
    assert "tiny_uncased is a size without weights; write `random_start: true`" in refusal(prepare, config, "p.yaml")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"text": "a", "label": "pos"}, {"text": " ", "label": "neg"}], "row 2, field 'text': the text is empty"),
        ([{"text": "a", "label": "pos"}, {"text": "b", "label": "pos"}], "all 2 rows have the same label (pos)"),
        ([{"text": "a", "label": "pos"}], "there is one row; expected several"),
        ([{"title": "a", "label": "pos"}], "text"),
    ],
)
def test_bad_data_is_told_with_file_row_and_field(rows, expected, prepared, refusal, write_jsonl):
    write_jsonl(prepared.folder / "films.jsonl", rows)
    sentence = refusal(prepared)
    assert sentence.startswith(str(prepared.folder / "films.jsonl"))
    assert expected in sentence


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"text": "a", "label": "good"}, "row 1, field 'label': the label 'good' is not one of the model's"),
        ({"text": "a", "text_pair": "b", "label": "pos"}, "there is no column for 'text_pair', and"),
    ],
)
def test_evaluation_rows_that_the_model_could_not_read_are_told(row, expected, prepared, refusal, write_jsonl):
    write_jsonl(prepared.folder / "eval.jsonl", [row])
    assert expected in refusal(prepared, "path: films.jsonl", "train: films.jsonl, eval: eval.jsonl")
