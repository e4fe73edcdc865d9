"""What is shown while pretraining, exact under masks, accumulation and replicas."""

import keras
import tensorflow as tf

from bert_keras.training.metrics import Perplexity

MLM_SUMS = ("mlm_loss", "mlm_right", "mlm_count")
TOKENS = "tokens"
SENTENCE_SUMS = ("sentence_loss", "sentence_right", "sentence_count")


class PretrainingMetrics:
    """Loss, MLM loss, MLM accuracy, perplexity, with a sentence objective its loss and accuracy; and tokens seen.

    All others are means over masked positions, or over rows, since the last reset: positions weigh alike whatever
    row, step or replica they come from. The loss is the mean over steps of the global batch's loss;
    tokens are counted without padding.

    Args:
        objective: `"nsp"`, `"sop"` or None.
    """

    def __init__(self, objective):
        self._loss = keras.metrics.Mean(name="loss")
        self._of_positions = [
            keras.metrics.Mean(name="mlm_loss"),
            Perplexity(name="perplexity"),
            keras.metrics.Mean(name="mlm_accuracy"),
        ]
        self._tokens = keras.metrics.Sum(name=TOKENS)
        self._of_rows = []
        if objective:
            self._of_rows = [
                keras.metrics.Mean(name=f"{objective}_loss"),
                keras.metrics.Mean(name=f"{objective}_accuracy"),
            ]

    @property
    def all(self):
        """The Keras metrics."""
        return [self._loss, *self._of_positions, *self._of_rows, self._tokens]

    def update(self, loss, sums):
        """Takes a step's figures of one replica.

        Args:
            loss: float32 scalar, this replica's part of the global batch's loss.
            sums: dict of `MLM_SUMS`, `SENTENCE_SUMS` and `TOKENS` to float32 scalars: this replica's sums of losses and
                of right predictions, and over how many.
        """
        # Each replica counts as its share of one step.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        # Keras runs the step once more when rows have come to their end: a count that needs no row would go up then.
        with tf.control_dependencies([loss]):
            self._loss.update_state(loss * replicas, sample_weight=1.0 / replicas)
            self._tokens.update_state(sums[TOKENS])
            _update(self._of_positions, sums, MLM_SUMS, (0, 0, 1))
            if self._of_rows:
                _update(self._of_rows, sums, SENTENCE_SUMS, (0, 1))


def _update(metrics, sums, names, which):
    count = sums[names[2]]
    for metric, index in zip(metrics, which):
        metric.update_state(tf.math.divide_no_nan(sums[names[index]], count), sample_weight=count)
