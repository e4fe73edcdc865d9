"""One pipeline for each task on words and spans: rows as `fit` makes them, metrics as `evaluate` gives them, slices,
anomalies, thresholds, and the answers of the pushed model.
"""

import json
import os

import numpy as np
import pytest

from bert_keras.errors import WorkFailed
from bert_keras.metrics import metrics_of_counts, span_counts, sum_counts
from bert_keras.training.batching import PerToken
from pipelines.runner import run_config
from tests.pipelines import small_tasks

pytest.importorskip("tfx")
pytestmark = pytest.mark.slow

TASKS = ("token-classification", "question-answering", "intent-slot", "semantic-roles")
BOTH = "train: {0}, eval: {1}"


def write_names(folder):
    """A label in evaluation that training lacks, an I- that begins a span, and sentences of several windows."""
    train = small_tasks.draw_names(190, seed=1) + small_tasks.draw_names(10, seed=3, longest=14)
    train.append((["in", "rome", "city"], ["O", "I-LOC", "I-LOC"]))
    small_tasks.write_conll(folder / "train.conll", train)
    unknown = (["ada", "is", "a", "flight"], ["B-PER", "O", "O", "B-NEW"])
    small_tasks.write_conll(folder / "eval.conll", [*small_tasks.draw_names(50, seed=2), unknown])
    return BOTH.format("train.conll", "eval.conll")


def write_questions(folder):
    """Two questions on each context, to be kept together; answers that the context does not hold."""
    paragraphs = small_tasks.draw_questions(140, seed=1)
    for number in (3, 40, 80):
        paragraphs[number]["qas"][1] |= {"answers": [{"text": "nobody", "answer_start": 0}], "is_impossible": False}
    small_tasks.write_squad(folder / "qa.json", paragraphs)
    return "path: qa.json, eval_fraction: 0.25"


def write_utterances(folder):
    """An intent in evaluation that training lacks."""
    small_tasks.write_utterances(folder / "train", small_tasks.draw_utterances(160, seed=1))
    rows = small_tasks.draw_utterances(40, seed=2)
    small_tasks.write_utterances(folder / "eval", [*rows, (*rows[0][:2], "pay")])
    return BOTH.format("train", "eval")


def write_predicates(folder):
    for name, rows in (("train", 160), ("eval", 40)):
        lines = (json.dumps(row) + "\n" for row in small_tasks.draw_predicates(rows, seed=rows))
        (folder / f"{name}.jsonl").write_text("".join(lines))
    return BOTH.format("train.jsonl", "eval.jsonl")


WRITERS = dict(zip(TASKS, (write_names, write_questions, write_utterances, write_predicates)))


class Workshop:
    """A folder with a task's data, the result of its first run, and the task as that run's Trainer left it."""

    def __init__(self, name, folder, write_config):
        self.name, self.folder, self._write_config = name, folder, write_config
        self.data = WRITERS[name](folder)
        self.lines = []
        self.result = self.run("thresholds: {%s: {lower_bound: 0.7}}" % MAIN_METRIC[name])  # noqa: UP031 - braces

    def run(self, evaluate):
        path = self._write_config(self.folder, self.name, self.data, evaluate)
        self.lines = []
        return run_config(path, self.lines.append)

    @property
    def trained(self):
        if not hasattr(self, "_trained"):
            from bert_keras import load_task

            self._trained = load_task(self.result.preset)
        return self._trained

    @property
    def pushed(self):
        """The signatures of the pushed model."""
        if not hasattr(self, "_pushed"):
            import tensorflow as tf

            self._pushed = tf.saved_model.load(self.result.pushed_path)
        return self._pushed.signatures

    def records(self, name):
        return self.trained.read_file(str(self.folder / name))

    def newest(self, component, output):
        """The newest folder of an output."""
        folder = self.folder / "runs/small" / component / output
        return folder / max(os.listdir(folder), key=int)

    def rows(self, split):
        """The transformed examples as the Trainer reads them."""
        from pipelines.trainer import read_rows

        files = [str(self.newest("Transform", "transformed_examples") / f"Split-{split}/*")]
        return read_rows(files, str(self.newest("Transform", "transform_graph")), self.trained)

    def examples(self, split):
        """The raw examples of a split."""
        import tensorflow as tf

        files = tf.io.gfile.glob(str(self.newest("ExampleGen", "examples") / f"Split-{split}/*"))
        records = tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator()
        return [tf.train.Example.FromString(record).features.feature for record in records]


