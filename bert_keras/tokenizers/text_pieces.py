"""WordPiece from the ops of TensorFlow Text."""

import tensorflow as tf
import tensorflow_text as tf_text

from bert_keras.tokenizers.normalize import normalize
from bert_keras.tokenizers.offsets import character_spans, characters


class TextPieces:
    """Strings to pieces.

    Args:
        vocabulary: list of str.
        unknown: str. The piece that stands for what no pieces make.
        lowercase, strip_accents: bools.
        max_characters: int. Longer words are unknown.
    """

    def __init__(self, vocabulary, unknown, lowercase, strip_accents, max_characters):
        self._normalizing = {"lowercase": lowercase, "strip_accents": strip_accents}
        self._max_characters = max_characters
        self._wordpiece = tf_text.FastWordpieceTokenizer(
            vocabulary,
            unknown_token=unknown,
            token_out_type=tf.int32,
            no_pretokenization=True,
            max_bytes_per_word=4 * max_characters,
        )

    def ids(self, strings):
        """Ids of the pieces of string tensor `[n]`: int32 RaggedTensor `[n, pieces]`."""
        words = tf.strings.split(normalize(strings, **self._normalizing))
        return self._wordpiece.tokenize(self._refuse_long(words)).merge_dims(-2, -1)

    def spans(self, strings):
        """`(ids, begin, end)` of the pieces, int32 RaggedTensors `[n, pieces]`; begin and end count characters."""
        letters = characters(strings)
        normal = letters.with_flat_values(normalize(letters.flat_values, **self._normalizing))
        joined = tf.strings.reduce_join(normal, axis=-1)
        words, word_begin, word_end = tf_text.regex_split_with_offsets(joined, " +")
        words = self._refuse_long(words)
        ids, begin, end = self._wordpiece.tokenize_with_offsets(words)
        return ids.merge_dims(-2, -1), *character_spans(normal, words, word_begin, word_end, begin, end)

    def _refuse_long(self, words):
        """Puts a character that no vocabulary holds in place of every word that is too long."""
        too_long = tf.strings.length(words.flat_values, unit="UTF8_CHAR") > self._max_characters
        return words.with_flat_values(tf.where(too_long, "\x01", words.flat_values))
