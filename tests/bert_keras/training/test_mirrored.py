"""MirroredStrategy on two logical CPU devices beside one device, with the same global batch."""

import numpy as np
import pytest

from bert_keras import (
    BadInput,
    BertPreprocessor,
    IntentSlotClassifier,
    MultiTask,
    TextClassifier,
    TokenClassifier,
    WordPreprocessor,
)
from bert_keras.training.distribution import get_strategy

# 37 rows in batches of 8: the last batch has 5, so that the two replicas' shares differ.
ROWS, BATCH = 37, 8
WEIGHTS = np.random.default_rng(1).random(ROWS).astype("float32")
CASES = {
    "plain": {},
    "sample and class weights": {"sample_weight": WEIGHTS, "class_weight": {"neg": 3.0}},
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def train(make_classifier, reviews):
    """`train(strategy, **fit options)`: the history and the weights after two epochs, without dropout."""

    def run(strategy, **options):
        with get_strategy(strategy).scope():
            model = make_classifier(
                backbone={"num_layers": 1}, recipe={"clip": 0.05, "learning_rate": 1e-3, "layer_decay": 0.7}
            )
        replicas = model.distribute_strategy.num_replicas_in_sync
        texts, labels = reviews(ROWS)
        validation = tuple(part[:5] for part in (texts, labels))
        history = model.fit(
            texts, labels, epochs=2, batch_size=BATCH, verbose=0, validation_data=validation, **options
        ).history
        return replicas, history, model.get_weights(), int(np.array(model.optimizer.iterations))

    return run


@pytest.fixture(scope="module", params=CASES)
def both(request, train):
    """The runs on one device and on two."""
    return train("none", **CASES[request.param]), train("mirrored", **CASES[request.param])


def test_two_replicas_train(two_cpu_devices, both):
    assert (both[0][0], both[1][0]) == (1, 2)


def test_weights_are_equal_on_one_replica_and_on_two(two_cpu_devices, both):
    for one, two in zip(both[0][2], both[1][2]):
        np.testing.assert_allclose(two, one, atol=1e-5)


@pytest.mark.parametrize("name", ["loss", "accuracy", "val_loss", "val_accuracy"])
def test_what_is_shown_is_equal_on_one_replica_and_on_two(two_cpu_devices, both, name):
    np.testing.assert_allclose(both[1][1][name], both[0][1][name], atol=1e-5)


def test_the_number_of_steps_is_that_of_the_global_batch(two_cpu_devices, both):
    assert both[0][3] == both[1][3] == 2 * 5


def test_predictions_and_losses_are_equal_on_one_replica_and_on_two(two_cpu_devices, make_classifier, reviews):
    texts, labels = reviews(21)
    found = []
    for strategy in ("none", "mirrored"):
        with get_strategy(strategy).scope():
            model = make_classifier(seed=3, backbone={"num_layers": 1})
        loss = model.evaluate(texts, labels, batch_size=8, verbose=0, return_dict=True)["loss"]
        found.append((model.predict(texts, batch_size=8, verbose=0), loss))
    np.testing.assert_allclose(found[1][0], found[0][0], atol=1e-5)
    assert found[1][1] == pytest.approx(found[0][1], abs=1e-5)


def test_targets_of_words_and_of_rows_train_alike_on_one_replica_and_on_two(two_cpu_devices, make_backbone, tokenizer):
    """Intents and slots with a CRF: a dict of targets, one of them for every token, weighted."""
    words = [["good", "film"], ["the", "plot", "bad"], ["a", "very", "fine", "story", "with", "cast"]] * 5
    targets = [
        ("praise", ["B-x", "O"]),
        ("blame", ["O", "B-y", "I-y"]),
        ("praise", ["O"] * 3 + ["B-x", "I-x", "O"]),
    ] * 5
    weights = np.random.default_rng(2).random(len(words)).astype("float32")
    found = []
    for strategy in ("none", "mirrored"):
        with get_strategy(strategy).scope():
            model = IntentSlotClassifier(
                make_backbone(num_layers=1),
                WordPreprocessor(tokenizer, max_length=16),
                intents=["blame", "praise"],
                labels=["x", "y"],
                crf=True,
            )
            model.compile(recipe={"learning_rate": 1e-3})
        history = model.fit(words, targets, sample_weight=weights, epochs=2, batch_size=4, verbose=0).history
        found.append((model.get_weights(), history["loss"]))
    for one, two in zip(found[0][0], found[1][0]):
        np.testing.assert_allclose(two, one, atol=1e-5)
    np.testing.assert_allclose(found[1][1], found[0][1], atol=1e-5)


def test_several_tasks_train_alike_on_one_replica_and_on_two(two_cpu_devices, make_backbone, tokenizer, reviews):
    """Tasks in turns, with batches that do not divide, weights that rest, clipping and validation."""
    (texts, labels), found = reviews(21), []
    words = [text.split() for text in texts[:9]]
    tags = [["B-x" if word in ("film", "plot") else "O" for word in row] for row in words]
    for strategy in ("none", "mirrored"):
        with get_strategy(strategy).scope():
            backbone = make_backbone(num_layers=1)
            tasks = {
                "mood": TextClassifier(backbone, BertPreprocessor(tokenizer, max_length=32), labels=["neg", "pos"]),
                "things": TokenClassifier(backbone, WordPreprocessor(tokenizer, max_length=32), labels=["x"]),
            }
            model = MultiTask(tasks, {"things": 2.0})
        model.compile(recipe={"learning_rate": 1e-3, "clip": 0.05})
        data = {"mood": (texts, labels), "things": (words, tags)}
        history = model.fit(data, validation_data=data, epochs=2, batch_size=4, alpha=0.5, verbose=0).history
        found.append((model.get_weights(), history))
    for one, two in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)
    assert found[0][1].keys() == found[1][1].keys()
    for name, values in found[0][1].items():
        np.testing.assert_allclose(found[1][1][name], values, atol=1e-4)


def test_a_batch_of_one_row_leaves_a_replica_without_any(two_cpu_devices, make_classifier):
    with get_strategy("mirrored").scope():
        model = make_classifier(backbone={"num_layers": 1})
    history = model.fit(["good film", "bad film", "fine"], ["pos", "neg", "pos"], epochs=1, batch_size=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_several_steps_an_execution_are_refused_on_replicas(two_cpu_devices, make_classifier):
    with get_strategy("mirrored").scope():
        with pytest.raises(ValueError, match="steps_per_execution above 1 does not work on several replicas"):
            make_classifier(compile_with={"steps_per_execution": 4})


class TestStrategyNames:
    @pytest.mark.parametrize("name", [None, "none"])
    def test_none_is_the_strategy_in_force(self, name):
        assert get_strategy(name).num_replicas_in_sync == 1

    def test_a_strategy_is_itself(self, two_cpu_devices):
        strategy = get_strategy("mirrored")
        assert get_strategy(strategy) is strategy

    def test_a_mistyped_name_brings_the_nearest(self):
        with pytest.raises(BadInput, match="no strategy 'miror' .did you mean 'mirrored'"):
            get_strategy("miror")
