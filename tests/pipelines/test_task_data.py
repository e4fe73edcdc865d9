"""What is said about the data of tasks on words and spans before TFX is loaded: anomalies, slices, splits."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from bert_keras.data.buckets import QUESTION_WORDS, bucket, bucket_names, question_word
from bert_keras.tasks import get_task, task_names
from pipelines.load import load_config, parse_config
from pipelines.prepare import prepare
from tests.pipelines import small_tasks

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"


@pytest.fixture
def prepared(tmp_path, write_task_config):
    """A function that prepares a config; arguments as `write_task_config` without the folder."""

    def call(task, data, **sections):
        path = write_task_config(tmp_path, task, data, **sections)
        return prepare(load_config(path), "pipeline.yaml")

    return call


@pytest.fixture
def names(tmp_path):
    """A folder with `train.conll` of ten sentences, and a function that writes others there."""
    small_tasks.write_conll(tmp_path / "train.conll", small_tasks.draw_names(10, seed=1))

    def write(name, *sentences):
        small_tasks.write_conll(tmp_path / name, [(words.split(), tags.split()) for words, tags in sentences])
        return tmp_path / name

    write.folder = tmp_path
    return write


NAMES = "train: train.conll, eval: eval.conll"


def test_data_in_order_have_no_anomalies(prepared, names):
    names("eval.conll", ("ada went", "B-PER O"))
    assert prepared("token-classification", NAMES).anomalies == []


def test_a_label_that_training_lacks_is_told_with_count_and_place(prepared, names):
    path = names("eval.conll", ("ada went", "B-PER O"), ("a flight", "O B-NEW"), ("the flight", "O B-NEW"))
    (anomaly,) = prepared("token-classification", NAMES).anomalies
    assert anomaly == (
        f"{path}: 2 of 3 spans have labels that the training data lack ('NEW' 2), which no model finds; the first: "
        f"{path}, row 4, field '2'"
    )


def test_what_only_a_whole_file_says_is_found_before_it_is_cut(prepared, names):
    names("eval.conll", ("ada lee went", "B-PER E-PER O"), ("in rome", "O S-LOC"))
    assert prepared("token-classification", NAMES).of_files == {"train": {"scheme": "BIO"}, "eval": {"scheme": "BIOES"}}


def test_an_i_without_a_beginning_is_told_with_count_and_place(prepared, names):
    path = names("eval.conll", ("ada went", "B-PER O"), ("in rome city", "O I-LOC I-LOC"), ("bob", "I-PER"))
    (anomaly,) = prepared("token-classification", NAMES).anomalies
    assert anomaly.startswith(f"{path}: 2 tags begin a span with I-, which BIO does not allow, and were read as B-")
    assert anomaly.endswith(f"the first: {path}, row 5, field '2'")


def test_a_broken_tag_stops_the_run_or_leaves_its_sentence_out(prepared, names, refusal):
    path = names("eval.conll", ("ada went", "B-PER O"), ("in rome city", "O B-LOC Q-LOC"))
    place = f"{path}, row 6, field '2': 'Q-LOC' is no tag; expected O"
    assert refusal(prepared, "token-classification", NAMES).startswith(place)
    made = prepared("token-classification", f"{NAMES}, skip_bad_rows: true")
    assert made.rows["eval"] == 1
    assert made.anomalies[0].startswith(f"{path}: 1 rows were left out; the first: {place}")


def test_sentences_longer_than_the_model_are_told_from_the_share_on_that_is_allowed(prepared, names):
    path = names("eval.conll", ("ada went", "B-PER O"), ("then " * 23 + "ada", "O " * 23 + "B-PER"))
    assert prepared("token-classification", f"{NAMES}, long_share: 0.5").anomalies == []
    (anomaly,) = prepared("token-classification", f"{NAMES}, long_share: 0.4").anomalies
    assert anomaly.startswith(f"{path}: 1 of 2 texts that were looked at are longer than the 24 tokens")
    assert anomaly.endswith(f"the first: {path}, row 4")


def test_anomalies_stop_the_run_where_the_config_says_so(prepared, names, refusal):
    names("eval.conll", ("ada went", "B-PER O"), ("a flight", "I-PER B-NEW"))
    sentence = refusal(prepared, "token-classification", f"{NAMES}, anomalies: stop")
    assert "1 tags begin a span with I-" in sentence
    assert sentence.endswith("(and 1 more anomalies); mend the data, or go on all the same with `data.anomalies: tell`")


def questions(path, *answers):
    """A question a row, over one context; answers are `(text, answer_start)` or None."""
    rows = [
        {
            "question": "who went ?",
            "context": "bob met ada in rome .",
            "answers": [] if answer is None else [{"text": answer[0], "answer_start": answer[1]}],
        }
        for answer in answers
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_answers_outside_of_their_contexts_are_told_with_count_and_place(prepared, tmp_path):
    path = questions(tmp_path / "qa.jsonl", ("bob", 0), ("eve", 3), ("ada", 3), ("tom", 0))
    absent, mended = prepared("question-answering", "path: qa.jsonl").anomalies
    assert absent == (
        f"{path}: 2 of 4 questions have no answer that their context holds; they are not learnt from; the first: "
        f"{path}, row 2, field 'answers'"
    )
    assert mended.startswith(f"{path}: 1 of 4 questions have an answer elsewhere than 'answer_start' says")
    assert mended.endswith(f"the first: {path}, row 3, field 'answers'")


def test_unanswerable_questions_are_odd_where_training_has_none(prepared, tmp_path):
    questions(tmp_path / "train.jsonl", ("bob", 0), ("ada", 8))
    path = questions(tmp_path / "eval.jsonl", ("bob", 0), None)
    (anomaly,) = prepared("question-answering", "train: train.jsonl, eval: eval.jsonl").anomalies
    assert anomaly.startswith(f"{path}: 1 of 2 questions have no answer, and all of the training data have one")
    assert prepared("question-answering", "path: eval.jsonl").anomalies == []


def test_an_intent_that_training_lacks_is_told(prepared, tmp_path):
    rows = small_tasks.draw_utterances(20, seed=1)
    small_tasks.write_utterances(tmp_path / "train", rows)
    words, tags, _ = rows[0]
    small_tasks.write_utterances(tmp_path / "eval", [(words, tags, "other"), (words, tags, "find#other")])
    (anomaly,) = prepared("intent-slot", "train: train, eval: eval").anomalies
    assert "2 of 2 utterances have intents that the training data lack ('other' 2)" in anomaly
    assert anomaly.endswith(f"the first: {tmp_path / 'eval'}, row 1, field 'label'")


def test_a_slice_that_the_examples_lack_is_named(prepared, names, refusal):
    names("eval.conll", ("ada went", "B-PER O"))
    sentence = refusal(lambda: prepared("token-classification", NAMES, evaluate="slices: [entity_type]"))
    assert "field 'evaluate.slices': the examples of token-classification have no 'entity_type'" in sentence
    assert "(did you mean 'entity_types'?)" in sentence


def test_without_slices_of_the_user_those_of_the_task_are_taken(prepared, names):
    names("eval.conll", ("ada went", "B-PER O"))
    assert prepared("token-classification", NAMES).slices == ["entity_types", "length"]
    assert prepared("token-classification", NAMES, evaluate="slices: []").slices == []


def test_a_single_labels_score_may_have_a_threshold(prepared, names):
    names("eval.conll", ("ada went", "B-PER O"))
    spec = prepared("token-classification", NAMES, evaluate="thresholds: {f1_PER: {lower_bound: 0.5}}").eval_spec
    assert "f1_PER" in spec.metrics and "f1_PER" in spec.details


def test_a_whole_number_will_do_for_an_option_with_fractions(prepared, tmp_path):
    small_tasks.write_utterances(tmp_path / "train", small_tasks.draw_utterances(20, seed=1))
    made = prepared("intent-slot", "path: train", options="slot_weight: 2")
    assert made.recipe["targets"]["slot_weight"] == 2


def test_an_option_of_the_task_reaches_the_model(prepared, tmp_path):
    questions(tmp_path / "qa.jsonl", ("bob", 0), ("ada", 8))
    made = prepared("question-answering", "path: qa.jsonl", options="doc_stride: 7")
    assert made.recipe["targets"] == {"unanswerable": False, "metric": "squad", "doc_stride": 7}


@pytest.mark.parametrize("task", task_names())
def test_each_task_says_what_the_pipeline_asks(task):
    found = get_task(task)
    assert found.in_pipeline()
    described = {"classification": {"problem": "binary", "labels": ["a", "b"]}}.get(task, {})
    layout, spec = found.example_layout(**described), found.eval_spec(**described)
    assert spec.main_metric in spec.metrics
    assert set(spec.slices) <= set(layout) and found.split_by in (None, *layout)


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Who won?", "who"),
        ("In what year?", "what"),
        ("How  many are there?", "how many"),
        ("How is it?", "how"),
        ("Name the whole.", "other"),
        ("这是为什么？", "为什么"),
        ("他叫什么名字？", "什么"),
    ],
)
def test_a_question_goes_by_its_first_question_word(question, word):
    assert question_word(question) == word and word in QUESTION_WORDS


def test_a_number_falls_into_the_group_whose_bound_it_does_not_pass():
    assert bucket_names((10, 20)) == ("0-10", "11-20", "21+")
    assert [bucket(number, (10, 20)) for number in (0, 10, 11, 20, 21)] == ["0-10", "0-10", "11-20", "11-20", "21+"]


# Those of pretraining are tried in tests/pipelines/pretraining.
OTHERS = ("example-chain", "example-pretraining")
EXAMPLES = sorted(path for path in PIPELINES.glob("example-*.yaml") if path.stem not in OTHERS)


def test_each_task_has_an_example():
    names = [path.stem.removeprefix("example-") for path in EXAMPLES]
    assert sorted([*names, "classification"]) == sorted(task_names())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_fit_the_real_data(path, shared_data, tmp_path):
    config = parse_config(yaml.safe_load(path.read_text()), str(path), folder=shared_data)
    made = prepare(config.model_copy(update={"root": tmp_path}), str(path))
    assert min(made.rows.values()) > 500
    assert all(len(sentence) < 600 for sentence in made.anomalies)
    json.dumps([made.recipe, made.layout, made.of_files, dataclasses.asdict(made.eval_spec)])
