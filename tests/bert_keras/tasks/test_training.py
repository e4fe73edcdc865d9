"""How training runs: tokenized once, the real number of steps, seeds, class weights, precision, own optimizers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import BadInput, BertPreprocessor, TextClassifier
from bert_keras.training.optimizer import AdamW
from bert_keras.training.recipe import Recipe

SMALL = {"num_layers": 1, "hidden_dim": 16}


@pytest.fixture(scope="module")
def data(reviews):
    return reviews(90)


def largest_difference(one, other):
    return max(np.abs(a - b).max() for a, b in zip(one, other))


class Steps(keras.callbacks.Callback):
    """Counts the steps that the optimizer has made at the end of each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        counted = int(np.array(self.model.optimizer.iterations))
        self.counts = [*getattr(self, "counts", []), counted]


class TestSteps:
    @pytest.mark.parametrize("options", [{}, {"steps_per_execution": 1}, {"steps_per_execution": 7}])
    def test_an_epoch_has_a_step_for_each_batch(self, make_classifier, data, options):
        model, steps = make_classifier(backbone=SMALL, compile_with=options), Steps()
        model.fit(*data, batch_size=16, epochs=3, verbose=0, callbacks=[steps])
        assert steps.counts == [6, 12, 18]
        schedule = model.optimizer._learning_rate
        assert (schedule.total_steps, schedule.warmup_steps) == (18, 1)
        assert float(schedule(18)) == 0

    def test_several_steps_an_execution_give_the_same_weights(self, make_classifier, data):
        found = []
        for count in (1, 5):
            model = make_classifier(backbone=SMALL, compile_with={"steps_per_execution": count})
            model.fit(*data, batch_size=16, epochs=2, verbose=0)
            found.append(model.get_weights())
        assert largest_difference(*found) < 1e-5

    def test_a_tiny_model_runs_many_steps_an_execution(self, make_classifier, data):
        model = make_classifier(backbone=SMALL)
        model.fit(*data, batch_size=16, epochs=1, verbose=0)
        assert model.steps_per_execution == 32

    def test_texts_are_tokenized_once_and_not_once_an_epoch(self, make_classifier, data, monkeypatch):
        model = make_classifier(backbone=SMALL)
        # Each call of the graph that tokenizes counts its texts.
        counter, tokenize = tf.Variable(0), model.preprocessor.tokenizer.tokenize

        def counted(texts):
            with tf.control_dependencies([counter.assign_add(tf.size(texts))]):
                return tokenize(tf.identity(texts))

        monkeypatch.setattr(model.preprocessor.tokenizer, "tokenize", counted)
        model.fit(*data, validation_data=(["good", "bad"], ["pos", "neg"]), batch_size=16, epochs=3, verbose=0)
        assert int(counter) == 90 + 2

    def test_training_warns_of_nothing(self, make_classifier, data, recwarn):
        make_classifier(backbone=SMALL).fit(*data, epochs=1, verbose=0)
        ours = [str(w.message) for w in recwarn if w.category is UserWarning]
        assert ours == []

    def test_the_batch_size_of_a_dataset_is_kept(self, make_classifier, data):
        model, steps = make_classifier(backbone=SMALL), Steps()
        model.fit(tf.data.Dataset.from_tensor_slices(data).batch(30), epochs=1, verbose=0, callbacks=[steps])
        assert steps.counts == [3]

    @pytest.mark.parametrize("name", ["steps_per_epoch", "validation_steps"])
    def test_part_of_an_epoch_is_refused(self, trained, name):
        with pytest.raises(ValueError, match=f"{name} is not supported"):
            trained.fit(["a"], ["pos"], **{name: 1})


class TestSeeds:
    @pytest.fixture(scope="class")
    def run(self, make_classifier, data):
        def fit(seed=0, form=lambda texts, labels: (texts, labels)):
            model = make_classifier(backbone={**SMALL, "dropout": 0.3})
            model.fit(*form(*data), batch_size=16, epochs=1, verbose=0, seed=seed)
            return model.get_weights()

        return fit

    @pytest.fixture(scope="class")
    def first(self, run):
        return run()

    def test_the_same_seed_gives_the_same_weights(self, run, first):
        assert largest_difference(first, run()) == 0

    def test_another_seed_gives_others(self, run, first):
        assert largest_difference(first, run(seed=1)) > 1e-4

    def test_a_dataset_gives_the_weights_that_lists_give(self, run, first):
        found = run(form=lambda texts, labels: (tf.data.Dataset.from_tensor_slices((texts, labels)).batch(16), None))
        assert largest_difference(first, found) == 0


