"""Augmentation inside `tf.data`: changed texts, and hidden tokens of rows that were tokenized already."""

from collections.abc import Iterable

import tensorflow as tf

from bert_keras.data.augmentation import Augmentation
from bert_keras.errors import BadInput


def augment_texts(dataset: tf.data.Dataset, augment: Augmentation, features: Iterable[str] = ("text",)):
    """A dataset whose texts are changed, each time it is gone through in another way; everything else stays.

    Put it after `repeat`, so that every epoch has changes of its own: texts are numbered as they come by.

    Args:
        dataset: unbatched; elements are a string, a dict of strings, or a tuple that begins with one of them.
        augment: `Augmentation`.
        features: which texts of a dict are changed.

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

    def changed(number, text, place):
        def call(number, text):
            # As the tokenizer reads it: what is no UTF-8 becomes U+FFFD.
            return augment(text.decode("utf-8", "replace"), int(number), epoch=place).encode("utf-8")

        result = tf.numpy_function(call, [number, text], tf.string, stateful=False)
        return tf.ensure_shape(result, [])

    def change(number, *element):
        x, rest = element[0], element[1:]
        if isinstance(x, dict):
            # Two texts of one example draw apart.
            x = x | {name: changed(number, x[name], place) for place, name in enumerate(features)}
        else:
            x = changed(number, x, 0)
        return (x, *rest) if rest else x

    if isinstance(dataset.element_spec, tuple):
        return dataset.enumerate().map(lambda number, element: change(number, *element))
    return dataset.enumerate().map(change)


def mask_tokens(dataset: tf.data.Dataset, tokenizer, rate: float = 0.1, seed: int = 0):
    """A dataset in which each token of `token_ids` is `[MASK]` with probability `rate`; special tokens never are.

    For fine-tuning: nothing is predicted. Elements are dicts with `token_ids`, batched or not, or tuples that begin
    with one. Put it after `repeat`, so that every epoch has masks of its own.

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
