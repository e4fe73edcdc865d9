"""Loops of one's own: a batch by itself is learnt and measured as `fit` and `evaluate` do it."""

import keras
import numpy as np
import pytest

from bert_keras import BadInput, TokenClassifier
from bert_keras.tokenizers import WordPreprocessor

SMALL = {"num_layers": 1, "hidden_dim": 16}
WEIGHTS = {"sample_weight": np.array([1, 2, 0, 1, 0.5, 1, 1, 3], "float32")}


@pytest.fixture(scope="module")
def data(reviews):
    return reviews(8)


@pytest.fixture
def make(make_classifier):
    return lambda: make_classifier(backbone=SMALL, compile_with={"optimizer": keras.optimizers.SGD(0.1)})


@pytest.fixture
def make_tagger(make_backbone, tokenizer):
    def make():
        model = TokenClassifier(make_backbone(**SMALL), WordPreprocessor(tokenizer, max_length=32), labels=["x"])
        model.compile(optimizer=keras.optimizers.SGD(0.1))
        return model

    return make


def assert_same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("options", [{}, WEIGHTS, {"class_weight": {"neg": 3.0}}], ids=["", "weights", "class weights"])
def test_a_batch_moves_the_weights_as_an_epoch_of_it_does(make, data, options):
    one, other = make(), make()
    one.fit(*data, batch_size=8, epochs=1, verbose=0, **options)
    other.train_on_batch(*data, **options)
    assert_same_weights(one, other)


def test_a_batch_of_tagged_words_does_too_without_a_warning(make_tagger, recwarn):
    data = [["a", "good", "film"], ["bad"]], [["O", "B-x", "I-x"], ["B-x"]]
    one, other = make_tagger(), make_tagger()
    one.fit(*data, batch_size=2, epochs=1, verbose=0)
    other.train_on_batch(*data)
    assert_same_weights(one, other)
    assert not [warning for warning in recwarn if "Gradients do not exist" in str(warning.message)]


def test_a_batch_is_measured_as_evaluate_measures_it(trained, data):
    expected = trained.evaluate(*data, batch_size=8, verbose=0, return_dict=True, **WEIGHTS)
    trained.reset_metrics()
    found = trained.test_on_batch(*data, return_dict=True, **WEIGHTS)
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected, abs=1e-6)


def test_the_recipe_needs_to_know_the_number_of_steps(make_classifier, data):
    with pytest.raises(BadInput, match="train_on_batch does not go with the recipe"):
        make_classifier(backbone=SMALL).train_on_batch(*data)


def test_class_weights_of_tokens_are_refused(make, data):
    model = make()
    features, targets = model.preprocessor(list(data[0])), model.targets_to_array(data[1])
    with pytest.raises(BadInput, match="class_weight goes with raw text"):
        model.train_on_batch(features, targets, class_weight={"neg": 2.0})
