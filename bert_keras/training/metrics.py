"""Keras metrics to watch while training on words and spans."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="bert_keras")
class TagAccuracy(keras.metrics.Mean):
    """The share of words whose most likely tag is right.

    Targets are int `[batch, length]`, -1 where a token says nothing of a word; predictions logits
    `[batch, length, tags]`; weights `[batch]`, by how many words a row has.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        real = tf.cast(y_true >= 0, tf.float32)
        best = tf.argmax(y_pred, axis=-1, output_type=tf.int32)
        right = tf.cast(best == tf.cast(y_true, tf.int32), tf.float32)
        count = tf.reduce_sum(real, axis=1)
        of_rows = tf.math.divide_no_nan(tf.reduce_sum(right * real, axis=1), count)
        return super().update_state(of_rows, count if sample_weight is None else sample_weight)


@keras.saving.register_keras_serializable(package="bert_keras")
class SpanAccuracy(keras.metrics.Mean):
    """The share of rows whose most likely first and last tokens are both right.

    Targets are int `[batch, 2]`, predictions logits `[batch, length, 2]`, weights `[batch]`.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        best = tf.argmax(y_pred, axis=1, output_type=tf.int32)
        right = tf.reduce_all(best == tf.cast(y_true, tf.int32), axis=-1)
        return super().update_state(tf.cast(right, tf.float32), sample_weight)


@keras.saving.register_keras_serializable(package="bert_keras")
class Perplexity(keras.metrics.Mean):
    """exp of the mean of the values: of cross-entropies in nats, how many pieces the model hesitates between."""

    def result(self):
        return tf.exp(super().result())
