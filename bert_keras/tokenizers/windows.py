"""Texts longer than the model as overlapping windows, in the graph."""

from typing import NamedTuple

import tensorflow as tf


class Windows(NamedTuple):
    """Rows for the model, and what of the documents is in them.

    Attributes:
        document: int32 `[rows]`. The document of each row; a document's rows follow one another.
        begin, end: int32 `[rows]`. Which pieces of its document a row holds.
        offset: int32 `[rows]`. How many tokens stand before the first of them.
        token_ids, segment_ids: int32 RaggedTensors `[rows, length]`, special tokens included.
        piece: int32 RaggedTensor `[rows, length]`. Which piece of its document a token is; -1 for what is none: special
            tokens, and the question before a context.
        owned: bool RaggedTensor `[rows, length]`. Every piece is owned by exactly one of the windows that hold it: the
            one that shows more of what stands around it. Read in order, the owned tokens are the document.
    """

    document: tf.Tensor
    begin: tf.Tensor
    end: tf.Tensor
    offset: tf.Tensor
    token_ids: tf.RaggedTensor
    segment_ids: tf.RaggedTensor
    piece: tf.RaggedTensor
    owned: tf.RaggedTensor


class _Cuts(NamedTuple):
    """Windows as numbers, int32 `[rows]` each: pieces [begin, end) of a document, of which it owns some."""

    document: tf.Tensor
    begin: tf.Tensor
    end: tf.Tensor
    own_begin: tf.Tensor
    own_end: tf.Tensor


def cut(lengths, capacity, overlap):
    """Cuts documents into windows of at most `capacity` pieces, of which neighbours share at least `overlap`.

    A document that fits is one window. The last window of a longer one reaches back until it is full. Where two windows
    overlap, the middle of the overlap is where the one ends to own and the other begins.

    Args:
        lengths: int32 `[n]`. Pieces of each document.
        capacity: int32 `[n]` or int, at least 1.
        overlap: int32 `[n]` or int, at least 0; where it is not below the capacity, windows share all but one piece.

    Returns:
        `(document, begin, end, own_begin, own_end)`, int32 `[rows]` each; the last four count pieces.
    """
    capacity = tf.zeros_like(lengths) + capacity
    step = tf.maximum(capacity - overlap, 1)
    beyond = tf.maximum(lengths - capacity, 0)
    count = 1 + -(-beyond // step)
    document = tf.repeat(tf.range(tf.size(lengths)), count)
    number = tf.ragged.range(count).flat_values
    length, size, step, last = (tf.gather(values, document) for values in (lengths, capacity, step, count - 1))
    # The last possible begin; a document that fits begins at 0.
    limit = tf.maximum(length - size, 0)

    def begin_of(which):
        return tf.minimum(which * step, limit)

    begin = begin_of(number)
    end = tf.minimum(begin + size, length)
    own_begin = tf.where(number == 0, 0, (begin + begin_of(number - 1) + size) // 2)
    own_end = tf.where(number == last, length, (begin_of(number + 1) + end) // 2)
    return _Cuts(document, begin, end, own_begin, own_end)


def make_windows(ids, cls_id, sep_id, max_length, overlap, first=None, segments=None):
    """Windows over documents: `[CLS] pieces [SEP]`, or with something before each, `[CLS] first [SEP] pieces [SEP]`.

    Args:
        ids: int32 RaggedTensor `[n, pieces]`.
        cls_id, sep_id: ints.
        max_length: int. Longest row, special tokens included.
        overlap: int, or int32 `[n]`. How many pieces neighbouring windows share at least.
        first: int32 RaggedTensor `[n, pieces]` or None: the question that each window of a document repeats, in segment
            0; the document is then in segment 1. It must leave room: fewer than `max_length - 3` pieces.
        segments: int32 RaggedTensor `[n, pieces]` or None. The document's segment ids; None = 0, or 1 after `first`.

    Returns:
        `Windows`.
    """
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    before_pieces = tf.ones_like(lengths)
    if first is not None:
        before_pieces += 1 + tf.cast(first.row_lengths(), tf.int32)
    cuts = cut(lengths, max_length - 1 - before_pieces, overlap)
    position = tf.ragged.range(cuts.begin, cuts.end)
    row = position.value_rowids()
    owned = (position.flat_values >= tf.gather(cuts.own_begin, row)) & (
        position.flat_values < tf.gather(cuts.own_end, row)
    )
    starts = tf.gather(tf.cast(ids.row_starts(), tf.int32), tf.gather(cuts.document, row))

    def of_pieces(values):
        return position.with_flat_values(tf.gather(values.flat_values, starts + position.flat_values))

    column = tf.ones_like(cuts.document)[:, None]
    before_ids, before_segments = [column * cls_id], [column * 0]
    if first is not None:
        question = tf.gather(first, cuts.document)
        before_ids += [question, column * sep_id]
        before_segments += [tf.zeros_like(question), column * 0]
    of_document = 0 if first is None else 1
    own_segments = tf.ones_like(position) * of_document if segments is None else of_pieces(segments)
    before = tf.concat(before_ids, axis=1)
    none = tf.zeros_like(before) - 1
    return Windows(
        document=cuts.document,
        begin=cuts.begin,
        end=cuts.end,
        offset=tf.gather(before_pieces, cuts.document),
        token_ids=tf.concat([before, of_pieces(ids), column * sep_id], axis=1),
        segment_ids=tf.concat([*before_segments, own_segments, column * of_document], axis=1),
        piece=tf.concat([none, position, column * 0 - 1], axis=1),
        owned=tf.concat([none > 0, position.with_flat_values(owned), column < 0], axis=1),
    )


def padded(windows, pad_token_id=0):
    """The model's dict of dense int32 inputs `[rows, length]`."""
    return {
        "token_ids": windows.token_ids.to_tensor(pad_token_id),
        "segment_ids": windows.segment_ids.to_tensor(),
        "padding_mask": tf.ones_like(windows.token_ids).to_tensor(),
    }
