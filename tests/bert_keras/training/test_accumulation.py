"""Fine-tuning in parts of a batch beside the whole batch: weights, figures and steps are the same."""

import keras
import numpy as np
import pytest

# Batches of 8, and a last one of 5: into 3 parts neither is cut evenly, of 8 parts three are empty.
ROWS, BATCH = 37, 8
WEIGHTS = np.random.default_rng(1).random(ROWS).astype("float32")
WEIGHTED = {"sample_weight": WEIGHTS, "class_weight": {"neg": 3.0}}


@pytest.fixture(scope="module")
def train(make_classifier, reviews):
    """`train(accumulate, strategy, **fit options)`: history, weights and optimizer steps after two epochs."""
    from bert_keras.training.distribution import get_strategy

    def run(accumulate, strategy="none", dtype=None, steps_per_execution=None, **options):
        with get_strategy(strategy).scope():
            model = make_classifier(
                backbone={"num_layers": 1, "dtype": dtype},
                recipe={"clip": 0.05, "learning_rate": 1e-3, "layer_decay": 0.7},
                compile_with={"accumulate": accumulate}
                | ({"steps_per_execution": steps_per_execution} if steps_per_execution else {}),
            )
        history = model.fit(*reviews(ROWS), epochs=2, batch_size=BATCH, verbose=0, **options).history
        return history, model.get_weights(), int(np.array(model.optimizer.iterations))

    return run


@pytest.fixture(scope="module")
def whole(train):
    return {"plain": train(1), "weighted": train(1, **WEIGHTED)}


def assert_equal(found, expected):
    assert found[0].keys() == expected[0].keys() and found[2] == expected[2] == 2 * 5
    for name, values in expected[0].items():
        np.testing.assert_allclose(found[0][name], values, atol=1e-5, err_msg=name)
    for one, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("parts", [3, 8])
def test_parts_of_a_batch_make_the_step_of_the_whole_batch(whole, train, parts):
    assert_equal(train(parts), whole["plain"])


def test_weighted_parts_make_the_step_of_the_whole_weighted_batch(whole, train):
    found = train(3, **WEIGHTED)
    assert_equal(found, whole["weighted"])
    assert max(np.abs(a - b).max() for a, b in zip(found[1], whole["plain"][1])) > 1e-3


def test_parts_go_with_several_steps_an_execution(whole, train):
    assert_equal(train(2, steps_per_execution=4), whole["plain"])


def test_parts_in_bfloat16_stay_near_the_whole_batch(train):
    """Sums of rounded gradients differ in the third digit; a step is at most the learning rate."""
    of_parts, of_batch = train(2, dtype="mixed_bfloat16"), train(1, dtype="mixed_bfloat16")
    assert of_parts[2] == of_batch[2]
    np.testing.assert_allclose(of_parts[0]["loss"], of_batch[0]["loss"], rtol=1e-2)
    difference = [np.abs(a - b).mean() for a, b in zip(of_parts[1], of_batch[1])]
    assert max(difference) < 5e-4 and {weight.dtype for weight in of_parts[1]} == {np.dtype("float32")}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["plain", "weighted"])
def test_parts_on_two_replicas_make_the_step_of_the_whole_batch(two_cpu_devices, whole, train, case):
    """A replica's 2 or 3 rows of the last batch are cut into parts of unequal size."""
    assert_equal(train(2, "mirrored", **(WEIGHTED if case == "weighted" else {})), whole[case])


def test_targets_of_words_and_a_pooler_at_rest_train_alike(make_backbone, tokenizer):
    """A CRF over words of rows of unlike length; the pooler, which its loss leaves alone, neither moves nor decays."""
    from bert_keras import TokenClassifier, WordPreprocessor

    words = [["good", "film"], ["the", "plot", "bad"], ["a", "very", "fine", "story", "with", "cast"]] * 4
    tags = [["B-x", "O"], ["O", "B-y", "I-y"], ["O"] * 3 + ["B-x", "I-x", "O"]] * 4
    found = []
    for accumulate in (1, 3):
        model = TokenClassifier(
            make_backbone(num_layers=1), WordPreprocessor(tokenizer, max_length=16), labels=["x", "y"], crf=True
        )
        resting = [weight for weight in model.weights if "pooler/" in weight.path]
        before = [weight.numpy() for weight in resting]
        model.compile(recipe={"learning_rate": 1e-3, "weight_decay": 0.5}, accumulate=accumulate)
        history = model.fit(words, tags, epochs=2, batch_size=5, verbose=0).history
        found.append((model.get_weights(), history["loss"]))
        assert resting and all((weight.numpy() == value).all() for weight, value in zip(resting, before))
    for one, other in zip(*(weights for weights, _ in found), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(found[1][1], found[0][1], atol=1e-5)


def test_several_tasks_in_turns_train_alike(make_backbone, tokenizer, reviews):
    from bert_keras import BertPreprocessor, MultiTask, TextClassifier, TokenClassifier, WordPreprocessor

    (texts, labels), found = reviews(9), []
    words = [text.split() for text in texts]
    tags = [["B-x" if word in ("film", "plot") else "O" for word in row] for row in words]
    for accumulate in (1, 2):
        backbone = make_backbone(num_layers=1)
        tasks = {
            "mood": TextClassifier(backbone, BertPreprocessor(tokenizer, max_length=32), labels=["neg", "pos"]),
            "things": TokenClassifier(backbone, WordPreprocessor(tokenizer, max_length=32), labels=["x"]),
        }
        model = MultiTask(tasks, {"things": 2.0})
        model.compile(recipe={"learning_rate": 1e-3, "clip": 0.05}, accumulate=accumulate)
        data = {"mood": (texts, labels), "things": (words, tags)}
        history = model.fit(data, epochs=2, batch_size=4, verbose=0).history
        found.append((model.get_weights(), history))
    for one, other in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for name, values in found[0][1].items():
        np.testing.assert_allclose(found[1][1][name], values, atol=1e-5, err_msg=name)


def test_a_batch_that_does_not_come_from_fit_is_cut_too(make_classifier, reviews):
    (texts, labels), found = reviews(7), []
    for accumulate in (1, 2):
        arguments = {"accumulate": accumulate, "optimizer": keras.optimizers.SGD(0.5)}
        model = make_classifier(backbone={"num_layers": 1}, compile_with=arguments)
        features = model.preprocessor(list(texts))
        targets = model.targets_to_array(labels)
        loss = model.train_on_batch(features, targets, sample_weight=WEIGHTS[:7], return_dict=True)["loss"]
        found.append((float(loss), model.get_weights()))
    assert found[1][0] == pytest.approx(found[0][0], abs=1e-5)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_number_of_parts_comes_back_with_a_saved_model(make_classifier):
    model = make_classifier(backbone={"num_layers": 1}, compile_with={"accumulate": 4})
    other = make_classifier(backbone={"num_layers": 1})
    other.compile_from_config(model.get_compile_config())
    assert (model._parts, other._parts) == (4, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accumulate": 0}, "accumulate is 0; expected a whole number of at least 1"),
        ({"accumulate": True}, "accumulate is True"),
        ({"accumulate": 2, "loss": "mse"}, "accumulate goes with the task's own loss alone"),
        ({"accumulate": 2, "jit_compile": True}, "accumulate does not go with jit_compile"),
    ],
)
def test_what_does_not_go_together_is_refused(make_classifier, options, said):
    from bert_keras import BadInput

    with pytest.raises(BadInput, match=said):
        make_classifier(backbone={"num_layers": 1}, compile_with=options)
