"""WordPiece from core TensorFlow ops alone, which every server of SavedModels has, whatever else it links."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.tokenizers.character_table import CODE_POINTS, character_table
from bert_keras.tokenizers.piece_table import MATCH_BITS, STATE_BITS, piece_table

# A character's entry holds the state of what it becomes, and these bits; above them is its rank among marks.
_STATE = (1 << 2 * STATE_BITS) - 1
_ALONE, _SPACE, _DROPPED, _IN_RUN = (_STATE + 1 << bit for bit in range(4))
_RANK_BIT = 2 * STATE_BITS + 4
_NUMBER = (1 << STATE_BITS) - 1
_LENGTH = (1 << MATCH_BITS) - 1
# Of a character that becomes several the entry is -(begin << _COUNT_BITS | count), a place in a list of entries.
_COUNT_BITS = 3

# Most of Unicode's pages of 128 characters are alike, and are stored once.
_PAGE_BITS = 7


class CorePieces:
    """Strings to pieces, equal to `TextPieces` of the same arguments, piece for piece.

    Strings are decoded once. From there on characters, words and pieces are ints, those of a whole batch in one row,
    and each step is taken for all of them. Unicode's tables and the vocabulary are constants of a few megabytes.

    Args:
        vocabulary: list of str.
        unknown: str. The piece that stands for what no pieces make.
        lowercase, strip_accents: bools.
        max_characters: int. Longer words are unknown.
    """

    def __init__(self, vocabulary, unknown, lowercase, strip_accents, max_characters):
        characters = character_table(lowercase, strip_accents)
        alone = {chr(code) for code in np.unique(characters.result[characters.alone])}
        pieces = piece_table(vocabulary, alone, max_characters)
        pages, entries, several = _entries(characters, pieces.symbols)
        self._unknown, self._max_characters = vocabulary.index(unknown), max_characters
        self._first, self._further, self._levels = pieces.first, pieces.further, pieces.levels
        self._has_several, self._has_ranks = len(several) > 0, len(characters.rank) > 0
        with tf.init_scope():
            self._pages, self._entries, self._several = map(tf.constant, (pages, entries, several))
            self._table, self._match = map(tf.constant, (pieces.table, pieces.match))

    def ids(self, strings):
        """Ids of the pieces of string tensor `[n]`: int32 RaggedTensor `[n, pieces]`."""
        found = self._find(_decoded(strings), in_order=True)
        return tf.RaggedTensor.from_row_splits(found.ids, found.row_splits, validate=False)

    def spans(self, strings):
        """`(ids, begin, end)` of the pieces, int32 RaggedTensors `[n, pieces]`; begin and end count characters."""
        # A broken byte counts as a character; `_decoded` leaves it out.
        text = _decoded(tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="replace"))
        # Marks are left where they are, so that each result can be told by the character that it comes from.
        found = self._find(text, in_order=False)
        ids = tf.RaggedTensor.from_row_splits(found.ids, found.row_splits, validate=False)
        row_begin = tf.gather(tf.cast(text.row_starts(), tf.int32), ids.value_rowids())
        return ids, ids.with_flat_values(found.begin - row_begin), ids.with_flat_values(found.end - row_begin)

    def _find(self, text, in_order):
        """The `_Found` pieces of code points, int32 RaggedTensor `[n, characters]` whose rows end with a blank."""
        cleaned, source = self._clean(text.flat_values, in_order)
        space = (cleaned & _SPACE) != 0
        apart = (cleaned & (_SPACE | _ALONE)) != 0
        # A word begins with what stands apart, and after it; where the next one begins, or a blank is, it is over.
        first = ~space & (apart | tf.concat([[True], apart], 0)[:-1])
        over = space | first
        word_begin = _places(first)
        word_end = 1 + _places(~space & tf.concat([over, [True]], 0)[1:])
        too_long = word_end - word_begin > self._max_characters
        match_at = self._longest_pieces(cleaned & _STATE, over, word_begin, too_long)

        begin = _places(match_at != 0)
        match = tf.gather(match_at, begin)
        begins_word = tf.gather(first, begin)
        word = tf.cumsum(tf.cast(begins_word, tf.int32)) - 1
        unknown = tf.math.unsorted_segment_min(match, word, tf.size(word_begin)) < 0
        is_unknown = tf.gather(unknown, word)
        # Of an unknown word its beginning stands for the whole.
        kept = _places(begins_word | ~is_unknown)
        begin, match, word, is_unknown = (tf.gather(values, kept) for values in (begin, match, word, is_unknown))
        end = tf.where(is_unknown, tf.gather(word_end, word), begin + (match & _LENGTH))
        ids = tf.where(is_unknown, self._unknown, _shifted(match, MATCH_BITS))
        begin, end = tf.gather(source, begin), 1 + tf.gather(source, end - 1)
        row_splits = tf.searchsorted(begin, tf.cast(text.row_splits, tf.int32), out_type=tf.int64)
        return _Found(ids, begin, end, row_splits)

    def _clean(self, codes, in_order):
        """The text cleaned up: entries of what is left, and the number of the character that each comes from."""
        page = tf.gather(self._pages, _shifted(codes, _PAGE_BITS))
        entry = tf.gather(self._entries, page + (codes & ((1 << _PAGE_BITS) - 1)))
        if not self._has_several:
            return _kept(entry)
        some_become_several = tf.reduce_any(entry < 0)
        cleaned, source = tf.cond(some_become_several, lambda: self._expanded(entry), lambda: _kept(entry))
        if in_order and self._has_ranks:
            has_marks = tf.reduce_any(cleaned >= 1 << _RANK_BIT)
            cleaned = tf.cond(has_marks, lambda: _ordered(entry, cleaned, source), lambda: cleaned)
        return cleaned, source

    def _expanded(self, entry):
        kept = tf.cast((entry & _DROPPED) == 0, tf.int32)
        count = tf.where(entry < 0, tf.cast(-entry & ((1 << _COUNT_BITS) - 1), tf.int32), kept)
        source = tf.repeat(tf.range(tf.size(entry)), count)
        which = tf.range(tf.size(source)) - tf.gather(tf.cumsum(count, exclusive=True), source)
        entry = tf.gather(entry, source)
        listed = tf.where(entry < 0, _shifted(-entry, _COUNT_BITS) + tf.cast(which, tf.int64), 0)
        return tf.where(entry < 0, tf.gather(self._several, listed), entry), source

    def _longest_pieces(self, symbols, over, word_begin, too_long):
        """The longest piece at each place where one begins, when words are cut from the left.

        Args:
            symbols: int64 `[places]`, states.
            over: bool `[places]`. Whether a word that comes from the left is over.
            word_begin: int32 `[words]`.
            too_long: bool `[words]`. Words that are not looked at.

        Returns:
            int32 `[places]`: as in `PieceTable.match`, -1 where no piece fits, 0 where none begins.
        """
        blocks = [symbols]
        for level in range(1, self._levels):
            half = 1 << level - 1
            blocks.append(self._look_up(blocks[-1], tf.pad(blocks[-1], [[0, half]])[half:]))

        def add(match_at, place, match):
            match_at = tf.tensor_scatter_nd_update(match_at, place[:, None], tf.where(match > 0, match, -1))
            after = place + (match & _LENGTH)
            goes_on = _places((match > 0) & ~tf.gather(over, after))
            return match_at, tf.gather(after, goes_on)

        match = tf.where(too_long, 0, self._longest_match(blocks, word_begin, self._first))
        match_at, place = add(tf.zeros_like(symbols, tf.int32), word_begin, match)
        # One turn for each further piece of the word that has most, for all words at once.
        return tf.while_loop(
            lambda _, place: tf.size(place) > 0,
            lambda match_at, place: add(match_at, place, self._longest_match(blocks, place, self._further)),
            (match_at, place),
        )[0]

    def _longest_match(self, blocks, place, node):
        """The longest piece at each of the places, int32 `[places]`, as in `PieceTable.match`."""
        node = tf.fill(tf.shape(place), tf.constant(node, tf.int64))
        for level, names in reversed(list(enumerate(blocks))):
            # A walk never passes a blank, and a blank ends the row: no place lies beyond it.
            found = self._look_up(node, tf.gather(names, place))
            node = tf.where(found > 0, found, node)
            place += tf.where(found > 0, 1 << level, 0)
        return tf.gather(self._match, node & _NUMBER)

    def _look_up(self, left, right):
        """What comes of pairs of states, 0 where there is no such pair."""
        found = tf.gather(self._table, _shifted(left, STATE_BITS) + (right & _NUMBER))
        return tf.where(_shifted(found, 2 * STATE_BITS) == left & _NUMBER, found & _STATE, 0)


class _Found(NamedTuple):
    """Pieces of a batch, int32 `[pieces]` each; begin and end count the characters of all rows; int64 `[rows + 1]`."""

    ids: tf.Tensor
    begin: tf.Tensor
    end: tf.Tensor
    row_splits: tf.Tensor


def _entries(characters, symbols):
    """`(pages, entries, several)`: int32, where in `entries` each page of characters begins; int64, see above."""
    symbol_of, rank_of = np.zeros(CODE_POINTS, "int64"), np.zeros(CODE_POINTS, "int64")
    symbol_of[[ord(character) for character in symbols]] = list(symbols.values())
    rank_of[list(characters.rank)] = list(characters.rank.values())
    result = symbol_of[characters.result] | rank_of[characters.result] << _RANK_BIT
    result |= np.where(characters.alone, _ALONE, 0)

    begin, count = characters.begin, characters.count.astype("int64")
    entry = np.where(characters.space, _SPACE, _DROPPED)
    entry[count == 1] = result[begin[count == 1]]
    entry[characters.stays_in_run] |= _IN_RUN
    many = np.flatnonzero(count > 1)
    several = [result[begin[code] : begin[code] + count[code]] for code in many]
    several = np.concatenate(several) if len(many) else np.zeros(0, "int64")
    entry[many] = -((np.cumsum(count[many]) - count[many]) << _COUNT_BITS | count[many])

    pages, page_of = np.unique(entry.reshape(-1, 1 << _PAGE_BITS), axis=0, return_inverse=True)
    return (page_of.reshape(-1) << _PAGE_BITS).astype("int32"), pages.reshape(-1), several


def _decoded(strings):
    """Code points of strings without their broken bytes, a blank added to each: int32 RaggedTensor."""
    # "replace" would also replace noncharacters such as U+FFFF, which are kept.
    return tf.strings.unicode_decode(tf.strings.join([strings, " "]), "UTF-8", errors="ignore")


def _kept(entry):
    source = _places((entry & _DROPPED) == 0)
    return tf.gather(entry, source), source


def _ordered(entry, cleaned, source):
    """`cleaned` with the marks of each run in canonical order."""
    run = tf.cumsum(tf.cast((entry < 0) | ((entry & _IN_RUN) == 0), tf.int64))
    key = tf.gather(run, source) * (1 << 63 - _RANK_BIT) + _shifted(cleaned, _RANK_BIT)
    return tf.gather(cleaned, tf.argsort(key, stable=True))


def _places(mask):
    """int32 `[true ones]`: where a mask is true."""
    return tf.cast(tf.reshape(tf.where(mask), [-1]), tf.int32)


def _shifted(values, bits):
    return tf.bitwise.right_shift(values, bits)
