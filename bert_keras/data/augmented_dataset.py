"""Augmentation inside `tf.data`: changed texts, and hidden tokens of rows that were tokenized already."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from bert_keras.data.augmentation import Augmentation, Predictions
from bert_keras.errors import BadInput

_BATCH_SIZE = 32


def augment_texts(dataset: tf.data.Dataset, augment: Augmentation, features: Iterable[str] = ("text",)):
    """A dataset whose texts are changed, each time it is gone through in another way; everything else stays.

    Put it after `repeat`, so that every epoch has changes of its own: texts are numbered as they come by.

    Args:
        dataset: unbatched; elements are a string, a dict of strings, or a tuple that begins with one of them. With
            `Predictions` whatever else an element has must have the same shape in all of them.
        augment: `Augmentation`. `Predictions` are asked for a batch of texts at a time.
        features: which texts of a dict are changed. Not those whose words have labels of their own: for these,
            `mask_tokens` leaves every token in its place.

    Raises:
        BadInput: elements have no such feature, or the dataset is batched.
    """
    features = tuple(features)
    first = dataset.element_spec[0] if isinstance(dataset.element_spec, tuple) else dataset.element_spec
    missing = [name for name in features if name not in first] if isinstance(first, dict) else []
    if missing:
        raise BadInput(f"The dataset has no text {missing[0]!r}; its features are {', '.join(map(repr, first))}.")

    if any(spec.shape.rank for spec in (map(first.get, features) if isinstance(first, dict) else [first])):
        raise BadInput("The dataset is batched; expected one text at a time: augment first, then batch.")

    def changed(numbers, texts, place):
        def call(numbers, texts):
            # A single text comes as bytes, a batch as an array of them.
            texts = np.asarray(texts, object)
            # As the tokenizer reads it: what is no UTF-8 becomes U+FFFD.
            decoded = [text.decode("utf-8", "replace") for text in texts.ravel()]
            found = augment.many(decoded, np.ravel(numbers).tolist(), [place] * len(decoded))
            return np.array([text.encode("utf-8") for text in found], object).reshape(texts.shape)

        return tf.ensure_shape(tf.numpy_function(call, [numbers, texts], tf.string, stateful=False), texts.shape)

    def change(numbers, *element):
        x, rest = element[0], element[1:]
        if isinstance(x, dict):
            # Two texts of one example draw apart.
            x = x | {name: changed(numbers, x[name], place) for place, name in enumerate(features)}
        else:
            x = changed(numbers, x, 0)
        return (x, *rest) if rest else x

    numbered = dataset.enumerate()
    in_batches = isinstance(augment.source, Predictions)
    if in_batches:
        numbered = numbered.batch(_BATCH_SIZE)
    if isinstance(dataset.element_spec, tuple):
        result = numbered.map(lambda numbers, element: change(numbers, *element))
    else:
        result = numbered.map(change)
    return result.unbatch() if in_batches else result


def mask_tokens(dataset: tf.data.Dataset, tokenizer, rate: float = 0.1, seed: int = 0):
    """A dataset in which each token of `token_ids` is `[MASK]` with probability `rate`; special tokens never are.

    For fine-tuning: nothing is predicted, and labels of tokens stay with their tokens. Elements are dicts with
    `token_ids`, batched or not, or tuples that begin with one. Put it after `repeat`, so that every epoch has masks of
    its own.

    Raises:
        BadInput: the rate is out of range.
    """
    if not 0 < rate < 1:
        raise BadInput(f"The rate is {rate}; expected a number between 0 and 1.")
    special = tf.constant(
        [tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id]
    )

    def masked(number, x):
        ids = x["token_ids"]
        drawn = tf.random.stateless_uniform(tf.shape(ids), tf.stack([tf.cast(seed, tf.int64), number]))
        kept = tf.reduce_any(ids[..., None] == tf.cast(special, ids.dtype), axis=-1) | (drawn >= rate)
        return x | {"token_ids": tf.where(kept, ids, tf.cast(tokenizer.mask_token_id, ids.dtype))}

    if isinstance(dataset.element_spec, tuple):
        return dataset.enumerate().map(lambda number, element: (masked(number, element[0]), *element[1:]))
    return dataset.enumerate().map(masked)
