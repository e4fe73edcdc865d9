"""Several tasks over one encoder: what moves when, what is learnt, and what comes back from a preset."""

import keras
import numpy as np
import pytest

from bert_keras import (
    BadInput,
    BertPreprocessor,
    MultiTask,
    QuestionAnswerer,
    QuestionPreprocessor,
    TextClassifier,
    TokenClassifier,
    WordPreprocessor,
    load_task,
)
from bert_keras.data.records import Records
from bert_keras.data.squad import Answer
from bert_keras.training.sampling import draw_turns

THINGS = ("film", "story", "plot", "cast")


@pytest.fixture(scope="module")
def words(reviews):
    """`words(count, seed)`: lists of words, and their tags."""

    def draw(count, seed=0):
        rows = [text.split() for text in reviews(count, seed)[0]]
        return rows, [["B-THING" if word in THINGS else "O" for word in row] for row in rows]

    return draw


@pytest.fixture(scope="module")
def make_model(make_backbone, tokenizer):
    """A function that makes a `MultiTask` of "mood" (texts) and "things" (words); options as for `make_backbone`."""

    def make(loss_weights=None, recipe=None, seed=0, **options):
        backbone = make_backbone(seed, **options)
        tasks = {
            "mood": TextClassifier(backbone, BertPreprocessor(tokenizer, max_length=32), labels=["neg", "pos"]),
            "things": TokenClassifier(backbone, WordPreprocessor(tokenizer, max_length=24), labels=["THING"]),
        }
        model = MultiTask(tasks, loss_weights)
        model.compile(recipe={"learning_rate": 5e-3, **(recipe or {})})
        return model

    return make


def test_an_optimizer_may_be_named(make_model):
    model = make_model()
    model.compile(optimizer="sgd")
    assert isinstance(model._optimizer_for(1), keras.optimizers.SGD)


@pytest.fixture(scope="module")
def learnt(make_model, reviews, words):
    """`(model, history)` of a model that has learnt both tasks; leave it as it is."""
    model = make_model()
    history = model.fit(
        {"mood": reviews(400), "things": words(100)},
        epochs=4,
        alpha=0.5,
        validation_data={"mood": reviews(40, seed=5)},
        verbose=0,
    )
    return model, history.history


def head(task):
    """The weights of a task that are not the encoder's."""
    inside = {id(variable) for variable in task.backbone.weights}
    return [np.array(variable) for variable in task.trainable_weights if id(variable) not in inside]


class Watch(keras.callbacks.Callback):
    """After each step: which parts of the model have moved since the last one."""

    def on_train_begin(self, logs=None):
        self.moved, self._before = [], self._parts()

    def on_train_batch_end(self, batch, logs=None):
        after = self._parts()
        moved = {name for name in after if any((a != b).any() for a, b in zip(after[name], self._before[name]))}
        self.moved.append(moved)
        self._before = after

    def on_train_end(self, logs=None):
        self.weights = self.model.get_weights()

    def _parts(self):
        parts = {name: head(task) for name, task in self.model.tasks.items()}
        return {"encoder": [np.array(w) for w in self.model.backbone.trainable_weights], **parts}


# === Training ===


def test_one_task_alone_trains_as_its_own_fit(make_model, make_classifier, reviews):
    """Dropout, order of batches, schedule, clipping, weighted rows and all."""
    texts, labels = reviews(70)
    data = texts, labels, np.random.default_rng(0).random(70)
    alone = make_classifier(backbone={"dropout": 0.1})
    history = alone.fit(*data[:2], sample_weight=data[2], epochs=2, batch_size=8, seed=3, verbose=0).history
    other = make_classifier(backbone={"dropout": 0.1})
    model = MultiTask({"mood": other})
    model.compile(recipe={"learning_rate": 5e-3})
    found = model.fit({"mood": data}, epochs=2, batch_size=8, seed=3, verbose=0).history
    for one, two in zip(alone.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)
    np.testing.assert_allclose(found["mood_loss"], history["loss"], atol=1e-5)
    np.testing.assert_allclose(found["loss"], history["loss"], atol=1e-5)


@pytest.fixture(scope="module")
def watched(make_model, reviews, words):
    """`(model, watch)` after one epoch with batches of one row, 24 reviews beside 6 rows of words."""
    model, watch = make_model(recipe={"weight_decay": 0.1, "warmup": 0.0}, num_layers=1, dropout=0.2), Watch()
    data = {"mood": reviews(24), "things": words(6)}
    model.fit(data, epochs=1, batch_size=1, alpha=0.5, seed=2, callbacks=[watch], verbose=0)
    return model, watch


