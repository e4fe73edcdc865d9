"""Pretraining and fine-tuning by one YAML file: what is handed on, and what stops the chain."""

import os
import random

import numpy as np
import pytest

from bert_keras.errors import WorkFailed
from pipelines.runner import run_config
from tests.bert_keras.cli.tiny import run as run_command
from tests.pipelines.pretraining.conftest import CONFIG
from tests.pipelines.pretraining.small_corpus import WORDS

pytest.importorskip("tfx")
pytestmark = pytest.mark.slow

# So small a rate that the encoder stays what pretraining made of it.
TASK = """
data: {path: words.csv}
model: {max_length: 16}
train: {epochs: 1, batch_size: 16, learning_rate: 1.0e-12, strategy: none}
evaluate: {thresholds: {accuracy: {lower_bound: 0.0}}}
infra_validation: {enabled: false}
"""
IMPOSSIBLE = "  evaluate: {thresholds: {mlm_loss: {upper_bound: 0.01}}}\n"


class Chain:
    """A folder with a corpus, a table and a config, and what its runs said."""

    def __init__(self, folder):
        self.folder, self.lines = folder, []
        draw = random.Random(0)
        rows = [f"{draw.choice(WORDS)} {draw.choice(WORDS)},{draw.choice('ab')}" for _ in range(60)]
        (folder / "words.csv").write_text("\n".join(["text,label", *rows]) + "\n")

    def write(self, of_pretraining="", task=TASK):
        path = self.folder / "chain.yaml"
        path.write_text(CONFIG + of_pretraining + task)
        return path

    def run(self, of_pretraining="", task=TASK):
        path = self.write(of_pretraining, task)
        self.lines = []
        return run_config(path, self.lines.append)


@pytest.fixture(scope="module")
def chain(corpus_folder):
    return Chain(corpus_folder())


@pytest.fixture(scope="module")
def first(chain):
    """The result of the first run, and the lines that it said."""
    result = chain.run()
    return result, list(chain.lines)


def test_both_halves_run_one_after_the_other(first):
    result, lines = first
    assert [line.partition(":")[0] for line in lines if line.startswith("pipeline ")] == [
        "pipeline words-pretraining",
        "pipeline words",
    ]
    assert set(result.pretraining.components.values()) == set(result.fine_tuning.components.values()) == {"ran"}


def test_the_task_starts_from_the_preset_that_was_pushed(first):
    from bert_keras import PretrainingModel, load_task

    result = first[0]
    assert result.preset == result.pretraining.pushed_path
    pushed, task = PretrainingModel.from_preset(result.preset), load_task(result.fine_tuning.preset)
    for weight, expected in zip(task.backbone.weights, pushed.backbone.weights, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected.numpy(), atol=1e-8, err_msg=weight.path)


def test_the_task_is_evaluated_and_pushed(first, chain):
    result = first[0].fine_tuning
    assert os.path.dirname(result.pushed_path) == str(chain.folder / "runs/serving/words")
    assert os.path.exists(os.path.join(result.pushed_path, "saved_model.pb"))


def test_the_last_lines_say_what_came_of_each_half(first):
    result, lines = first
    loss, accuracy = result.pretraining.metrics["mlm_loss"], result.fine_tuning.metrics["accuracy"]
    assert lines[-2:] == [
        f"pretrained: {result.preset}, mlm_loss {loss:.4f}",
        f"fine-tuned: {result.fine_tuning.pushed_path}, accuracy {accuracy:.4f}",
    ]


def test_a_first_half_that_is_not_good_enough_stops_the_chain_with_exit_code_1(first, chain):
    before = sorted(os.listdir(chain.folder / "runs/words/logs"))
    outcome = run_command("pipeline", "run", chain.write(IMPOSSIBLE))
    assert outcome.code == 1
    said = outcome.stderr.splitlines()[-1]
    assert "the chain stops after pretraining: the model is not good enough, and nothing was pushed: mlm_loss" in said
    assert sorted(os.listdir(chain.folder / "runs/words/logs")) == before


def test_it_goes_on_from_the_former_preset_where_the_config_allows_that(first, chain):
    result = chain.run(IMPOSSIBLE, TASK.replace("max_length: 16", "max_length: 16, allow_former: true"))
    assert not result.pretraining.blessed and result.pretraining.pushed_path is None
    assert result.preset == first[0].preset
    assert f"going on from the preset that was pushed before: {result.preset}" in chain.lines
    # It is the preset of the first run, so what was made of it then is taken from the cache.
    assert result.fine_tuning.components["Trainer"] == "cached"


def test_without_a_former_preset_there_is_nothing_to_go_on_from(corpus_folder):
    chain = Chain(corpus_folder())
    task = TASK.replace("max_length: 16", "max_length: 16, allow_former: true")
    with pytest.raises(WorkFailed, match="the chain stops after pretraining"):
        chain.run(IMPOSSIBLE, task)


def test_a_mistake_about_the_task_is_told_before_pretraining_begins(corpus_folder, refusal):
    chain = Chain(corpus_folder())
    assert "there is no metric 'acuracy' (did you mean 'accuracy'?)" in refusal(
        chain.run, "", TASK.replace("accuracy:", "acuracy:")
    )
    assert not (chain.folder / "runs").exists()
