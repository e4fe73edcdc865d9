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
    "list of numpy's ids": lambda: (TEXTS, [np.int64(label == "pos") for label in LABELS]),
    "list of numpy's booleans": lambda: (TEXTS, [np.bool_(label == "pos") for label in LABELS]),
    "frame of labels": lambda: (pd.DataFrame({"text": TEXTS}), pd.DataFrame({"stars": LABELS})),
    "generator": lambda: ((text for text in TEXTS), LABELS),
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
    np.testing.assert_allclose(trained.predict(FORMS[form]()[0], verbose=0), expected[0], atol=1e-6)


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


def test_a_batch_of_a_dataset_may_be_one_of_rows_that_do_not_count(trained):
    weights = np.array([1, 1, 1, 0, 0, 0], "float32")
    expected = trained.evaluate(TEXTS[:3], LABELS[:3], verbose=0, return_dict=True)["loss"]
    found = trained.evaluate(tensors(TEXTS, LABELS, weights).batch(3), batch_size=6, verbose=0, return_dict=True)[
        "loss"
    ]
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("batched", [False, True])
def test_targets_that_are_none_do_not_matter_to_predictions(trained, expected, batched):
    dataset = tensors(TEXTS, [-1] * len(TEXTS))
    found = trained.predict(dataset.batch(4) if batched else dataset, verbose=0)
    np.testing.assert_allclose(found, expected[0], atol=1e-6)


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
    def test_a_tensor_of_one_string(self, make_classifier):
        with pytest.raises(ValueError, match="text is a single string; put it in a list"):
            make_classifier().predict(tf.constant("a good film"))

    @pytest.mark.parametrize("x, y, said", [
        ("a good film", None, "text is a single string; put it in a list"),
        (np.array("a good film"), None, "text is a single string; put it in a list"),
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
        (["a"], pd.DataFrame({"label": [0], "stars": [1]}), r"data frame with the columns \['label', 'stars'\]"),
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

    def test_weights_in_a_column(self, trained):
        with pytest.raises(ValueError, match=r"sample_weight has the shape \(2, 1\); expected one number"):
            trained.evaluate(["a", "b"], ["neg", "pos"], sample_weight=[[1.0], [1.0]], verbose=0)

    def test_a_dataset_of_which_no_row_counts(self, trained):
        with pytest.raises(ValueError, match="sample_weight is 0 throughout"):
            trained.fit(tensors(TEXTS, LABELS, np.zeros(6, "float32")))

    @pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, "8"])
    def test_a_batch_size_that_is_none(self, trained, batch_size):
        for call in (lambda **size: trained.fit(TEXTS, LABELS, **size), lambda **size: trained.predict(TEXTS, **size)):
            with pytest.raises(BadInput, match=f"batch_size is {batch_size!r}; expected a whole number of at least 1"):
                call(batch_size=batch_size)

    @pytest.mark.parametrize("data", [zip(TEXTS[:2], LABELS[:2]), {"text": TEXTS}, (1, 2, 3, 4), ()])
    def test_validation_data_that_are_no_pair(self, trained, data):
        with pytest.raises(BadInput, match=r"stands where data do; expected \(x, y\)"):
            trained.fit(TEXTS, LABELS, validation_data=data)

    def test_answers_to_a_part_of_the_texts(self, trained):
        with pytest.raises(ValueError, match="steps is not supported: every text gets an answer"):
            trained.predict(TEXTS, steps=1)

    def test_a_measurement_of_a_part_of_the_rows(self, trained):
        with pytest.raises(ValueError, match="steps is not supported: all rows are measured"):
            trained.evaluate(TEXTS, LABELS, steps=1)

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

    @pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "2"])
    def test_class_weights_that_cannot_weigh(self, trained, weight):
        with pytest.raises(ValueError, match="class_weight has .* for 'pos'; expected a number, 0 or more"):
            trained.fit(TEXTS, LABELS, class_weight={"pos": weight})

    def test_class_weights_without_labels(self, trained):
        with pytest.raises(ValueError, match=r"class_weight is \[1, 2\]; expected 'balanced' or a dict"):
            trained.fit(TEXTS, LABELS, class_weight=[1, 2])

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
            tensors(tuple(x.values()), [-1, -1, -1]).batch(2),
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


