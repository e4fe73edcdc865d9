"""A trained task comes back by value: from a preset, from a .keras file, moved, in another process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from bert_keras import TextClassifier, load_task
from bert_keras.training.optimizer import AdamW

ROOT = Path(__file__).resolve().parents[3]
TEXTS = ["a good film", "bad", "the very dull story with a plot", "great cast"]


def assert_same(model, other):
    np.testing.assert_allclose(other.predict(TEXTS, verbose=0), model.predict(TEXTS, verbose=0), atol=1e-6)
    for name in ("labels", "problem", "label_separator", "pooling", "serving_inputs"):
        assert getattr(other, name) == getattr(model, name)
    assert other.preprocessor.max_length == model.preprocessor.max_length
    assert other.preprocessor.tokenizer.get_vocabulary() == model.preprocessor.tokenizer.get_vocabulary()


@pytest.fixture(scope="module")
def preset(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("saving") / "preset"
    trained.save_to_preset(path)
    return path


def test_a_preset_gives_the_task_back(trained, preset):
    found = load_task(preset)
    assert type(found) is TextClassifier
    assert_same(trained, found)


def test_from_preset_gives_the_task_back(trained, preset):
    assert_same(trained, TextClassifier.from_preset(str(preset)))


def test_a_task_that_came_back_trains_on(preset, reviews):
    model = load_task(preset)
    model.fit(*reviews(60), epochs=1, verbose=0)
    assert int(np.array(model.optimizer.iterations)) == 2


def test_a_keras_file_gives_the_task_back_with_its_recipe(trained, tmp_path):
    trained.save(tmp_path / "task.keras")
    found = keras.models.load_model(tmp_path / "task.keras")
    assert_same(trained, found)
    assert type(found.optimizer) is AdamW and found.optimizer._learning_rate.peak == pytest.approx(3e-3)


def test_a_moved_preset_gives_the_same_answers_in_another_process(trained, preset, tmp_path):
    moved = shutil.copytree(preset, tmp_path / "elsewhere" / "moved")
    program = (
        "import json, sys, bert_keras\n"
        "task = bert_keras.load_task(sys.argv[1])\n"
        "print(json.dumps(task.answers(json.loads(sys.argv[2]))))\n"
    )
    command = [sys.executable, "-c", program, str(moved), json.dumps(TEXTS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    for found, expected in zip(json.loads(done.stdout), trained.answers(TEXTS), strict=True):
        assert found["label"] == expected["label"]
        assert found["scores"] == pytest.approx(expected["scores"], abs=1e-5)


def test_a_preset_may_come_back_in_another_precision(trained, preset):
    found = load_task(preset, dtype="mixed_bfloat16")
    assert found.backbone.dtype_policy.name == "mixed_bfloat16"
    difference = np.abs(found.predict(TEXTS, verbose=0) - trained.predict(TEXTS, verbose=0)).max()
    assert 0 < difference < 0.3


def test_a_task_trained_in_bfloat16_comes_back(make_classifier, tmp_path):
    model = make_classifier(backbone={"dtype": "mixed_bfloat16", "num_layers": 1})
    model.save_to_preset(tmp_path / "preset")
    found = load_task(tmp_path / "preset")
    np.testing.assert_allclose(found.predict(TEXTS, verbose=0), model.predict(TEXTS, verbose=0), atol=0.05)


@pytest.mark.parametrize("options", [
    {"labels": ["x", "y", "z"]},
    {"labels": ["x", "y", "z"], "problem": "multilabel", "label_separator": "|"},
    {"labels": [], "problem": "regression"},
    {"labels": ["b", "a"], "max_length": 9, "dropout": 0.25, "pooling": "mean"},
])  # fmt: skip
def test_every_kind_of_task_comes_back(make_classifier, tmp_path, options):
    model = make_classifier(backbone={"num_layers": 1}, **options)
    model.save_to_preset(tmp_path / "preset")
    found = load_task(tmp_path / "preset")
    assert_same(model, found)
    assert found.answers(TEXTS[:1])[0].keys() == model.answers(TEXTS[:1])[0].keys()


def test_pairs_come_back(make_classifier, tmp_path):
    model = make_classifier(backbone={"num_layers": 1}, pair=True)
    model.save_to_preset(tmp_path / "preset")
    found, x = load_task(tmp_path / "preset"), {"text": TEXTS, "text_pair": TEXTS[::-1]}
    np.testing.assert_allclose(found.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)


def test_saving_again_replaces_the_former_preset(make_classifier, tmp_path):
    for labels in (["a", "b"], ["c", "d"]):
        model = make_classifier(backbone={"num_layers": 1}, labels=labels)
        model.save_to_preset(tmp_path / "preset")
    assert load_task(tmp_path / "preset").labels == ["c", "d"]
    assert os.listdir(tmp_path) == ["preset"]


def test_the_optimizer_of_ones_own_comes_back(make_classifier, tmp_path):
    own = {
        "optimizer": keras.optimizers.SGD(0.25),
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }
    model = make_classifier(backbone={"num_layers": 1}, compile_with=own)
    model.save(tmp_path / "task.keras")
    found = keras.models.load_model(tmp_path / "task.keras")
    assert isinstance(found.optimizer, keras.optimizers.SGD) and float(found.optimizer.learning_rate) == 0.25


def test_the_state_of_the_optimizer_comes_back_and_nothing_is_warned_of(make_classifier, reviews, tmp_path, recwarn):
    model = make_classifier(
        backbone={"num_layers": 1}, compile_with={"optimizer": keras.optimizers.SGD(0.1, momentum=0.9)}
    )
    model.fit(*reviews(8), epochs=1, verbose=0)
    model.save(tmp_path / "task.keras")
    found = keras.models.load_model(tmp_path / "task.keras")
    assert not [warning for warning in recwarn if "optimizer" in str(warning.message)]
    assert [v.path for v in found.optimizer.variables] == [v.path for v in model.optimizer.variables]
    for ours, theirs in zip(found.optimizer.variables, model.optimizer.variables):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert any(np.abs(np.asarray(variable)).max() > 0 for variable in found.optimizer.variables[2:])
