"""From bytes of a cleaned-up string back to characters of the string that the user sent."""

import tensorflow as tf


def characters(strings):
    """Each string's characters (code points): string `[n]` to string RaggedTensor `[n, characters]`."""
    # Broken bytes are replaced here; after that "ignore" drops nothing, while "replace" would also replace
    # noncharacters such as U+FFFF, which tokenizing without offsets keeps.
    strings = tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="replace")
    return tf.strings.unicode_split(strings, "UTF-8", errors="ignore")


def character_spans(normal, words, word_begin, word_end, piece_begin, piece_end):
    """Character spans of pieces.

    Args:
        normal: string RaggedTensor `[n, characters]`: what each character of the text became when cleaned up, none, one
            or several characters.
        words: string RaggedTensor `[n, words]` as they were handed to WordPiece.
        word_begin, word_end: int64 RaggedTensors `[n, words]`: bytes in the joined `normal`.
        piece_begin, piece_end: RaggedTensors `[n, words, pieces]`: bytes in the word.

    Returns:
        `(begin, end)`, int32 RaggedTensors `[n, pieces]`, counted in characters of the text.
    """
    byte_ends = tf.cumsum(tf.strings.length(normal.flat_values))
    row_characters = normal.row_starts()
    row_bytes = tf.gather(tf.concat([[0], byte_ends], 0), row_characters)

    # Everything flat: one entry a piece, with its word and its row.
    piece_word = piece_begin.values.value_rowids()
    piece_row = tf.gather(words.value_rowids(), piece_word)
    base = tf.gather(row_bytes, piece_row) + tf.gather(tf.cast(word_begin.flat_values, tf.int32), piece_word)
    whole = tf.gather(tf.cast(word_end.flat_values - word_begin.flat_values, tf.int32), piece_word)
    refused = tf.gather(tf.equal(words.flat_values, "\x01"), piece_word)
    last = tf.where(refused, whole, tf.cast(piece_end.flat_values, tf.int32)) - 1

    first_row_character = tf.cast(tf.gather(row_characters, piece_row), tf.int32)
    begin = tf.searchsorted(byte_ends, base + tf.cast(piece_begin.flat_values, tf.int32), side="right")
    end = tf.searchsorted(byte_ends, base + last, side="right") + 1
    rows = piece_begin.merge_dims(-2, -1)
    return rows.with_flat_values(begin - first_row_character), rows.with_flat_values(end - first_row_character)