MAIN_METRIC = dict(zip(TASKS, ("f1", "f1", "sentence_accuracy", "f1")))


@pytest.fixture(scope="module")
def workshops(tmp_path_factory, write_task_config):
    """A function of a task's name: its `Workshop`, made once."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = Workshop(name, tmp_path_factory.mktemp("small"), write_task_config)
        return made[name]

    return get


def listed(rows):
    """`TokenizedRows` as a sorted list of a tuple for each row: ids, segments, targets and weight."""
    ends = np.cumsum(rows.lengths)[:-1]

    def of_rows(target):
        return np.split(target.values, ends) if isinstance(target, PerToken) else list(target)

    targets = rows.targets if isinstance(rows.targets, dict) else {"": rows.targets}
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    columns = [np.split(rows.token_ids, ends), np.split(rows.segment_ids, ends), weights]
    columns += [of_rows(targets[name]) for name in sorted(targets)]
    return sorted(tuple(np.asarray(value).ravel().tolist() for value in row) for row in zip(*columns))


def tokenized(task, records):
    """The rows that `fit` would make of records."""
    rows, _ = task.tokenize(*task.encode_records(records))
    return listed(rows)


@pytest.mark.parametrize("name", TASKS)
def test_a_good_model_is_pushed(name, workshops):
    result = workshops(name).result
    assert result.blessed and set(result.components.values()) == {"ran"}
    assert result.metrics[MAIN_METRIC[name]] > 0.7


@pytest.mark.parametrize("name", ("token-classification", "intent-slot", "semantic-roles"))
def test_the_trainer_gets_the_rows_that_fit_makes(name, workshops):
    shop = workshops(name)
    (file,) = shop.folder.glob("train*")
    assert listed(shop.rows("train")) == tokenized(shop.trained, shop.records(file.name))


def test_the_long_sentences_were_cut_into_windows(workshops):
    shop = workshops("token-classification")
    assert len(shop.rows("train")) > len(shop.records("train.conll"))


def test_questions_that_cannot_be_learnt_from_are_left_to_the_evaluation(workshops):
    shop = workshops("question-answering")
    records = shop.records("qa.json")
    learnt = shop.trained.training_records(records)
    assert len(learnt) == len(records) - 3
    found = sorted(listed(shop.rows("train")) + listed(shop.rows("eval")))
    assert found == tokenized(shop.trained, learnt)
    assert len(shop.examples("train")) + len(shop.examples("eval")) == len(records)


def test_utterances_of_unknown_intents_are_left_out_of_the_loss(workshops):
    shop = workshops("intent-slot")
    known = shop.trained.validation_records(shop.records("eval"))
    assert len(known) == 40
    assert listed(shop.rows("eval")) == tokenized(shop.trained, known)


def test_sentences_with_an_unknown_label_are_left_out_of_the_loss(workshops):
    shop = workshops("token-classification")
    assert len(shop.examples("eval")) == 51 and len(shop.rows("eval")) == 50


def test_the_questions_on_a_context_stay_together(workshops):
    shop = workshops("question-answering")
    contexts = [{e["context"].bytes_list.value[0] for e in shop.examples(split)} for split in ("train", "eval")]
    assert contexts[0] and contexts[1] and not contexts[0] & contexts[1]


def evaluated(shop):
    """The records that were evaluated on."""
    if shop.name != "question-answering":
        (file,) = shop.folder.glob("eval*")
        return shop.records(file.name)
    records = shop.records("qa.json")
    contexts = {e["context"].bytes_list.value[0].decode() for e in shop.examples("eval")}
    return records.pick([i for i, text in enumerate(records.features["context"]) if text in contexts], ())


def counted(shop, records):
    """Entity metrics of records with labels that the model does not know, which `evaluate_records` refuses."""
    answers = shop.trained.predict({"tokens": records.features["tokens"]})
    found = [[(one["begin"], one["end"], one["label"]) for one in answer["entities"]] for answer in answers]
    return metrics_of_counts(sum_counts(map(span_counts, shop.trained.gold_spans(records), found)))


@pytest.mark.parametrize("name", TASKS)
def test_the_evaluator_gives_the_metrics_that_evaluate_gives(name, workshops):
    shop = workshops(name)
    records, metrics = evaluated(shop), dict(shop.result.metrics)
    assert metrics.pop("example_count") == len(records)
    expected = counted(shop, records) if name == "token-classification" else shop.trained.evaluate_records(records)
    assert metrics == pytest.approx({key: value for key, value in expected.items() if key in metrics}, abs=1e-6)


def test_the_threshold_of_no_answer_is_the_one_that_fine_tune_would_choose(workshops):
    shop = workshops("question-answering")
    chosen, trained = shop.trained.null_threshold, shop.trained
    assert chosen != 0.0
    assert f"      chosen on {len(evaluated(shop))} rows of the split eval: null_threshold {chosen}" in shop.lines
    try:
        trained.null_threshold = 0.0
        trained.tune(evaluated(shop))
        assert trained.null_threshold == pytest.approx(chosen, abs=1e-4)
    finally:
        trained.null_threshold = chosen


def test_the_pushed_model_says_no_answer_above_its_threshold(workshops):
    shop = workshops("question-answering")
    records = evaluated(shop)
    answers = served(shop, question=records.features["question"], context=records.features["context"])
    above = answers["null_score"] > shop.trained.null_threshold
    assert above.any() and not above.all()
    assert (answers["has_answer"] == ~above).all()


def test_only_a_task_that_chooses_on_held_out_texts_carries_them_to_the_trainer(workshops):
    from tensorflow_transform import TFTransformOutput

    def features(name):
        return set(
            TFTransformOutput(str(workshops(name).newest("Transform", "transform_graph"))).transformed_feature_spec()
        )

    assert {"question", "context", "answer_text", "answer_begin"} < features("question-answering")
    assert features("token-classification") == {"token_ids", "segment_ids", "window_lengths", "tags"}


def test_a_text_counts_in_the_slice_of_each_label_in_it(workshops):
    shop = workshops("token-classification")
    records = shop.records("eval.conll")
    slices = shop.result.slice_metrics
    assert [name for name in sorted(slices) if name.startswith("entity")] == [
        f"entity_types:{label}" for label in ("LOC", "NEW", "PER")
    ]
    for label in ("LOC", "NEW", "PER"):
        held = [i for i, tags in enumerate(records.targets) if f"B-{label}" in tags]
        found = slices[f"entity_types:{label}"]
        assert found["example_count"] == len(held)
        assert found["f1"] == pytest.approx(counted(shop, records.pick(held, ()))["f1"], abs=1e-6)
    assert "  length:0-50: example_count 51, precision " in "\n".join(shop.lines)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("question-answering", {"question_word:where", "question_word:who", "context_length:0-400"}),
        (
            "intent-slot",
            {"intent:find", "intent:flight", "intent:pay", "slot_types:LOC", "slot_types:PER", "length:0-50"},
        ),
        ("semantic-roles", {"role_types:ARG0", "role_types:ARG1", "length:0-50"}),
    ],
)
def test_the_slices_are_the_tasks_own(name, expected, workshops):
    shop = workshops(name)
    slices = shop.result.slice_metrics
    assert set(slices) == expected
    records = evaluated(shop)
    some = next(name for name in sorted(expected) if name.startswith(("question_word:who", "intent:", "role_types")))
    matching = {
        "question_word:who": lambda: sum(question.startswith("who") for question in records.features["question"]),
        "intent:find": lambda: sum("find" in intents for intents, _ in records.targets),
        "role_types:ARG0": lambda: len(records),
    }
    assert slices[some]["example_count"] == matching[some]()


def test_what_is_odd_is_told_with_its_place_and_what_a_schema_says(workshops):
    shop = workshops("token-classification")
    repaired, unknown, schema = shop.result.anomalies
    assert "train.conll: 1 tags begin a span with I-" in repaired
    assert "spans have labels that the training data lack ('NEW' 1)" in unknown
    assert schema.startswith("split eval, feature 'span_label': ") and "NEW" in schema
    assert [f"data: {anomaly}" for anomaly in shop.result.anomalies] == [
        line for line in shop.lines if line.startswith("data: ")
    ]


def test_an_unknown_intent_is_an_anomaly_of_the_schema_too(workshops):
    own, schema = workshops("intent-slot").result.anomalies
    assert "('pay' 1)" in own
    assert schema.startswith("split eval, feature 'intent': ") and "pay" in schema


def test_a_model_below_the_bar_or_without_the_gain_asked_for_is_held_back(workshops):
    shop = workshops("token-classification")
    f1 = shop.result.metrics["f1"]
    with pytest.raises(WorkFailed) as failure:
        # One label can never be found.
        shop.run("thresholds: {f1: {lower_bound: 1.0}, f1_PER: {lower_bound: 0.5}}")
    assert f"nothing was pushed: f1 is {f1:.4f}; the config asks for at least 1 (the model is at" in str(failure.value)
    with pytest.raises(WorkFailed, match=r"f1 changed by \+0.0000 against the last blessed model"):
        shop.run("thresholds: {f1: {change: 0.01}}")
    assert len(os.listdir(shop.folder / "runs/serving/small")) == 1


# === The pushed model ===


def served(shop, signature="serving_default", **inputs):
    import tensorflow as tf

    answers = shop.pushed[signature](**{name: tf.constant(values) for name, values in inputs.items()})
    return {name: value.numpy() for name, value in answers.items()}


def spans(answers, name):
    """`(begin, end, label)` of the spans of the first text."""
    columns = (answers[f"{name}_{part}"][0] for part in ("begin", "end", "label"))
    return [(int(begin), int(end), label.decode()) for begin, end, label in zip(*columns) if begin >= 0]


def test_the_pushed_model_finds_entities(workshops):
    answers = served(workshops("token-classification"), text=["ada lee went to oslo"])
    assert spans(answers, "entities") == [(0, 7, "PER"), (16, 20, "LOC")]


def test_the_pushed_model_answers_questions(workshops):
    shop = workshops("question-answering")
    answers = served(shop, question=["where is eve ?", "who went ?"], context=["and eve went to bern ."] * 2)
    assert answers["answer"].tolist() == [b"bern", b"eve"] and answers["begin"].tolist() == [16, 4]


def test_the_pushed_model_gives_intents_and_slots(workshops):
    answers = served(workshops("intent-slot"), text=["book tom went to rome city"])
    assert answers["intent"].tolist() == [b"flight"]
    assert spans(answers, "slots") == [(5, 8, "PER"), (17, 26, "LOC")]


def test_the_pushed_model_takes_the_place_of_the_predicate_where_an_example_has_it(workshops):
    import tensorflow as tf

    text = "ada met bob and then met eve"
    features = {"text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))}
    features["predicate"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"met"]))
    places = {"predicate_begin": 21, "predicate_end": 24}
    places = {name: tf.train.Feature(int64_list=tf.train.Int64List(value=[at])) for name, at in places.items()}
    first, second = (
        tf.train.Example(features=tf.train.Features(feature=some)) for some in (features, features | places)
    )
    found = (
        spans(served(workshops("semantic-roles"), "examples", examples=[example.SerializeToString()]), "roles")
        for example in (first, second)
    )
    assert [[span for span in roles if span[2] != "V"] for roles in found] == [
        [(0, 3, "ARG0"), (8, 11, "ARG1")],
        [(8, 11, "ARG0"), (25, 28, "ARG1")],
    ]


def test_the_labels_of_the_evaluation_are_the_spans_of_the_example(workshops):
    shop = workshops("token-classification")
    example = shop.examples("eval")[0]
    labels = served(shop, "targets", examples=[serialized(example)])
    assert labels["span_begin"].ravel().tolist() == list(example["span_begin"].int64_list.value)
    assert labels["span_label"].ravel().tolist() == list(example["span_label"].bytes_list.value)


def serialized(features):
    import tensorflow as tf

    return tf.train.Example(features=tf.train.Features(feature=dict(features))).SerializeToString()