def test_a_step_moves_the_encoder_and_the_head_of_the_task_that_was_drawn_alone(watched):
    """As many steps as batches, drawn two to one: by the roots of 24 and 6. Decay and momentum leave idle heads."""
    drawn = draw_turns([2 / 3, 1 / 3], 30, seed=2, epoch=0)
    assert 15 < np.count_nonzero(drawn == 0) < 25
    assert watched[1].moved == [{"encoder", ("mood", "things")[number]} for number in drawn]


def test_the_same_seed_gives_the_same_weights(watched, make_model, reviews, words):
    again = make_model(recipe={"weight_decay": 0.1, "warmup": 0.0}, num_layers=1, dropout=0.2)
    again.fit({"mood": reviews(24), "things": words(6)}, epochs=1, batch_size=1, alpha=0.5, seed=2, verbose=0)
    for one, two in zip(watched[1].weights, again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_task_of_it_trains_on_by_itself(watched, reviews):
    task = watched[0]["mood"]
    task.fit(*reviews(40), epochs=1, batch_size=8, verbose=0)
    assert int(np.array(task.optimizer.iterations)) == 5


def test_a_loss_weight_scales_the_gradient(make_model, reviews):
    found = []
    for weight, rate in ((2.0, 0.05), (1.0, 0.1)):
        model = make_model(num_layers=1)
        model = MultiTask({"mood": model["mood"]}, {"mood": weight})
        model.compile(optimizer=keras.optimizers.SGD(rate))
        history = model.fit({"mood": reviews(16)}, epochs=1, batch_size=8, verbose=0).history
        assert history["loss"][0] == pytest.approx(weight * history["mood_loss"][0], rel=1e-6)
        found.append(model.get_weights())
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_both_tasks_are_learnt_on_unseen_rows(learnt, reviews, words):
    """Accuracy 0.95 and F1 0.95 at least; chance is 0.5 and about 0."""
    model, _ = learnt
    (texts, labels), (rows, tags) = reviews(100, seed=9), words(60, seed=9)
    records = {
        "mood": Records({"text": texts}, labels, list(range(100)), "reviews"),
        "things": Records({"tokens": rows}, tags, list(range(60)), "words"),
    }
    metrics = model.evaluate_records(records)
    assert metrics["mood"]["accuracy"] >= 0.95
    assert metrics["things"]["f1"] >= 0.95


def test_history_names_each_tasks_figures_and_the_joint_loss(learnt):
    _, history = learnt
    of_tasks = {f"{task}_{name}" for task in ("mood", "things") for name in ("loss", "accuracy")}
    assert set(history) == {"loss", *of_tasks, "val_loss", "val_mood_loss", "val_mood_accuracy"}
    assert history["val_mood_loss"] == pytest.approx(history["val_loss"], rel=1e-12)
    assert all(len(values) == 4 for values in history.values())


def test_evaluate_gives_what_each_task_gives(learnt, reviews, words):
    model, _ = learnt
    data = {"mood": reviews(30, seed=4), "things": words(20, seed=4)}
    found = model.evaluate(data)
    for name, (x, y) in data.items():
        alone = model[name].evaluate(x, y, verbose=0, return_dict=True)
        assert {key: found[f"{name}_{key}"] for key in alone} == pytest.approx(alone)


def test_stopping_early_stops(make_model, reviews, words):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    model = make_model(num_layers=1)
    data = {"mood": reviews(32), "things": words(32)}
    history = model.fit(data, epochs=3, batch_size=8, callbacks=[Stop()], verbose=0).history
    assert int(np.array(model.optimizer.iterations)) == 1 and len(history["loss"]) == 1


def test_tune_chooses_the_null_threshold_of_questions(make_backbone, tokenizer):
    preprocessor = QuestionPreprocessor(tokenizer, max_length=32, doc_stride=8, max_question_length=8)
    answerer = QuestionAnswerer(make_backbone(num_layers=1), preprocessor, unanswerable=True)
    contexts = ["good film", "the dull plot"]
    features = {"question": ["film", "cast"], "context": contexts}
    records = Records(features, [[Answer("film", 5)], []], [1, 2], "asked.json")
    answerer.null_threshold = 123.0
    MultiTask({"asked": answerer}).tune({"asked": records})
    assert answerer.null_threshold != 123.0


# === Presets ===


@pytest.fixture(scope="module")
def preset(learnt, tmp_path_factory):
    path = tmp_path_factory.mktemp("multi") / "preset"
    learnt[0].save_to_preset(path)
    return path


def test_a_preset_gives_all_tasks_back_over_one_encoder(learnt, preset, reviews, words):
    model, found = learnt[0], load_task(preset)
    assert type(found) is MultiTask and list(found.tasks) == ["mood", "things"]
    assert found["mood"].backbone is found["things"].backbone is found.backbone
    assert (found["mood"].preprocessor.max_length, found["things"].preprocessor.max_length) == (32, 24)
    texts = reviews(12, seed=2)[0]
    np.testing.assert_allclose(
        found["mood"].predict(texts, verbose=0), model["mood"].predict(texts, verbose=0), atol=1e-6
    )
    asked = {"things": words(12, seed=2)[0]}
    assert found.predict(asked) == model.predict(asked)


def test_a_preset_holds_the_encoder_once(learnt, preset):
    encoder = 4 * learnt[0].backbone.count_params()
    files = {path.relative_to(preset).as_posix(): path.stat().st_size for path in preset.rglob("*") if path.is_file()}
    assert {"heads/mood.weights.h5", "heads/things.weights.h5", "model.weights.h5", "task.json"} <= set(files)
    assert files["model.weights.h5"] >= encoder
    # A head of 32 x 2 or 32 x 3 numbers, and what HDF5 says about it.
    assert sum(size for name, size in files.items() if name.startswith("heads/")) < encoder / 2


def test_the_encoder_of_a_preset_starts_another_task(learnt, preset):
    task = TextClassifier.from_preset(preset, labels=["a", "b", "c"])
    for one, two in zip(learnt[0].backbone.get_weights(), task.backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_bfloat16_trains_and_comes_back(preset, reviews, tmp_path):
    tasks = {
        "a": {"task": "classification", "labels": ["neg", "pos"], "max_length": 16},
        # Without `task` the name is the task's.
        "classification": {"labels": ["x", "y", "z"], "loss_weight": 0.5},
    }
    model = MultiTask.from_preset(preset, tasks=tasks, dtype="mixed_bfloat16")
    assert model.loss_weights == {"a": 1.0, "classification": 0.5}
    assert [task.preprocessor.max_length for task in model.tasks.values()] == [16, 32]
    texts, labels = reviews(16)
    data = {"a": (texts, labels), "classification": (texts[:8], ["x", "y", "z", "x"] * 2)}
    history = model.fit(data, epochs=1, batch_size=4, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    model.save_to_preset(tmp_path / "again")
    found = load_task(tmp_path / "again")
    assert found.backbone.dtype_policy.name == "mixed_bfloat16" and found.loss_weights == model.loss_weights
    for name, task in model.tasks.items():
        np.testing.assert_allclose(found[name].predict(texts, verbose=0), task.predict(texts, verbose=0), atol=1e-3)


def test_a_keras_file_is_refused(learnt, tmp_path):
    with pytest.raises(NotImplementedError, match="saved by save_to_preset"):
        learnt[0].save(tmp_path / "model.keras")


def test_a_broken_preset_is_one_sentence(learnt, preset, tmp_path):
    learnt[0].save_to_preset(tmp_path / "broken")
    (tmp_path / "broken" / "heads" / "things.weights.h5").unlink()
    with pytest.raises(BadInput, match="cannot be loaded.*things.weights.h5"):
        load_task(tmp_path / "broken")


# === Bad input ===


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda tasks: {}, "There are no tasks"),
        (lambda tasks: {"a b": tasks["mood"]}, "'a b' is no name of a task"),
        (lambda tasks: {"val_x": tasks["mood"]}, "cannot be called 'val_x'"),
        (lambda tasks: {"serving_default": tasks["mood"]}, "cannot be called"),
        (lambda tasks: {"a": tasks["mood"], "a_tokens": tasks["things"]}, "'a_tokens' is that of another"),
        (lambda tasks: {"a": "mood"}, "'a' is a str; expected a task"),
    ],
)
def test_tasks_that_do_not_fit_are_refused(make_model, change, message):
    with pytest.raises(BadInput, match=message):
        MultiTask(change(dict(make_model(num_layers=1).tasks)))


