"""One step of training: the loss of a batch over all replicas, and the gradient, whole or in parts."""

import keras
import tensorflow as tf

from bert_keras.tasks.preset_task import PresetTask
from bert_keras.training.accumulation import gradients_over_parts
from bert_keras.training.distribution import with_gradient_scale, with_shown_value


class TrainingStep(PresetTask):
    """A task whose loss is a sum over examples, so that replicas and parts of a batch add up to the batch.

    A subclass gives `example_losses` and sets `_own_loss` and `_parts` when it compiles.
    """

    # How much the gradient of this task's loss counts beside those of others, while several train in turns.
    loss_weight = 1.0
    _parts = 1

    def train_step(self, data):
        if self._parts == 1:
            return super().train_step(data)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        variables = self.trainable_weights
        gradients = gradients_over_parts(
            self._part_gradients, (x, y, self._shares(x, sample_weight)), self._parts, variables
        )
        self.optimizer.apply_gradients(zip(gradients, variables))
        return self.get_metrics_result()

    def _part_gradients(self, part):
        x, y, shares = part
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, shares)
            scaled = self.optimizer.scale_loss(loss)
        # Keras' own step does the same with the whole batch: it shows the mean of the replicas' losses.
        shown = loss * self.distribute_strategy.num_replicas_in_sync
        self._loss_tracker.update_state(shown, sample_weight=tf.shape(shares)[0])
        self.compute_metrics(x, y, y_pred, shares)
        return tape.gradient(scaled, self.trainable_weights)

    def _shares(self, x, sample_weight):
        """Weights `[batch, 2]` as those of `fit`, also of batches that do not come from there."""
        if sample_weight is not None and sample_weight.shape.rank == 2:
            return sample_weight
        rows = tf.ones(tf.shape(keras.tree.flatten(x)[0])[:1])
        weights = rows if sample_weight is None else tf.cast(sample_weight, tf.float32)
        shares = [tf.math.divide_no_nan(each, tf.reduce_sum(each)) for each in (weights, rows)]
        return tf.stack(shares, axis=1) / self.distribute_strategy.num_replicas_in_sync

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The mean of the examples' losses, weighted by `sample_weight`, over all replicas.

        Keras divides by the number of examples of each replica, which is another mean when weights or the replicas'
        shares differ. The batches of `fit` carry weights `[batch, 2]`, see `bucketed_batches`; plain weights `[batch]`,
        or none, mean the mean over the replica's own examples.
        """
        if not self._own_loss:
            return super().compute_loss(x, y, y_pred, sample_weight, training=training)
        return with_gradient_scale(self._mean_loss(y, y_pred, sample_weight), self.loss_weight)

    def _mean_loss(self, y, y_pred, sample_weight):
        losses = tf.cast(self.example_losses(y, y_pred), tf.float32)
        if sample_weight is not None and sample_weight.shape.rank == 2:
            of_loss, of_rows = tf.unstack(sample_weight, num=2, axis=1)
            return with_shown_value(tf.reduce_sum(losses * of_loss), tf.reduce_sum(of_rows), self._parts)
        weights = tf.ones_like(losses) if sample_weight is None else tf.cast(sample_weight, tf.float32)
        mean = tf.math.divide_no_nan(tf.reduce_sum(losses * weights), tf.reduce_sum(weights))
        return mean / self.distribute_strategy.num_replicas_in_sync

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Keras' metrics; of the weights that the batches of `fit` carry they get those of the loss."""
        if sample_weight is not None and sample_weight.shape.rank == 2:
            sample_weight = sample_weight[:, 0]
        return super().compute_metrics(x, y, y_pred, sample_weight)
