"""Answers as spans of pieces: where they stand in the windows, and which ones the model likes best; in the graph."""

import tensorflow as tf

# The score of what is no answer; far below every sum of two logits.
NEVER = -1e30


def window_spans(encoded, begin, end):
    """Where answers stand in the windows' rows.

    Args:
        encoded: `EncodedQuestions`.
        begin, end: int32 `[n]`, in characters of the contexts; -1 where there is no answer.

    Returns:
        int32 `[rows, 2]`: the first and the last token of the answer; 0, the place of `[CLS]`, where the window does
        not hold the whole answer.
    """
    pieces, windows = encoded.pieces, encoded.windows
    first = tf.reduce_sum(tf.cast(pieces.end <= begin[:, None], tf.int32), axis=1)
    last = tf.reduce_sum(tf.cast(pieces.begin < end[:, None], tf.int32), axis=1) - 1
    there = (begin >= 0) & (first <= last)
    first, last, there = (tf.gather(values, windows.document) for values in (first, last, there))
    there &= (first >= windows.begin) & (last < windows.end)
    moved = windows.offset - windows.begin
    return tf.stack([tf.where(there, first + moved, 0), tf.where(there, last + moved, 0)], axis=1)


def best_spans(outputs, encoded, longest, count):
    """The spans with the highest sums of a start's and an end's logit.

    Args:
        outputs: float32 `[rows, length, 2]`, of the windows' tokens.
        encoded: `EncodedQuestions`.
        longest: int. How many pieces a span may have.
        count: int. How many spans are wanted.

    Returns:
        `(scores, begin, end, null)`: float32 `[n, count]`, the best one first, `NEVER` or less where there are not as
        many; int32 `[n, count]` in characters of the contexts; and float32 `[n]`, the score of having no answer.
    """
    windows = encoded.windows
    rows, length = tf.shape(outputs)[0], tf.shape(outputs)[1]
    shape = tf.stack([tf.cast(rows, tf.int64), tf.cast(length, tf.int64)])
    piece = windows.piece.to_tensor(-1, shape=shape)
    owned = windows.owned.to_tensor(False, shape=shape)
    start = tf.where(owned, outputs[:, :, 0], NEVER)
    end = tf.where(piece >= 0, outputs[:, :, 1], NEVER)
    end = tf.pad(end, [[0, 0], [0, longest - 1]], constant_values=NEVER)
    # [rows, length, longest]: every span that begins here, by how many pieces it goes on.
    spans = start[:, :, None] + tf.gather(end, tf.range(length)[:, None] + tf.range(longest)[None, :], axis=1)
    # At least as many as wanted, also of a short row.
    flat = tf.pad(tf.reshape(spans, [rows, -1]), [[0, 0], [0, count]], constant_values=2 * NEVER)
    scores, place = tf.math.top_k(flat, count)
    first = tf.gather(piece, tf.minimum(place // longest, length - 1), batch_dims=1)
    last = first + place % longest

    def of_documents(values, fill):
        ragged = tf.RaggedTensor.from_value_rowids(
            values, tf.cast(windows.document, tf.int64), tf.shape(encoded.context, tf.int64)[0], validate=False
        )
        dense = ragged.merge_dims(1, 2).to_tensor(fill)
        # Without a document there is no window that has as many as wanted.
        short = tf.maximum(count - tf.shape(dense)[1], 0)
        return tf.pad(dense, [[0, 0], [0, short]], constant_values=fill)

    scores, order = tf.math.top_k(of_documents(scores, 2 * NEVER), count)
    first, last = (tf.gather(of_documents(values, -1), order, batch_dims=1) for values in (first, last))
    null = tf.math.segment_min(outputs[:, 0, 0] + outputs[:, 0, 1], windows.document)
    return scores, _characters(encoded.pieces.begin, first), _characters(encoded.pieces.end, last), null


def _characters(of_pieces, piece):
    """Entries `[n, k]` of a RaggedTensor `[n, pieces]`; 0 for piece -1 and where a row has none."""
    flat = tf.concat([of_pieces.flat_values, [0]], 0)
    place = tf.cast(of_pieces.row_starts(), tf.int32)[:, None] + piece
    last = tf.size(of_pieces.flat_values)
    return tf.gather(flat, tf.where((piece >= 0) & (place < last), place, last))
