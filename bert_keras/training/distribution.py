"""Training on several devices of one machine, or of several machines."""

import functools

import tensorflow as tf

from bert_keras.errors import BadInput, nearest
from bert_keras.training.multi_worker import multi_worker_strategy

MULTI_WORKER = "multi_worker"
STRATEGIES = ("none", "mirrored")


def get_strategy(strategy, known=STRATEGIES):
    """The `tf.distribute.Strategy` of a name.

    Args:
        strategy: None or `"none"` (the one that is in force, one device unless a scope is open), `"mirrored"` (every
            GPU of the machine; without GPUs every logical CPU), `"multi_worker"` (see `multi_worker_strategy`), or a
            `tf.distribute.Strategy`.
        known: the names that go with what is to be trained.

    Raises:
        BadInput: there is no such name, or it does not go with what is to be trained.
    """
    if strategy is None or strategy == "none":
        return tf.distribute.get_strategy()
    if isinstance(strategy, tf.distribute.Strategy):
        return strategy
    if strategy not in known:
        if strategy == MULTI_WORKER:
            raise BadInput(f"The strategy {strategy!r} is for pretraining alone; expected one of {', '.join(known)}.")
        raise BadInput(
            f"There is no strategy {strategy!r}{nearest(strategy, known)}; expected one of {', '.join(known)}."
        )
    if strategy == MULTI_WORKER:
        return multi_worker_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return _mirrored(tuple(device.name for device in devices))


def with_shown_value(loss, share_of_rows, parts=1):
    """A part of a global loss, with the value that makes Keras show the global loss; its gradient stays.

    Keras shows the mean of the replicas' losses, each times the number of replicas and weighted by the replica's rows;
    of a batch that is worked through in parts, the mean over all of them. Of parts that add up to the global loss that
    is the global loss only where all have as many rows.

    Args:
        loss: float32 scalar. This replica's part of the loss, or of its part.
        share_of_rows: float32 scalar. The rows behind it over those of all replicas.
        parts: int. In how many parts a replica works through its rows.

    Returns:
        Float32 scalar, `loss` itself where it is the global one.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas == parts == 1:
        return loss
    shown = tf.math.divide_no_nan(loss, share_of_rows * replicas)
    return loss + tf.stop_gradient(shown - loss)


def with_gradient_scale(loss, scale):
    """A loss whose gradient is `scale` times as large; its value stays, which is what Keras shows."""
    return loss if scale == 1.0 else scale * loss + tf.stop_gradient(loss - scale * loss)


@functools.cache
def _mirrored(devices):
    # One for the whole process: TensorFlow numbers the reductions of every MirroredStrategy from the same start, and a
    # second one fails where its tensors have other shapes than those that the first has used under that number.
    return tf.distribute.MirroredStrategy(list(devices))
