"""Texts with labels or a number in the pipeline."""

import numpy as np
import tensorflow as tf

from bert_keras.data import labels as label_data
from bert_keras.tasks.base import BertTask
from bert_keras.tasks.description import TARGET, EvalSpec, ExampleFeature
from bert_keras.tasks.pipelined import SEGMENT_IDS, TOKEN_IDS
from bert_keras.training.batching import TokenizedRows

_LABEL, _LABEL_ID = "label", "label_id"


class TextExamples(BertTask):
    """A task that gives each text, or pair of texts, a label, several, or a number. A subclass sets `problem` and
    `labels`.
    """

    @classmethod
    def example_layout(cls, problem, pair=False, **_):
        texts = {name: ExampleFeature() for name in (("text", "text_pair") if pair else ("text",))}
        if problem == "regression":
            return {**texts, _LABEL: ExampleFeature("float32", TARGET)}
        # Which labels there are is known from the data, as `prepare` looked at them.
        return {**texts, _LABEL: ExampleFeature(role=TARGET, is_list=problem == "multilabel", domain=None)}

    @property
    def described(self):
        return {"problem": self.problem, "pair": self.preprocessor.pair}

    @classmethod
    def example_features(cls, records, **described):
        return {**records.features, _LABEL: cls.example_targets(records, **described)}

    @classmethod
    def example_targets(cls, records, problem, labels, label_separator=None, **described):
        """Raw targets as a `tf.Example` holds them: for each record a list of label names, or of one float.

        Args:
            records: `Records` with targets.
            problem, labels, label_separator: from `describe_targets`, whose other keys are taken and not needed.

        Raises:
            BadInput: a target is missing, or not one of `labels`.
        """
        if problem == "regression":
            return [[float(value)] for value in label_data.regression_values(records)]
        if problem == "multilabel":
            label_data.many_hot(records, labels, label_separator)
            return [sorted(names) for names in label_data.label_sets(records, label_separator)]
        return [[labels[label]] for label in label_data.class_ids(records, labels)]

    def target_features(self, parsed):
        """The targets of a batch of raw examples as `label_id`, what `fit` takes.

        Args:
            parsed: dict of `label`: string `[n]`, float32 `[n]` for regression, or string SparseTensor `[n, labels]`
                for multi-label.
        """
        target = parsed[_LABEL]
        if self.problem == "regression":
            return {_LABEL_ID: target}
        known = tf.constant(self.labels)
        if self.problem == "multilabel":
            dense = tf.sparse.to_dense(target, default_value="")
            return {_LABEL_ID: tf.cast(tf.reduce_any(dense[:, :, None] == known, axis=1), tf.float32)}
        matches = target[:, None] == known
        # An unknown label becomes -1 instead of silently the first class.
        found = tf.reduce_any(matches, axis=-1)
        return {_LABEL_ID: tf.where(found, tf.argmax(matches, axis=-1, output_type=tf.int64), -1)}

    def training_features(self, parsed):
        token_ids, segment_ids = self.preprocessor.ragged(self.inputs_of_examples(parsed))
        return {TOKEN_IDS: token_ids, SEGMENT_IDS: segment_ids, **self.target_features(parsed)}

    def training_rows(self, features):
        token_ids, segment_ids = (tf.cast(features[name], tf.int32) for name in (TOKEN_IDS, SEGMENT_IDS))
        return TokenizedRows.from_ragged(token_ids, segment_ids, np.asarray(features[_LABEL_ID]))

    @classmethod
    def eval_spec(cls, problem, **_):
        if problem == "regression":
            errors = ("mean_squared_error", "mean_absolute_error")
            names = ("pearson", "spearman", *errors)
            return _arrays("regression_metrics", names, "pearson", errors, prediction_key="value")
        if problem == "multilabel":
            names = ("micro_f1", "macro_f1", "samples_f1", "subset_accuracy", "hamming_error")
            return _arrays("multilabel_metrics", names, "micro_f1", ("hamming_error",))
        names = ("accuracy", "macro_f1", "matthews")
        if problem == "binary":
            names += ("f1", "precision", "recall", "roc_auc")
        return _arrays("single_label_metrics", names, "accuracy")


def _arrays(function, names, main_metric, lower_is_better=(), prediction_key="scores"):
    return EvalSpec(
        f"bert_keras.metrics:{function}",
        names,
        main_metric,
        lower_is_better,
        label_key=_LABEL_ID,
        prediction_key=prediction_key,
    )
