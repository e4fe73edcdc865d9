"""Keras' `train_on_batch` and `test_on_batch` on raw text, for loops of one's own."""

import keras
import numpy as np
import tensorflow as tf

from bert_keras.errors import BadInput
from bert_keras.tasks.training_step import TrainingStep
from bert_keras.training.batching import PerToken
from bert_keras.training.keras_warnings import pooler_may_rest


class OneBatch(TrainingStep):
    """A task of which one batch can be learnt, or measured, by itself.

    A subclass gives `learnable_rows`.
    """

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One step on one batch.

        Inputs as in `fit`, or the model's own (a dict with `token_ids`) with targets as an array.

        Returns:
            Loss and Keras metrics, as `keras.Model.train_on_batch` gives them.

        Raises:
            BadInput: the model was compiled without an optimizer; the recipe's is made for the steps of one `fit`.
        """
        if self._compile_arguments["optimizer"] is None:
            raise BadInput(
                "train_on_batch does not go with the recipe, whose learning rate falls to 0 over the steps of fit(): "
                "of how many batches this is one, nobody knows; give compile() an optimizer, or call fit()."
            )
        batch = self._one_batch(x, y, sample_weight, class_weight, to_learn=True)
        with pooler_may_rest():
            return keras.Model.train_on_batch(self, *batch, return_dict=return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Loss and Keras metrics of one batch, inputs as for `train_on_batch`."""
        return keras.Model.test_on_batch(self, *self._one_batch(x, y, sample_weight), return_dict=return_dict)

    def _one_batch(self, x, y, sample_weight, class_weight=None, to_learn=False):
        """`(features, targets, weights)` of all rows, in their order, as tensors."""
        if isinstance(x, dict) and "token_ids" in x:
            if class_weight is not None:
                raise BadInput("class_weight goes with raw text; weigh rows of tokens with sample_weight.")
            given = [x, y, sample_weight]
            return [None if part is None else keras.tree.map_structure(tf.convert_to_tensor, part) for part in given]
        rows, _ = self.learnable_rows(x, y, sample_weight, class_weight, to_learn)
        multiple = self._length_multiple.get("length_multiple", 1)
        there = np.arange(-(-rows.lengths.max() // multiple) * multiple) < rows.lengths[:, None]

        def dense(values, padding):
            padded = np.full(there.shape, padding, "int32")
            padded[there] = values
            return tf.constant(padded)

        features = {
            "token_ids": dense(rows.token_ids, self.preprocessor.tokenizer.pad_token_id),
            "segment_ids": dense(rows.segment_ids, 0),
            "padding_mask": dense(1, 0),
        }
        targets = keras.tree.map_structure(
            lambda target: dense(target.values, -1) if isinstance(target, PerToken) else tf.constant(target),
            rows.targets,
        )
        return features, targets, None if rows.weights is None else tf.constant(rows.weights)