class TestWeights:
    def test_balanced_weights_are_inverse_to_how_often_a_label_occurs(self, trained):
        found = trained.class_weights(np.array([0, 0, 0, 1]), "balanced")
        np.testing.assert_allclose(found, [4 / 6, 4 / 6, 4 / 6, 2])

    def test_a_dict_weighs_by_name_or_id_and_leaves_the_rest_at_1(self, trained):
        targets = np.array([0, 1, 1])
        np.testing.assert_allclose(trained.class_weights(targets, {"pos": 3.0}), [1, 3, 3])
        np.testing.assert_allclose(trained.class_weights(targets, {0: 0.5}), [0.5, 1, 1])

    def test_class_weights_are_sample_weights_by_class(self, make_classifier, data):
        texts, labels = data
        found = []
        for options in (
            {"class_weight": {"neg": 4.0}},
            {"sample_weight": [4.0 if label == "neg" else 1.0 for label in labels]},
        ):
            model = make_classifier(backbone=SMALL)
            model.fit(texts, labels, batch_size=16, epochs=1, verbose=0, **options)
            found.append(model.get_weights())
        assert largest_difference(*found) == 0

    def test_rows_of_weight_0_teach_nothing(self, make_classifier):
        model = make_classifier(recipe={"learning_rate": 5e-3})
        texts, weights = ["good film", "bad film"] * 60, [1.0, 1.0, 0.0, 0.0] * 30
        labels = ["pos", "neg", "neg", "pos"] * 30  # the second two of four are wrong
        model.fit(texts, labels, sample_weight=weights, epochs=6, batch_size=8, verbose=0)
        assert [answer["label"] for answer in model.answers(texts[:2])] == ["pos", "neg"]

    @pytest.mark.parametrize("problem, labels", [("regression", []), ("multilabel", ["a", "b"])])
    def test_class_weights_need_one_label_a_text(self, make_classifier, problem, labels):
        model = make_classifier(problem=problem, labels=labels, backbone=SMALL)
        with pytest.raises(ValueError, match="class_weight needs one label a text"):
            model.fit(["a"], [0.5] if not labels else [["a"]], class_weight="balanced")


class TestMasksInTexts:
    """`[MASK]`, which augmentation writes, is the mask token for training, and for nothing else."""

    def test_fit_reads_them_as_the_mask_token(self, make_classifier, tokenizer):
        texts, labels = ["good [MASK]", "[MASK] bad plot", "a [MASK], fine"] * 4, ["pos", "neg", "pos"] * 4
        rows = make_classifier(backbone=SMALL).tokenize_to_learn(texts[:3])[0]
        cls, sep, mask = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.mask_token_id
        good, bad, plot, a, unk, fine = map(tokenizer.token_to_id, ("good", "bad", "plot", "a", "[UNK]", "fine"))
        expected = [cls, good, mask, sep, cls, mask, bad, plot, sep, cls, a, mask, unk, fine, sep]
        assert rows.token_ids.tolist() == expected
        found = []
        for given in (texts, make_classifier(backbone=SMALL).tokenize_to_learn(texts, labels)[0]):
            model = make_classifier(backbone=SMALL)
            model.fit(given, labels if given is texts else None, epochs=2, batch_size=4, verbose=0)
            found.append(model.get_weights())
        assert largest_difference(*found) == 0

    def test_predict_reads_them_as_plain_text(self, make_classifier, tokenizer):
        model = make_classifier(backbone=SMALL)
        assert tokenizer.mask_token_id not in model.tokenize(["a [MASK] film"])[0].token_ids

    def test_both_texts_of_a_pair_may_have_them(self, make_classifier, tokenizer):
        model = make_classifier(backbone=SMALL, pair=True)
        rows, _ = model.tokenize_to_learn({"text": ["a [MASK]"], "text_pair": ["[MASK] film"]})
        assert np.flatnonzero(rows.token_ids == tokenizer.mask_token_id).tolist() == [2, 4]
        assert rows.segment_ids.tolist() == [0, 0, 0, 0, 1, 1, 1]


class TestValidation:
    def test_a_split_takes_the_last_rows_away_from_training(self, make_classifier, data):
        model, steps = make_classifier(backbone=SMALL), Steps()
        options = {"epochs": 1, "batch_size": 16, "verbose": 0}
        history = model.fit(*data, validation_split=0.2, callbacks=[steps], **options).history
        assert steps.counts == [5]  # 72 rows of 90
        found = model.evaluate(*(part[72:] for part in data), verbose=0, return_dict=True)
        assert history["val_loss"][0] == pytest.approx(found["loss"], abs=1e-5)
        assert history["val_accuracy"][0] == pytest.approx(found["accuracy"])

    def test_weighted_validation_data_weigh_its_loss(self, make_classifier, data):
        model, weights = make_classifier(backbone=SMALL), np.arange(30, dtype="float32")
        held_out = tuple(part[:30] for part in data)
        history = model.fit(*data, validation_data=(*held_out, weights), epochs=1, batch_size=32, verbose=0).history
        found = model.evaluate(*held_out, sample_weight=weights, batch_size=32, verbose=0, return_dict=True)
        assert history["val_loss"][0] == pytest.approx(found["loss"], abs=1e-5)