def test_encoders_of_their_own_are_refused(make_classifier):
    with pytest.raises(BadInput, match="encoders of their own"):
        MultiTask({"a": make_classifier(), "b": make_classifier()})


@pytest.mark.parametrize("weight", [0, -1.0, float("nan"), "2"])
def test_a_loss_weight_is_a_number_above_0(make_model, weight):
    with pytest.raises(BadInput, match="expected a number above 0"):
        make_model(loss_weights={"mood": weight}, num_layers=1)


@pytest.mark.parametrize(
    "data, message",
    [
        ([1], "The data are a list; expected a dict"),
        ({"moods": (["a"], ["pos"])}, "There is no task 'moods' .did you mean 'mood'"),
        ({"mood": (["a"], ["pos"])}, "There are no data for the task 'things'"),
        ({"mood": (["a"], ["pos"]), "things": (["a"],)}, "There are no targets"),
    ],
)
def test_data_that_do_not_fit_are_refused(learnt, data, message):
    with pytest.raises(BadInput, match=message):
        learnt[0].fit(data, verbose=0)


def test_from_preset_without_tasks_needs_saved_ones(trained, tmp_path):
    trained.save_to_preset(tmp_path / "single")
    with pytest.raises(BadInput, match="holds no MultiTask; name the tasks"):
        MultiTask.from_preset(tmp_path / "single")
