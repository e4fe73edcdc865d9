"""Texts whose words get labels, to windows for the model."""

from typing import NamedTuple

import keras
import tensorflow as tf

from bert_keras.errors import BadInput
from bert_keras.tokenizers import windows as windowing
from bert_keras.tokenizers.text_preprocessor import WindowedPreprocessor
from bert_keras.tokenizers.words import Pieces, Words, find_words, first_of_run, piece_kinds, word_of_pieces

TEXT, WORD_BEGIN, WORD_END = "text", "word_begin", "word_end"
# The word that a row is about: as it stands in the text, or from where to where, in characters.
PREDICATE, MARK = "predicate", "mark"


class EncodedWords(NamedTuple):
    """Texts as the model and the decoding of its answers need them.

    Attributes:
        text: string `[n]`.
        words: `Words` of the texts.
        pieces: `Pieces` of the texts.
        word: int32 RaggedTensor `[n, pieces]`. Which word of its text each piece belongs to, -1 for none.
        first: bool RaggedTensor `[n, pieces]`. Whether a piece is the first of its word.
        windows: `Windows` over the pieces.
    """

    text: tf.Tensor
    words: Words
    pieces: Pieces
    word: tf.RaggedTensor
    first: tf.RaggedTensor
    windows: windowing.Windows

    def of_tokens(self, values, default):
        """What holds for pieces, RaggedTensor `[n, pieces]`, for the windows' tokens: RaggedTensor `[rows, length]`.

        Tokens that are no pieces get `default`.
        """
        piece = self.windows.piece
        starts = tf.gather(values.row_starts(), self.windows.document)
        place = tf.gather(starts, piece.value_rowids()) + tf.cast(piece.flat_values, tf.int64)
        is_piece = piece.flat_values >= 0
        # One more at the end, so that there is something to read where a text has no pieces.
        flat = tf.concat([values.flat_values, tf.fill([1], tf.cast(default, values.dtype))], 0)
        place = tf.where(is_piece, place, tf.size(values.flat_values, out_type=tf.int64))
        return piece.with_flat_values(tf.gather(flat, place))

    @property
    def speaking(self):
        """Bool RaggedTensor `[rows, length]`: the tokens whose outputs say something of a word, one for each.

        Read in order they are the words, save those of which no piece is left (a word of control characters).
        """
        first = self.of_tokens(self.first, False)
        return first.with_flat_values(first.flat_values & self.windows.owned.flat_values)


