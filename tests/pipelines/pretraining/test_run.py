"""One pipeline that pretrains, run several times: what each component wrote, what was pushed and why, what is kept."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from bert_keras.errors import BadInput, WorkFailed
from pipelines.runner import run_config
from tests.bert_keras.cli.tiny import run as run_command
from tests.pipelines.pretraining.conftest import CONFIG
from tests.pipelines.pretraining.small_corpus import PIECES, count_by_hand, draw_documents, held_out

pytest.importorskip("tfx")
pytestmark = pytest.mark.slow

COMPONENTS = [
    "ExampleGen",
    "LastBlessedModel",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "Masking",
    "Trainer",
    "Evaluator",
    "Pusher",
]
ALWAYS_RUNS = "LastBlessedModel"  # a look into the metadata, which TFX does not cache


class Workshop:
    """A folder with a corpus and a config, and what its runs said."""

    def __init__(self, folder):
        self.folder, self.lines = folder, []

    @property
    def pushed(self):
        presets = self.folder / "runs/presets/words"
        return sorted(os.listdir(presets)) if presets.exists() else []

    def write(self, *replaced, more=""):
        text = CONFIG
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        path = self.folder / "pipeline.yaml"
        path.write_text(text + more)
        return path

    def run(self, *replaced, more=""):
        """Runs the pipeline with parts of its config replaced."""
        path = self.write(*replaced, more=more)
        self.lines = []
        return run_config(path, self.lines.append)

    def newest(self, component, output):
        """The newest folder of an output."""
        folder = self.folder / "runs/words" / component / output
        return folder / max(os.listdir(folder), key=int)


@pytest.fixture(scope="module")
def workshop(corpus_folder):
    return Workshop(corpus_folder())


@pytest.fixture(scope="module")
def first(workshop):
    """The result of the first run, and the lines that it said."""
    result = workshop.run()
    return result, list(workshop.lines)


@pytest.fixture(scope="module")
def trained(first):
    from bert_keras import PretrainingModel

    return PretrainingModel.from_preset(first[0].preset)


@pytest.fixture(scope="module")
def rows(first, workshop):
    """A function that opens the rows of a split and a phase."""
    from bert_keras import RowFiles

    folder = workshop.newest("Masking", "rows")
    return lambda split, phase=1: RowFiles(folder / f"Split-{split}" / f"phase-{phase:02d}")


def assert_same_weights(one, other):
    assert [weight.path for weight in one.weights] == [weight.path for weight in other.weights]
    for weight, expected in zip(one.weights, other.weights):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy(), err_msg=weight.path)


def test_each_component_runs_once(first):
    result, lines = first
    assert result.components == {name: "ran" for name in COMPONENTS}
    started = [line.partition("] ")[2].removesuffix(" …") for line in lines if line.startswith("[")]
    assert started == COMPONENTS


def test_the_statistics_are_those_counted_by_hand(first):
    documents, found = draw_documents(40), first[0].statistics
    of_eval = held_out(documents)
    for split, some in (("eval", of_eval), ("train", [document for document in documents if document not in of_eval])):
        values = found[split]
        counts = (values.documents, values.sentences, values.characters, values.tokens, values.unknown_tokens)
        assert counts == count_by_hand(some)
        assert values.most_sentences == 6
        assert f"{split}: {values}" in first[1]


def test_the_rows_are_made_of_the_documents_of_their_split(first, rows):
    assert rows("eval").manifest["counts"]["tokens"] == first[0].statistics["eval"].tokens
    for phase, length in ((1, 16), (2, 24)):
        manifest = rows("train", phase).manifest
        assert manifest["counts"]["tokens"] == first[0].statistics["train"].tokens
        assert manifest["counts"]["documents"] == first[0].statistics["train"].documents
        assert manifest["settings"]["rows"]["max_length"] == length


def test_held_out_rows_are_as_long_as_those_of_the_last_phase_and_masked_once(rows):
    settings = rows("eval").manifest["settings"]
    assert (settings["rows"]["max_length"], settings["duplicates"], settings["seed"]) == (24, 1, 0)


def test_the_held_out_loss_is_that_of_evaluate_on_the_same_rows(first, trained, rows):
    import tensorflow as tf

    batches = tf.data.experimental.assert_cardinality(math.ceil(rows("eval").num_rows() / 7))
    trained.compile()
    dataset = rows("eval").dataset(batch_size=7, epochs=1).apply(batches)
    expected = trained.evaluate(dataset, verbose=0, return_dict=True)
    found = dict(first[0].metrics)
    assert found.pop("example_count") == rows("eval").num_rows()
    assert list(found) == ["mlm_loss", "perplexity", "mlm_accuracy", "nsp_loss", "nsp_accuracy"]
    assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-5)
    assert found["perplexity"] == pytest.approx(np.exp(found["mlm_loss"]), rel=1e-5)


def test_the_model_learns(first):
    """A model that knows nothing has the logarithm of the number of pieces."""
    assert first[0].metrics["mlm_loss"] < np.log(len(PIECES)) - 0.1


def test_the_pushed_preset_has_the_weights_that_were_trained(first, trained, workshop):
    from bert_keras import PretrainingModel

    pushed = first[0].pushed_path
    assert Path(pushed).parent == workshop.folder / "runs/presets/words"
    assert f"blessed; pushed to {pushed}" in first[1]
    assert_same_weights(PretrainingModel.from_preset(pushed), trained)


def test_training_is_that_of_a_pretraining_run_on_the_same_rows(first, trained, rows, workshop, tmp_path):
    from bert_keras import Phase, PretrainingModel, PretrainingRecipe, PretrainingRun

    model = PretrainingModel.from_preset(workshop.folder / "tiny", max_length=24, sentence_objective="nsp")
    model.compile(PretrainingRecipe().build([10, 20], [1e-2]))
    phases = [Phase(rows("train", 1), 10, 16), Phase(rows("train", 2), 20, 16)]
    PretrainingRun(model, phases, tmp_path, log_every=10).run()
    assert_same_weights(model, trained)


def test_a_task_starts_from_the_pushed_preset(first, trained):
    from bert_keras import TextClassifier

    task = TextClassifier.from_preset(first[0].pushed_path, labels=["a", "b"])
    assert_same_weights(task.backbone, trained.backbone)


def test_fill_mask_takes_the_pushed_preset(first, trained):
    text = "bara [MASK] bara dene ."
    outcome = run_command("fill-mask", first[0].pushed_path, text, "--top-k", 2)
    assert outcome.code == 0, outcome.stderr
    expected = [mask["token"] for mask in trained.fill_masks([text], top_k=2)[0][0]]
    assert [mask["token"] for mask in outcome.rows[0]["masks"][0]] == expected


def test_the_trainer_says_how_it_goes_and_keeps_figures_and_logs(first, workshop):
    steps = [line.split(":")[0].strip() for line in first[1] if line.strip().startswith("step ")]
    assert steps == ["step 10 of 30", "step 20 of 30", "step 30 of 30"]
    folder = workshop.newest("Trainer", "model_run")
    assert [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()] == [10, 20, 30]
    assert os.listdir(folder / "logs")
    assert os.listdir(workshop.folder / "runs/words/unfinished") == []


def test_an_unchanged_run_takes_all_from_the_cache_and_pushes_nothing_twice(first, workshop):
    again = workshop.run()
    ran = {name for name, state in again.components.items() if state == "ran"}
    # There is a base line to compare with, which there was not before.
    assert ran == {ALWAYS_RUNS, "Evaluator", "Pusher"}
    assert again.baseline_metrics == again.metrics == first[0].metrics
    assert again.pushed_path == first[0].pushed_path
    third = workshop.run()
    assert {name for name, state in third.components.items() if state == "ran"} == {ALWAYS_RUNS}


def test_a_model_below_the_bar_is_not_pushed_and_the_command_exits_with_1(first, workshop):
    before = workshop.pushed
    path = workshop.write(more="  evaluate: {thresholds: {mlm_loss: {upper_bound: 0.01}}}\n")
    outcome = run_command("pipeline", "run", path)
    reason = f"mlm_loss is {first[0].metrics['mlm_loss']:.4f}; the config asks for at most 0.01"
    assert outcome.code == 1
    assert outcome.stderr.splitlines()[-3:-1] == [f"not blessed: {reason}", "nothing was pushed"]
    assert f"nothing was pushed: {reason} (the model is at " in outcome.stderr.splitlines()[-1]
    assert workshop.pushed == before


def test_another_seed_is_measured_on_the_same_rows(first, rows, workshop):
    """It trains on other rows, for one step, and so is worse than the blessed model."""
    from bert_keras import RowFiles

    seed = ("log_every: 10", "log_every: 10, seed: 1")
    steps = (("steps: 10", "steps: 1"), ("steps: 20", "steps: 1"))
    before = workshop.pushed
    with pytest.raises(WorkFailed, match=r"mlm_loss changed by \+.* against the last blessed model; .* at most \+0.00"):
        workshop.run(seed, *steps)
    made = workshop.newest("Masking", "rows")
    assert RowFiles(made / "Split-eval/phase-01").manifest["shards"] == rows("eval").manifest["shards"]
    assert RowFiles(made / "Split-train/phase-01").manifest["shards"] != rows("train").manifest["shards"]
    assert workshop.pushed == before


def test_a_run_that_broke_off_goes_on_from_its_checkpoint_and_ends_in_the_same_weights(
    trained, corpus_folder, monkeypatch
):
    from bert_keras import PretrainingModel
    from bert_keras.training.pretraining import PretrainingRun

    def broken(run, phase):
        raise RuntimeError("the power is gone")

    workshop = Workshop(corpus_folder())
    with monkeypatch.context() as patch:
        # The lines of steps 10 and 20 are written before the checkpoints of these steps.
        write = PretrainingRun._write_figures
        patch.setattr(PretrainingRun, "_write_figures", lambda run, n: (write if run.step < 20 else broken)(run, n))
        with pytest.raises(WorkFailed, match="the component Trainer failed: the power is gone"):
            workshop.run()
    result = workshop.run()
    assert "      going on after step 10 of 30" in workshop.lines
    assert result.components["Masking"] == "cached" and result.components["Trainer"] == "ran"
    assert_same_weights(PretrainingModel.from_preset(result.preset), trained)


def test_a_named_size_starts_at_random_on_packed_rows_of_masked_words_alone(corpus_folder):
    from bert_keras import PretrainingModel

    workshop = Workshop(corpus_folder())
    (workshop.folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    start = ("./tiny", "tiny_uncased, random_start: true, vocabulary: vocab.txt")
    steps = (("steps: 10", "steps: 1"), ("steps: 20", "steps: 1"))
    result = workshop.run(start, *steps, ("duplicates: 2", "duplicates: 1, objective: none, pack: true"))
    assert sorted(result.metrics) == ["example_count", "mlm_accuracy", "mlm_loss", "perplexity"]
    model = PretrainingModel.from_preset(result.pushed_path)
    assert model.sentence_objective is None
    assert model.backbone.config.vocabulary_size == len(PIECES)


def test_text_that_the_vocabulary_does_not_fit_stops_the_run_where_the_config_says_so(first, workshop):
    _, _, _, tokens, unknown = count_by_hand(draw_documents(40))
    both = ("files: '*.txt', eval_fraction: 0.3", "train: [a.txt, b.txt], eval: more.jsonl")
    more = ({"text": f"{word.capitalize()} dene. Dene {word}."} for word in ("bara", "kisi"))
    (workshop.folder / "more.jsonl").write_text("".join(json.dumps(document) + "\n" for document in more))
    with pytest.raises(BadInput) as told:
        workshop.run(both, ("unknown_share: 0.5", "unknown_share: 0.001, anomalies: stop"))
    assert f"feature 'num_unknown': {unknown / tokens:.1%} of the {tokens:,} tokens are [UNK]" in str(told.value)
    assert str(told.value).endswith("or go on all the same with `pretraining.corpus.anomalies: tell`")
    assert workshop.lines[-2].endswith("ExampleValidator …")


def test_documents_of_one_sentence_are_refused_where_pairs_are_learnt(workshop, tmp_path):
    (workshop.folder / "single.jsonl").write_text(
        "".join(json.dumps({"text": document[0]}) + "\n" for document in draw_documents(20, seed=5))
    )
    files = ("files: '*.txt'", "files: single.jsonl")
    with pytest.raises(BadInput, match="the split (train|eval): All .* documents of the corpus have one sentence"):
        workshop.run(files)


def test_a_split_without_documents_is_bad_input(workshop):
    (workshop.folder / "one.jsonl").write_text(json.dumps({"text": "Bara dene. Bara dene."}) + "\n")
    with pytest.raises(BadInput, match="one.jsonl: no document of the corpus fell into the split '(train|eval)'"):
        workshop.run(("files: '*.txt'", "files: one.jsonl"))
