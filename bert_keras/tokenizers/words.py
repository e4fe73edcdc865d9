"""Words of a text and the pieces that belong to them, in the graph."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.tokenizers.normalize import stands_alone

_CONTINUES, _PUNCTUATION, _IDEOGRAPH = 1, 2, 3
# More than a text has characters: keeps the rows of a ragged tensor apart in one sorted list.
_ROW = 1 << 32


class Pieces(NamedTuple):
    """Pieces of texts, int32 RaggedTensors `[n, pieces]`: ids, and where they stand, in characters."""

    ids: tf.RaggedTensor
    begin: tf.RaggedTensor
    end: tf.RaggedTensor


class Words(NamedTuple):
    """Words of texts, int32 RaggedTensors `[n, words]`: where they stand, in characters."""

    begin: tf.RaggedTensor
    end: tf.RaggedTensor


def piece_kinds(vocabulary):
    """What each piece of a vocabulary is to `find_words`: int32 `[pieces]`."""
    kinds = np.zeros(len(vocabulary), "int32")
    for index, piece in enumerate(vocabulary):
        if piece.startswith("##") and len(piece) > 2:
            kinds[index] = _CONTINUES
        elif len(piece) == 1:
            kind = stands_alone(piece)
            kinds[index] = {"punctuation": _PUNCTUATION, "ideograph": _IDEOGRAPH}.get(kind, 0)
    return kinds


def find_words(pieces, kinds):
    """The words of texts whose words nobody has marked.

    Blanks part words; ideographs and punctuation are words of their own, save a single mark between two others that
    stand without blanks around it: "don't", "3.5", "U.N", "well-known" are one word each, "yes," and "(no)" are not.
    That is near to what annotated corpora do, and keeps what people write as one together.

    Args:
        pieces: `Pieces`.
        kinds: int32 `[vocabulary]`, from `piece_kinds`.

    Returns:
        `Words`.
    """
    kind = tf.gather(kinds, pieces.ids.flat_values)
    begin, end = pieces.begin.flat_values, pieces.end.flat_values
    row_start = _row_starts(pieces.ids)
    gap = row_start | (begin > _shifted(end, 1))
    gap_after = tf.concat([gap[1:], [True]], 0)[: tf.size(gap)]
    mark = kind == _PUNCTUATION
    plain = ~mark & (kind != _IDEOGRAPH)
    inside = mark & ~gap & ~gap_after & _shifted(plain, 1) & _shifted(plain, -1)
    # A piece that continues a word never begins one, though tokenizing may have dropped what stood before it, such as a
    # combining mark; nor does what stands right after a mark inside a word.
    starts = row_start | ((kind != _CONTINUES) & (gap | ~(inside | _shifted(inside, 1))))
    last = tf.concat([starts[1:], [True]], 0)[: tf.size(starts)]
    count = tf.reduce_sum(pieces.ids.with_flat_values(tf.cast(starts, tf.int64)), axis=1)
    return Words(
        tf.RaggedTensor.from_row_lengths(tf.boolean_mask(begin, starts), count, validate=False),
        tf.RaggedTensor.from_row_lengths(tf.boolean_mask(end, last), count, validate=False),
    )


def word_of_pieces(pieces, words):
    """Which word of its text each piece belongs to, by where it begins: int32 `[all pieces]`, -1 for none."""
    return containing(pieces.begin, words.begin, words.end)


def containing(points, begin, end):
    """Which span of its row each point lies in.

    Args:
        points: int32 RaggedTensor `[n, points]`.
        begin, end: int32 RaggedTensors `[n, spans]`, sorted, not overlapping.

    Returns:
        int32 `[all points]`: the span's number in its row, -1 where there is none.
    """
    point_row, span_row = points.value_rowids(), begin.value_rowids()
    keys = tf.cast(points.flat_values, tf.int64) + point_row * _ROW
    borders = tf.cast(begin.flat_values, tf.int64) + span_row * _ROW
    found = tf.searchsorted(borders, keys, side="right", out_type=tf.int64) - 1
    # In front stands a span that contains nothing, for points before the first one.
    ends = tf.concat([[-1], tf.cast(end.flat_values, tf.int64) + span_row * _ROW], 0)
    number = found - tf.gather(begin.row_starts(), point_row)
    return tf.cast(tf.where((number >= 0) & (keys < tf.gather(ends, found + 1)), number, -1), tf.int32)


def first_of_run(values, rows):
    """Whether each value of a ragged tensor's flat values differs from the one before it in its row: bool."""
    return _row_starts(rows) | (values != _shifted(values, 1))


def _row_starts(ragged):
    """Bool `[all values]`: whether a value is the first of its row."""
    rowids = ragged.value_rowids()
    return rowids != _shifted(rowids + 1, 1) - 1


def _shifted(values, by):
    """Flat values moved on by one place, or back by one; what comes in is 0 or False."""
    empty = tf.zeros([1], values.dtype)
    moved = tf.concat([empty, values[:-1]], 0) if by == 1 else tf.concat([values[1:], empty], 0)
    return moved[: tf.size(values)]