@keras.saving.register_keras_serializable(package="bert_keras")
class WordPreprocessor(WindowedPreprocessor):
    """Texts to windows `[CLS] pieces [SEP]`, with the words that the pieces belong to.

    A text that is too long becomes several windows, which overlap. Everything happens in the graph.

    Args:
        tokenizer: a `WordPieceTokenizer`.
        max_length: int. Longest row in tokens, special tokens included.
        overlap: int or None. How many pieces neighbouring windows share at least; None = a quarter of the room.
        marked: bool. Whether each text comes with a marked word, its predicate, whose pieces are in segment 1.

    Call arguments:
        x: strings `[n]`, or a dict of `text` and, where the words are known, `word_begin` and `word_end`: int
            RaggedTensors `[n, words]`, in characters. Of a text without given words `find_words` finds them. Where
            `marked`, also `mark`: int `[n, 2]`, begin and end in characters; or `predicate`: strings `[n]`, and the
            first word that is written so is marked, none where there is none; or both, and the predicate tells where
            the mark is -1.

    Output: dict of int32 `[rows, length]`: `token_ids`, `segment_ids`, `padding_mask`; a row for each window.
    """

    def __init__(self, tokenizer, max_length=128, overlap=None, marked=False, **kwargs):
        super().__init__(tokenizer, **kwargs)
        self.overlap = overlap
        self.marked = marked
        self.max_length = max_length

    def check_max_length(self, max_length):
        if max_length < 3:
            raise BadInput(f"max_length is {max_length}; expected at least 3 for special tokens and text.")
        if self.overlap is not None and not 0 <= self.overlap < max_length - 2:
            raise BadInput(
                f"overlap is {self.overlap}; expected 0 to {max_length - 3}, fewer pieces than the {max_length - 2} "
                "that a window holds."
            )

    @property
    def text_inputs(self):
        """Names of the text inputs, in order."""
        return (TEXT, PREDICATE) if self.marked else (TEXT,)

    def encode(self, x):
        """`EncodedWords` of texts; argument as in a call."""
        x = x if isinstance(x, dict) else {TEXT: x}
        text = tf.reshape(tf.convert_to_tensor(x[TEXT], tf.string), [-1])
        # Broken bytes become a character, as tokenizing counts them.
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        pieces = Pieces(*self.tokenizer.tokenize_with_offsets(text))
        words = find_words(pieces, self._kinds())
        if WORD_BEGIN in x:
            words = _where_given(Words(_ragged(x[WORD_BEGIN]), _ragged(x[WORD_END])), words)
        of_piece = word_of_pieces(pieces, words)
        first = (of_piece >= 0) & first_of_run(of_piece, pieces.ids)
        segments = None
        if self.marked:
            mark = _marks(text, words, x)
            row = pieces.ids.value_rowids()
            begin, end = tf.gather(mark[:, 0], row), tf.gather(mark[:, 1], row)
            inside = (pieces.begin.flat_values < end) & (pieces.end.flat_values > begin)
            segments = pieces.ids.with_flat_values(tf.cast(inside, tf.int32))
        windows = windowing.make_windows(
            pieces.ids,
            self.tokenizer.cls_token_id,
            self.tokenizer.sep_token_id,
            self.max_length,
            (self.max_length - 2) // 4 if self.overlap is None else self.overlap,
            segments=segments,
        )
        rows = pieces.ids
        return EncodedWords(text, words, pieces, rows.with_flat_values(of_piece), rows.with_flat_values(first), windows)

    def _kinds(self):
        # Computed once for a vocabulary; a constant of each graph.
        vocabulary = self.tokenizer.vocabulary
        if getattr(self, "_kinds_of", None) is not vocabulary:
            self._kinds_of, self._kinds_array = vocabulary, piece_kinds(vocabulary)
        return tf.constant(self._kinds_array)

    def get_config(self):
        return {
            **super().get_config(),
            "overlap": self.overlap,
            "marked": self.marked,
        }


def _marks(text, words, x):
    given = None if MARK not in x else tf.cast(tf.reshape(x[MARK], [-1, 2]), tf.int32)
    if PREDICATE not in x:
        return given
    found = _first_like(text, words, x[PREDICATE])
    return found if given is None else tf.where(given[:, :1] >= 0, given, found)


def _first_like(text, words, wanted):
    """int32 `[n, 2]`: from where to where the first word stands that is written like `wanted`, -1 where none is."""
    row = words.begin.value_rowids()
    begin, end = words.begin.flat_values, words.end.flat_values
    written = tf.strings.substr(tf.gather(text, row), begin, end - begin, unit="UTF8_CHAR")
    alike = words.begin.with_flat_values(written == tf.gather(tf.reshape(wanted, [-1]), row))
    found = tf.ragged.boolean_mask(tf.stack([words.begin, words.end], axis=-1), alike)
    return found[:, :1].to_tensor(-1, shape=[None, 1, 2])[:, 0]


def _where_given(given, found):
    """The given words of each text, where it has some, else the found ones."""
    count = given.begin.nrows()
    row = tf.range(count) + tf.where(given.begin.row_lengths() > 0, tf.cast(0, tf.int64), count)
    return Words(*(tf.gather(tf.concat([ours, theirs], axis=0), row) for ours, theirs in zip(given, found)))


def _ragged(values):
    ragged = values if isinstance(values, tf.RaggedTensor) else tf.ragged.constant(values, tf.int32, ragged_rank=1)
    return tf.cast(ragged, tf.int32)
