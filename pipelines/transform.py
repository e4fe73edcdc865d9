"""Transform: the task's own tokenizer and targets, as a TensorFlow graph over raw examples."""

import functools
import json

import tensorflow as tf

from pipelines.task import make_task


def preprocessing_fn(inputs, custom_config):
    """TFX's hook: raw features to the task's `training_features`: token ids, segments and targets of any length.

    Padding is left to the batches, which know their longest row. The task's `tuning_features` go along as they are.
    """
    spec, training_features, tuning_features = _of_task(json.dumps(custom_config["recipe"], sort_keys=True))
    raw = {name: conform(inputs[name], parser) for name, parser in spec.items()}
    features = {name: _storable(values) for name, values in training_features(raw).items()}
    return features | {name: raw[name] for name in tuning_features}


@functools.lru_cache(maxsize=1)
def _of_task(recipe: str):
    """`example_spec`, `training_features` and `tuning_features`.

    The second is a graph: TFX traces `preprocessing_fn` several times.
    """
    # Made outside the graph, so that the trace does not own the task's variables.
    with tf.init_scope():
        task = make_task(json.loads(recipe), load_weights=False)
    return task.example_spec, tf.function(task.training_features, autograph=False), task.tuning_features


def release():
    """Lets go of the task that tracing made, whose encoder may be large."""
    _of_task.cache_clear()


def conform(tensor, spec):
    """Brings a feature as the schema gave it, `[n]`, `[n, 1]` or sparse, to what the task parses it as."""
    if isinstance(spec, tf.io.VarLenFeature):
        return tensor
    if isinstance(tensor, tf.SparseTensor):
        shape = [tensor.dense_shape[0], 1]
        tensor = tf.sparse.to_dense(tf.sparse.reset_shape(tensor, shape))
    return tf.reshape(tensor, [-1, *spec.shape])


def _storable(values):
    # tf.Example knows no smaller integers.
    return tf.cast(values, tf.int64) if values.dtype.is_integer else tf.cast(values, tf.float32)
