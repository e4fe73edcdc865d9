"""Training on several devices of one machine."""

import tensorflow as tf

from bert_keras.errors import BadInput, nearest

STRATEGIES = ("none", "mirrored")


def get_strategy(strategy):
    """The `tf.distribute.Strategy` of a name.

    Args:
        strategy: None or `"none"` (the one that is in force, one device unless a scope is open), `"mirrored"` (every
            GPU of the machine; without GPUs every logical CPU), or a `tf.distribute.Strategy`.

    Raises:
        BadInput: there is no such name.
    """
    if strategy is None or strategy == "none":
        return tf.distribute.get_strategy()
    if isinstance(strategy, tf.distribute.Strategy):
        return strategy
    if strategy != "mirrored":
        raise BadInput(
            f"There is no strategy {strategy!r}{nearest(strategy, STRATEGIES)}; expected one of "
            f"{', '.join(STRATEGIES)}."
        )
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])