class TestCompile:
    @pytest.mark.parametrize("compiled", [True, False])
    def test_without_arguments_and_without_compile_it_is_the_recipe(self, make_backbone, tokenizer, data, compiled):
        model = TextClassifier(make_backbone(**SMALL), BertPreprocessor(tokenizer), labels=["neg", "pos"])
        if compiled:
            model.compile()
        history = model.fit(*data, epochs=1, verbose=0).history
        assert type(model.optimizer) is AdamW and model.optimizer._learning_rate.peak == Recipe().learning_rate
        assert set(history) == {"loss", "accuracy"}

    def test_recipes_come_as_objects_too(self, make_classifier):
        model = make_classifier(backbone=SMALL)
        model.compile(recipe=Recipe(learning_rate=1e-2))
        assert model.optimizer._learning_rate.peak == 1e-2

    def test_a_bad_recipe_is_refused(self, make_classifier):
        with pytest.raises(BadInput, match="learning_rate is -1"):
            make_classifier(backbone=SMALL, recipe={"learning_rate": -1})

    def test_an_optimizer_loss_and_metric_of_ones_own_are_used(self, make_classifier, data):
        model = make_classifier(
            backbone=SMALL,
            compile_with={
                "optimizer": keras.optimizers.SGD(0.0),
                "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                "metrics": [keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="again")],
            },
        )
        before = model.get_weights()
        history = model.fit(*data, epochs=1, verbose=0).history
        assert isinstance(model.optimizer, keras.optimizers.SGD)
        assert largest_difference(before, model.get_weights()) == 0
        assert set(history) == {"loss", "again"}
        # The rate is 0: the task's own loss of the same weights is the same number, dropout aside.
        own = make_classifier(backbone=SMALL).evaluate(*data, verbose=0, return_dict=True)["loss"]
        assert model.evaluate(*data, verbose=0, return_dict=True)["loss"] == pytest.approx(own, abs=1e-5)

    def test_weighted_metrics_get_the_weights(self, make_classifier, data):
        metric = keras.metrics.SparseCategoricalAccuracy(name="weighted")
        model = make_classifier(backbone=SMALL, compile_with={"weighted_metrics": [metric]})
        weights = np.array([1.0, 0.0] * 45, "float32")
        found = model.evaluate(*data, sample_weight=weights, batch_size=90, verbose=0, return_dict=True)
        kept = model.evaluate(*(part[::2] for part in data), batch_size=90, verbose=0, return_dict=True)
        assert found["weighted"] == pytest.approx(kept["accuracy"], abs=1e-6)


class TestPrecision:
    def test_bfloat16_learns_as_float32_does(self, make_classifier, reviews):
        model = make_classifier(recipe={"learning_rate": 3e-3}, backbone={"dtype": "mixed_bfloat16"})
        model.fit(*reviews(600), epochs=4, verbose=0)
        texts, labels = reviews(200, seed=9)
        assert np.mean([a["label"] == y for a, y in zip(model.answers(texts), labels)]) >= 0.95
        assert model.predict(texts[:3], verbose=0).dtype == np.float32
        assert {weight.dtype for weight in model.trainable_weights} == {"float32"}

    @pytest.mark.slow
    def test_xla_gives_the_weights_that_the_plain_graph_gives(self, make_classifier):
        texts, labels = ["good film", "bad plot", "fine", "dull"] * 4, ["pos", "neg"] * 8
        found = []
        for jit in (False, True):
            encoder = {**SMALL, "dropout": 0.0, "attention_dropout": 0.0}
            model = make_classifier(backbone=encoder, compile_with={"jit_compile": jit})
            model.fit(texts, labels, epochs=2, batch_size=8, verbose=0)
            found.append(model.get_weights())
        assert largest_difference(*found) < 1e-4


class TestTraces:
    """What tracing costs is most of what a short run takes."""

    def test_a_training_step_is_traced_once(self, make_classifier, data, monkeypatch):
        model, traced = make_classifier(backbone=SMALL), []
        train_step = model.train_step
        monkeypatch.setattr(model, "train_step", lambda batch: traced.append(1) or train_step(batch))
        model.fit(*data, batch_size=16, epochs=2, verbose=0)
        assert len(traced) == 1

    def test_predict_traces_one_model_for_any_number_of_batches_of_any_shape(self, make_classifier, data, monkeypatch):
        texts, labels = data
        model, traced = make_classifier(backbone=SMALL), []
        model.fit(texts, labels, batch_size=16, epochs=1, verbose=0)
        predict_step = model.predict_step
        monkeypatch.setattr(model, "predict_step", lambda batch: traced.append(1) or predict_step(batch))
        for part, batch_size in ((texts, 16), (texts, 7), (texts[:1], 1)):
            model.predict(part, batch_size=batch_size, verbose=0)
        assert len(traced) == 1
        assert model.steps_per_execution == 32

    def test_predict_warns_of_nothing(self, make_classifier, data, recwarn):
        make_classifier(backbone=SMALL).predict(data[0], verbose=0)
        assert [str(w.message) for w in recwarn if w.category is UserWarning] == []
