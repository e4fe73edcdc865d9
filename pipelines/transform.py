"""Transform: the task's own tokenizer and targets, as a TensorFlow graph over raw examples."""

import functools
import json

import tensorflow as tf

from pipelines.task import make_task

TOKEN_IDS, SEGMENT_IDS = "token_ids", "segment_ids"


def preprocessing_fn(inputs, custom_config):
    """TFX's hook: raw features to token ids, segments (both of any length), and the targets as `fit` takes them.

    Padding is left to the batches, which know their longest row.
    """
    task = _task(json.dumps(custom_config["recipe"], sort_keys=True))
    raw = {name: conform(inputs[name], spec) for name, spec in task.example_spec.items()}
    token_ids, segment_ids = task.preprocessor.ragged({name: raw[name] for name in task.serving_inputs})
    (target,) = [name for name in raw if name not in task.serving_inputs]
    return {
        # tf.Example knows no smaller integers.
        TOKEN_IDS: tf.cast(token_ids, tf.int64),
        SEGMENT_IDS: tf.cast(segment_ids, tf.int64),
        **{name: _storable(value) for name, value in task.target_features(raw[target]).items()},
    }


@functools.lru_cache(maxsize=1)
def _task(recipe: str):
    # TFX traces the function several times. Made outside the graph, so that the trace does not own its variables.
    with tf.init_scope():
        return make_task(json.loads(recipe), load_weights=False)


def release():
    """Lets go of the task that tracing made, whose encoder may be large."""
    _task.cache_clear()


def conform(tensor, spec):
    """Brings a feature as the inferred schema gave it, `[n]`, `[n, 1]` or sparse, to what the task parses it as."""
    if isinstance(spec, tf.io.VarLenFeature):
        return tensor if isinstance(tensor, tf.SparseTensor) else tf.sparse.from_dense(tensor)
    if isinstance(tensor, tf.SparseTensor):
        shape = [tensor.dense_shape[0], 1]
        tensor = tf.sparse.to_dense(tf.sparse.reset_shape(tensor, shape))
    return tf.reshape(tensor, [-1, *spec.shape])


def _storable(tensor):
    return tf.cast(tensor, tf.int64) if tensor.dtype.is_integer else tf.cast(tensor, tf.float32)
