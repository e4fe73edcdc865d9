"""Text, or pairs of texts, to the model's three inputs."""

import keras
import tensorflow as tf

from bert_keras.errors import BadInput
from bert_keras.tokenizers.text_preprocessor import TextPreprocessor

TEXT, TEXT_PAIR = "text", "text_pair"


@keras.saving.register_keras_serializable(package="bert_keras")
class BertPreprocessor(TextPreprocessor):
    """`[CLS] text [SEP]` or `[CLS] text [SEP] text_pair [SEP]`, truncated and padded.

    A pair that is too long loses tokens from the end of its longer half first, until both are equal ("longest first").
    Everything after WordPiece is core TensorFlow ops, which every TensorFlow Serving has.

    Args:
        tokenizer: a `WordPieceTokenizer`.
        max_length: int. Longest row in tokens, special tokens included.
        pair: bool. Whether the model reads pairs.

    Call arguments:
        x: strings `[n]`, or for pairs a dict with `text` and `text_pair`. A dict with `text` alone is fine for single
            texts. Tuples mean `(x, y)` to KerasHub.
        pad_to_max: bool. Pads every row to `max_length`; without it only to the longest row of the batch.

    Output: dict of int32 `[n, length]`: `token_ids`, `segment_ids`, `padding_mask`. With `y` or `sample_weight`, a
    tuple as Keras' `fit` expects it.
    """

    def __init__(self, tokenizer, max_length=128, pair=False, **kwargs):
        super().__init__(tokenizer, **kwargs)
        self.pair = pair
        self.max_length = max_length

    def check_max_length(self, max_length):
        least = 5 if self.pair else 3
        if max_length < least:
            raise BadInput(f"max_length is {max_length}; expected at least {least} for special tokens and text.")

    @property
    def text_inputs(self):
        """Names of the text inputs, in order."""
        return (TEXT, TEXT_PAIR) if self.pair else (TEXT,)

    def call(self, x, y=None, sample_weight=None, pad_to_max=False):
        token_ids, segment_ids = self.ragged(x)
        return keras.utils.pack_x_y_sample_weight(self.pad(token_ids, segment_ids, pad_to_max), y, sample_weight)

    def ragged(self, x):
        """Ids and segments before padding: two int32 RaggedTensors `[n, length]`."""
        pieces = [self.pieces(text) for text in self.texts(x)]
        lengths = [rows.row_lengths() for rows in pieces]
        kept = truncated_lengths(lengths, self.max_length - len(pieces) - 1)
        return with_special_tokens(
            [shorten(rows, count) for rows, count in zip(pieces, kept)],
            self.tokenizer.cls_token_id,
            self.tokenizer.sep_token_id,
        )

    def pieces(self, texts):
        """Ids of the pieces of string tensor `[n]`: int32 RaggedTensor `[n, pieces]`."""
        return self.tokenizer.tokenize(texts)

    def pad(self, token_ids, segment_ids, pad_to_max=False):
        """Ragged rows to the dict of dense inputs."""
        shape = [None, self.max_length if pad_to_max else None]
        return {
            "token_ids": token_ids.to_tensor(self.tokenizer.pad_token_id, shape=shape),
            "segment_ids": segment_ids.to_tensor(shape=shape),
            "padding_mask": tf.ones_like(token_ids).to_tensor(shape=shape),
        }

    def texts(self, x):
        """The text inputs of `x` as a list of string tensors `[n]`, one or two."""
        if isinstance(x, dict):
            unknown = [name for name in x if name not in self.text_inputs]
            missing = [name for name in self.text_inputs if name not in x]
            if unknown or missing:
                raise BadInput(f"The inputs are {sorted(x)}; this model reads {list(self.text_inputs)}.")
            x = [x[name] for name in self.text_inputs]
        elif self.pair:
            raise BadInput("This model reads pairs; give a dict with 'text' and 'text_pair'.")
        else:
            x = [x]
        return [tf.reshape(tf.convert_to_tensor(text, tf.string), [-1]) for text in x]

    def get_config(self):
        return {**super().get_config(), "pair": self.pair}


def truncated_lengths(lengths, budget):
    """How many tokens of each part stay when they share `budget` tokens, the longest losing first.

    Where both parts must lose, each gets half and the longer one the odd token (the second, where they are equal), as
    in the `tokenizers` library.

    Args:
        lengths: list of one or two int `[n]`.
        budget: int.

    Returns:
        List of int `[n]`, as long as `lengths`.
    """
    if len(lengths) == 1:
        return [tf.minimum(lengths[0], budget)]
    first, second = lengths
    half = tf.cast(budget // 2, first.dtype)
    budget = tf.cast(budget, first.dtype)
    shorter = tf.minimum(tf.minimum(first, second), half)
    longer = tf.minimum(tf.maximum(first, second), budget - shorter)
    swapped = first > second
    return [tf.where(swapped, longer, shorter), tf.where(swapped, shorter, longer)]


def shorten(rows, counts):
    """The first `counts[i]` values of each row of a RaggedTensor."""
    position = tf.ragged.range(rows.row_lengths()).flat_values
    kept = tf.boolean_mask(rows.flat_values, position < tf.repeat(counts, rows.row_lengths()))
    return tf.RaggedTensor.from_row_lengths(kept, counts, validate=False)


def with_special_tokens(parts, cls_id, sep_id):
    """`[CLS] part [SEP]` with one `[SEP]` more for each part, and the segment of each token."""
    column = tf.ones_like(parts[0].row_lengths(), tf.int32)[:, None]
    ids, segments = [column * cls_id], [column * 0]
    for segment, part in enumerate(parts):
        ids += [part, column * sep_id]
        segments += [tf.ones_like(part) * segment, column * segment]
    return tf.concat(ids, axis=1), tf.concat(segments, axis=1)
