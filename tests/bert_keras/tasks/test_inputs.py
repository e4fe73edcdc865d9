"""Every form in which texts, targets and weights may come, and what is said of those in which they may not."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from bert_keras import BadInput
from bert_keras.training.batching import tokenize_rows

TEXTS = ["a good film", "bad", "the very dull story with a plot", "great cast", "awful awful", "fine"]
LABELS = ["pos", "neg", "neg", "pos", "neg", "pos"]


def tensors(*parts):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])


FORMS = {
    "list": lambda: (TEXTS, LABELS),
    "tuple": lambda: (tuple(TEXTS), tuple(LABELS)),
    "array": lambda: (np.array(TEXTS), np.array(LABELS)),
    "object array": lambda: (np.array(TEXTS, object), np.array(LABELS, object)),
    "bytes": lambda: ([text.encode() for text in TEXTS], [label.encode() for label in LABELS]),
    "tensor": lambda: (tf.constant(TEXTS), tf.constant(LABELS)),
    "series": lambda: (pd.Series(TEXTS, index=range(5, 11)), pd.Series(LABELS)),
    "frame": lambda: (pd.DataFrame({"text": TEXTS}), pd.Series(LABELS, dtype="category")),
    "dict": lambda: ({"text": TEXTS}, LABELS),
    "ids": lambda: (TEXTS, [1, 0, 0, 1, 0, 1]),
    "id array": lambda: (TEXTS, np.array([1, 0, 0, 1, 0, 1])),
    "float ids": lambda: (TEXTS, np.array([1, 0, 0, 1, 0, 1], "float32")),
    "booleans": lambda: (TEXTS, [label == "pos" for label in LABELS]),
    "column of ids": lambda: (TEXTS, np.array([[1], [0], [0], [1], [0], [1]])),
    "unbatched dataset": lambda: (tensors(TEXTS, LABELS), None),
    "batched dataset": lambda: (tensors(TEXTS, LABELS).batch(4), None),
    "dataset of dicts": lambda: (tensors({"text": TEXTS}, [1, 0, 0, 1, 0, 1]).batch(4), None),
}


@pytest.fixture(scope="module")
def expected(trained):
    return trained.predict(TEXTS, verbose=0), trained.evaluate(TEXTS, LABELS, verbose=0, return_dict=True)["loss"]


@pytest.mark.parametrize("form", FORMS)
def test_texts_and_labels_mean_the_same_in_every_form(trained, expected, form):
    x, y = FORMS[form]()
    assert trained.evaluate(x, y, verbose=0, return_dict=True)["loss"] == pytest.approx(expected[1], abs=1e-6)
    np.testing.assert_allclose(trained.predict(x, verbose=0), expected[0], atol=1e-6)


def test_tokenized_rows_are_taken_as_they_are(trained, expected):
    rows = tokenize_rows(trained.preprocessor, {"text": TEXTS}, np.array([1, 0, 0, 1, 0, 1], "int32"))
    assert trained.evaluate(rows, verbose=0, return_dict=True)["loss"] == pytest.approx(expected[1], abs=1e-6)
    np.testing.assert_allclose(trained.predict(rows, verbose=0), expected[0], atol=1e-6)


def test_weights_weigh_the_loss_in_a_list_and_in_a_dataset(trained):
    weights = np.array([1, 0, 2, 0, 0.5, 3], "float32")
    alone = [trained.evaluate([t], [y], verbose=0, return_dict=True)["loss"] for t, y in zip(TEXTS, LABELS)]
    expected = np.average(alone, weights=weights)
    found = trained.evaluate(TEXTS, LABELS, sample_weight=weights, verbose=0, return_dict=True)["loss"]
    dataset = trained.evaluate(tensors(TEXTS, LABELS, weights), verbose=0, return_dict=True)["loss"]
    assert found == pytest.approx(expected, rel=1e-4) and dataset == pytest.approx(expected, rel=1e-4)


def test_predictions_keep_the_order_of_texts_of_mixed_lengths(trained):
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(["good", "bad", "film", "a", "the"], random.integers(1, 25))) for _ in range(70)]
    together = trained.predict(texts, batch_size=8, verbose=0)
    for row in (0, 13, 69):
        np.testing.assert_allclose(together[row : row + 1], trained.predict([texts[row]], verbose=0), atol=1e-5)
    np.testing.assert_allclose(trained.predict(texts[::-1], batch_size=64, verbose=0)[::-1], together, atol=1e-5)


def test_texts_longer_than_the_maximum_are_cut(trained):
    short, long = "good " * 30, "good " * 30 + "bad " * 40
    found = trained.predict([short, long], verbose=0)
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


class TestRefused:
    @pytest.mark.parametrize("x, y, said", [
        ("a good film", None, "text is a single string; put it in a list"),
        ([], [], "text has no rows"),
        (["a", None], [0, 1], r"text has None \(NoneType\) in row 1; expected a string"),
        (["a", 3.5], [0, 1], r"text has 3.5 \(float\) in row 1; expected a string"),
        ([["a", "b"]], [0], r"text has \['a', 'b'\] \(list\) in row 0; expected a string"),
        ({"txt": ["a"]}, [0], r"The inputs are \['txt'\]; this model reads \['text'\]"),
        (["a", "b"], ["pos"], "y has 1 rows, text has 2; expected as many"),
        (["a"], ["positive"], "y has 'positive' in row 0; expected one of the labels neg, pos, or an id from 0 to 1"),
        (["a"], [2], "y has 2 in row 0"),
        (["a"], [-1], "y has -1 in row 0"),
        (["a"], [0.5], "y has 0.5 in row 0"),
        (["a"], [float("nan")], "y has nan in row 0"),
        (["a"], [None], "y has None in row 0"),
        (["a"], None, "no targets"),
    ])  # fmt: skip
    def test_by_what_and_where(self, trained, x, y, said):
        with pytest.raises(ValueError, match=said):
            trained.evaluate(x, y, verbose=0)

    @pytest.mark.parametrize("weights, said", [
        ([1.0], "sample_weight has 1 rows, text has 2"),
        ([1.0, -1.0], "sample_weight has a value that is negative"),
        ([1.0, np.nan], "sample_weight has a value that is negative, NaN or infinite"),
        ([0.0, 0.0], "is 0 throughout"),
    ])  # fmt: skip
    def test_weights_that_cannot_weigh(self, trained, weights, said):
        with pytest.raises(ValueError, match=said):
            trained.evaluate(["a", "b"], ["neg", "pos"], sample_weight=weights, verbose=0)

    def test_a_dataset_without_an_end(self, trained):
        with pytest.raises(ValueError, match="The dataset never ends; leave out repeat"):
            trained.fit(tensors(TEXTS, LABELS).repeat())

    def test_an_empty_dataset(self, trained):
        with pytest.raises(ValueError, match="The dataset is empty"):
            trained.fit(tensors(TEXTS, LABELS).take(0))

    def test_targets_beside_a_dataset(self, trained):
        with pytest.raises(ValueError, match="must be in the dataset"):
            trained.evaluate(tensors(TEXTS, LABELS), LABELS)

    def test_training_without_targets(self, trained):
        with pytest.raises(BadInput, match="no targets"):
            trained.fit(TEXTS)

    def test_class_weights_of_an_unknown_label(self, trained):
        with pytest.raises(BadInput, match="class_weight has 'negative'; expected one of the labels"):
            trained.fit(TEXTS, LABELS, class_weight={"negative": 2.0})

    def test_class_weights_by_an_unknown_word(self, trained):
        with pytest.raises(ValueError, match="class_weight is 'balance'; expected 'balanced' or a dict"):
            trained.fit(TEXTS, LABELS, class_weight="balance")

    def test_rows_longer_than_the_encoders_positions(self, trained, tokenizer):
        from bert_keras import BertPreprocessor

        rows = tokenize_rows(BertPreprocessor(tokenizer, max_length=64), {"text": ["good " * 50]})
        with pytest.raises(BadInput, match="a row of 52 tokens; this encoder has 32 positions"):
            trained.predict(rows)


class TestPairForms:
    @pytest.fixture(scope="class")
    def pairs(self, make_classifier):
        return make_classifier(pair=True, backbone={"num_layers": 1})

    def test_pairs_mean_the_same_in_every_form(self, pairs):
        x = {"text": ["a film", "bad", "the plot"], "text_pair": ["good", "very dull story", "fine"]}
        expected = pairs.predict(x, verbose=0)
        forms = [
            tuple(x.values()),
            pd.DataFrame(x),
            {name: np.array(texts) for name, texts in reversed(x.items())},
            tensors(x).batch(2),
        ]
        for form in forms:
            np.testing.assert_allclose(pairs.predict(form, verbose=0), expected, atol=1e-6)

    @pytest.mark.parametrize("x", [["a", "b"], {"text": ["a"]}])
    def test_one_text_for_a_model_of_pairs_is_refused(self, pairs, x):
        with pytest.raises(ValueError, match=r"(T|t)his model reads \['text', 'text_pair'\]"):
            pairs.predict(x)


class TestLabelsThatAreNumbers:
    """Stars: 1 is the first label's name, not the second one's place."""

    @pytest.fixture(scope="class")
    def stars(self, make_classifier):
        return make_classifier(labels=["1", "2", "5"], backbone={"num_layers": 1})

    @pytest.mark.parametrize("target", [["1", "2", "5"], [1, 2, 5], [1.0, 2.0, 5.0]])
    def test_numbers_are_names(self, stars, target):
        np.testing.assert_array_equal(stars.targets_to_array(target), [0, 1, 2])

    def test_a_number_that_is_no_name_is_refused_though_it_is_a_place(self, stars):
        with pytest.raises(BadInput, match="y has 0 in row 1; expected one of the labels 1, 2, 5[.]$"):
            stars.targets_to_array([1, 0])

    def test_class_weights_go_by_name_too(self, stars):
        weights = stars.class_weights(np.array([0, 1, 2]), {1: 3.0, 5: 2.0})
        np.testing.assert_array_equal(weights, [3, 1, 2])


class TestMultilabelTargets:
    @pytest.fixture(scope="class")
    def model(self, make_classifier):
        return make_classifier(labels=["a", "b", "c"], problem="multilabel", backbone={"num_layers": 1})

    @pytest.mark.parametrize("target, row", [
        (["a", "c"], [1, 0, 1]),
        ([], [0, 0, 0]),
        ([0, 1, 1], [0, 1, 1]),
        (np.array([1.0, 0.0, 0.0]), [1, 0, 0]),
        ([2], [0, 0, 1]),
        (("b",), [0, 1, 0]),
        ({"b", "a"}, [1, 1, 0]),
    ])  # fmt: skip
    def test_names_ids_and_many_hot_rows(self, model, target, row):
        assert model.targets_to_array([target]).tolist() == [row]

    @pytest.mark.parametrize("target", ["a", "abc", ["x"], [7], 1, None])
    def test_what_is_no_list_of_labels_is_refused(self, model, target):
        with pytest.raises(BadInput, match="row 0"):
            model.targets_to_array([target])