class TestLabelsOfOtherKinds:
    @pytest.mark.parametrize("labels, targets, ids", [
        ([True, False], [True, False, np.bool_(True), "True"], [0, 1, 0, 0]),
        (["false", "true"], [True, False], [1, 0]),
        ([1.0, 2.0, 3.0], [1.0, 3, np.float32(2), "2.0"], [0, 2, 1, 1]),
        ([0.5, 1.5], [1.5, 0.5], [1, 0]),
        ([-1, 0, 1], [np.int64(-1), 0, 1.0], [0, 1, 2]),
        (np.array(["b", "a"]), ["a", "b"], [1, 0]),
        (pd.Series(["b", "a"]), [np.str_("a"), b"b", 1], [1, 0, 1]),
    ])  # fmt: skip
    def test_a_bool_or_a_number_means_the_label_that_it_is_the_name_of(self, make_classifier, labels, targets, ids):
        assert make_classifier(labels=labels).targets_to_array(targets).tolist() == ids

    def test_a_number_beside_labels_that_are_numbers_is_no_id(self, make_classifier):
        with pytest.raises(BadInput, match="y has 0 in row 0; expected one of the labels 1.0, 2.0.$"):
            make_classifier(labels=[1.0, 2.0]).targets_to_array([0])

    def test_a_set_of_ids_is_no_row_of_zeros_and_ones(self, make_classifier):
        model = make_classifier(labels=["a", "b"], problem="multilabel")
        assert model.targets_to_array([{0, 1}, {1}, (0, 1), ["a"]]).tolist() == [[1, 1], [0, 1], [0, 1], [1, 0]]

    def test_values_of_a_regression_are_numbers_in_any_form(self, make_classifier):
        model = make_classifier(labels=[], problem="regression")
        for y in (np.array([[0.5], [2.0]]), ["0.5", "2"], pd.Series([0.5, 2]), [np.float32(0.5), True + 1]):
            assert model.learnable_rows(["a", "b"], y)[0].targets.tolist() == [0.5, 2]

    @pytest.mark.parametrize("value, said", [
        ("positive", r"y has 'positive' in row 1; expected a number, .* pass labels=\[…\] to classify"),
        (None, "y has None in row 1; expected a number"),
        ([1, 2], r"y has \[1, 2\] in row 1; expected a number"),
        (float("nan"), "y has NaN or infinity in row 1"),
        (1e39, "y has NaN or infinity in row 1"),
    ])  # fmt: skip
    def test_a_value_of_a_regression_that_is_none_is_named(self, make_classifier, value, said):
        with pytest.raises(ValueError, match=said):
            make_classifier(labels=[], problem="regression").targets_to_array([0.5, value])

    def test_lists_of_labels_of_a_dataset_may_differ_in_length(self, make_classifier):
        model = make_classifier(labels=["a", "b", "c"], problem="multilabel")
        labels = tf.ragged.constant([["a"], [], ["b", "c"]])
        for dataset in (tensors(TEXTS[:3], labels), tensors(TEXTS[:3], labels).batch(2)):
            rows, _ = model.learnable_rows(dataset)
            assert rows.targets.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 1]]

    @pytest.mark.parametrize("options, said", [
        ({"labels": "ab"}, "labels is the single text 'ab'"),
        ({"labels": ["a", "b"], "num_classes": 3}, "num_classes is 3, and there are 2 labels"),
    ])  # fmt: skip
    def test_label_lists_that_are_none(self, make_backbone, options, said):
        from bert_keras import TextClassifier

        with pytest.raises(BadInput, match=said):
            TextClassifier(make_backbone(), **options)
