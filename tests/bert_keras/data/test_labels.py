"""Labels: what a file's labels say about the problem, and every way in which they can be wrong."""

import numpy as np
import pytest

from bert_keras.data import labels as L
from bert_keras.data.records import Records
from bert_keras.errors import BadInput

NAN = float("nan")


def records(*targets, first_row=2):
    rows = list(range(first_row, first_row + len(targets)))
    return Records({"text": ["x"] * len(targets)}, list(targets), rows, "f.csv", {"label": "y"})


class TestDescription:
    @pytest.mark.parametrize("targets, problem, names", [
        (["pos", "neg", "pos"], "binary", ["neg", "pos"]),
        (["1", "0"], "binary", ["0", "1"]),
        (["10", "9", "2"], "multiclass", ["2", "9", "10"]),
        ([1, 0, 1.0], "binary", ["0", "1"]),
        ([True, False], "binary", ["false", "true"]),
        ([" a", "a ", "b"], "binary", ["a", "b"]),
        (["2.5", "3", "1"], "regression", []),
        ([0.5, 1], "regression", []),
        ([["a"], ["a", "b"], []], "multilabel", ["a", "b"]),
        (["none", "some", "null"], "multiclass", ["none", "null", "some"]),
    ])  # fmt: skip
    def test_the_problem_follows_from_the_labels(self, targets, problem, names):
        assert L.describe_labels(records(*targets)) == {"problem": problem, "labels": names}

    def test_a_separator_makes_it_multilabel(self):
        described = L.describe_labels(records("a;b", "b", ""), separator=";")
        assert described == {"problem": "multilabel", "labels": ["a", "b"]}

    def test_a_given_problem_goes_before_the_inferred(self):
        assert L.describe_labels(records("1", "2", "3"), problem="regression")["problem"] == "regression"

    @pytest.mark.parametrize("targets, options, said", [
        (["a", "a"], {}, "all 2 rows have the same label (a)"),
        (["2.5", "2.5"], {}, "all 2 rows have the same value (2.5)"),
        ([["a"], ["a"]], {}, "all 2 rows have the same set of labels (a)"),
        (["a", "b", "c"], {"problem": "binary"}, "3 different labels (a, b, c); expected 2"),
        (["a", "b"], {"problem": "regresion"}, "did you mean 'regression'?"),
        (["1.5", "x"], {"problem": "regression"}, "row 3, field 'y': 'x'; expected a finite number"),
        ([1.5, float("inf")], {}, "row 3, field 'y': inf; expected a finite number"),
        ([1.5, 1e39], {}, "row 3, field 'y': 1e+39; expected a finite number"),
        (["a", ""], {}, "row 3, field 'y': the label is empty"),
        (["a", "NaN"], {}, "row 3, field 'y': the label is 'NaN'"),
        (["a", NAN], {}, "row 3, field 'y': the label is nan"),
        (["a", None], {}, "row 3, field 'y': the label is None"),
        ([["a"], ["b", ["c"]]], {}, "row 3, field 'y': ['c']; expected one label"),
        (["a", ["b"]], {"problem": "binary"}, "row 3, field 'y': ['b']; expected one label"),
        ([f"id{i}" for i in range(150)], {}, "150 different labels in 150 rows"),
        ([], {}, "there are no rows"),
    ])  # fmt: skip
    def test_what_cannot_be_learnt_from_is_refused(self, targets, options, said):
        with pytest.raises(BadInput) as caught:
            L.describe_labels(records(*targets), **options)
        assert said in str(caught.value)

    def test_no_labels_at_all_is_refused(self):
        with pytest.raises(BadInput, match="there is no column of labels"):
            L.describe_labels(Records({"text": ["a"]}, None, [1], "f.csv"))


class TestTargets:
    def test_names_become_their_positions(self):
        ids = L.class_ids(records("pos", "neg", " pos"), ["neg", "pos"])
        assert ids.tolist() == [1, 0, 1] and ids.dtype == np.int32

    def test_a_label_that_the_model_does_not_know_names_the_row_and_the_nearest(self):
        with pytest.raises(BadInput) as caught:
            L.class_ids(records("pos", "posi"), ["neg", "pos"])
        assert str(caught.value) == (
            "f.csv, row 3, field 'y': the label 'posi' is not one of the model's (did you mean 'pos'?); "
            "expected one of neg, pos: mend the row, or train with this label"
        )

    def test_sets_become_many_hot_rows(self):
        hot = L.many_hot(records(["b", "a"], [], "b"), ["a", "b"])
        assert hot.tolist() == [[1, 1], [0, 0], [0, 1]] and hot.dtype == np.float32

    def test_a_set_with_an_unknown_label_names_the_row(self):
        with pytest.raises(BadInput, match="row 2, field 'y': the label 'c'"):
            L.many_hot(records("a;c"), ["a", "b"], ";")

    def test_values_are_float32(self):
        values = L.regression_values(records("2.5", 3, " 1e1 "))
        assert values.tolist() == [2.5, 3, 10] and values.dtype == np.float32


class TestRecords:
    def test_a_slice_keeps_the_row_numbers(self):
        part = records("a", "b", "c").slice(1)
        assert (part.targets, part.rows, part.features, len(part)) == (["b", "c"], [3, 4], {"text": ["x", "x"]}, 2)

    def test_columns_of_different_length_are_refused(self):
        with pytest.raises(ValueError, match="need as many values"):
            Records({"text": ["a"]}, ["x", "y"], [1], "f")
