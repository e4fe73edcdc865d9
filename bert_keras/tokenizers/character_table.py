"""What the clean-up makes of each character, as numbers: no graph need ask `normalize` again."""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from bert_keras.tokenizers.normalize import normalize

CODE_POINTS = 0x110000
_SPACE = ord(" ")

# Every character that Unicode has given away lies in here. The others, unassigned or private, are alike by the block,
# save the two noncharacters that end each plane.
_ASSIGNED = ((0, 0xD800), (0xE000, 0x40000), (0xE0000, 0xE1000))
_BLOCK = 0x1000

# The mark with the highest combining class, 240: every other mark goes before it.
_LAST_MARK = "\u0345"


class CharacterTable(NamedTuple):
    """Every character as `normalize` leaves it when it stands by itself.

    Attributes:
        begin, count: int32 `[0x110000]`. Where in `result` its characters are; a dropped one has none.
        result: int32 `[all]`. Code points.
        alone: bool `[all]`. Whether a result is a word of its own: a punctuation mark or an ideograph.
        space: bool `[0x110000]`. Whether it parts words, and is gone.
        rank: dict of code point to int, from 1: the results that canonical ordering puts in this order where several
            stand in a run. Empty where nothing is decomposed.
        stays_in_run: bool `[0x110000]`. Whether such a run goes on over this character.
    """

    begin: np.ndarray
    count: np.ndarray
    result: np.ndarray
    alone: np.ndarray
    space: np.ndarray
    rank: dict
    stays_in_run: np.ndarray


@functools.lru_cache(maxsize=4)
def character_table(lowercase, strip_accents):
    """The `CharacterTable` of the Unicode versions that the installed TensorFlow and TensorFlow Text hold."""
    with tf.init_scope():
        asked = _representatives()
        cleaned = normalize(_strings(asked), lowercase, strip_accents)
        decoded = tf.strings.unicode_decode(cleaned, "UTF-8", errors="ignore")
        values, row = decoded.values.numpy(), decoded.value_rowids().numpy()
        blank = values == _SPACE
        # A mark that stands alone comes between two blanks; what parts words comes as one blank and no more.
        before = np.r_[False, blank[:-1] & (row[:-1] == row[1:])]
        after = np.r_[blank[1:] & (row[:-1] == row[1:]), False]
        alone = before & ~blank & after
        space = cleaned.numpy() == b" "
        count = np.bincount(row[~blank], minlength=len(asked))
        results, alone = values[~blank], alone[~blank]

        # Each code point by its representative; one that is not asked for itself stays itself where that one does.
        of = np.repeat(np.arange(len(asked)), np.diff(np.r_[asked, CODE_POINTS]))
        begin, count, space = (np.cumsum(count) - count)[of], count[of], space[of]
        others = np.flatnonzero((asked[of] != np.arange(CODE_POINTS)) & (count == 1))
        begin[others] = len(results) + np.arange(len(others))
        results = np.r_[results, others].astype("int32")
        alone = np.r_[alone, np.zeros(len(others), bool)]
        rank, stays = _canonical_order(asked, results) if strip_accents else ({}, np.zeros(CODE_POINTS, bool))
        return CharacterTable(begin.astype("int32"), count.astype("int32"), results, alone, space, rank, stays)


def _representatives():
    """Sorted code points to ask `normalize` about; each stands for those up to the next one too."""
    asked = [np.arange(first, end) for first, end in _ASSIGNED]
    asked.append(np.arange(0, CODE_POINTS, _BLOCK))
    asked += [np.arange(plane + 0xFFFE, plane + 0x10000) for plane in range(0, CODE_POINTS, 0x10000)]
    asked = np.unique(np.concatenate(asked))
    # Surrogates are no characters: UTF-8 has none.
    return asked[(asked < 0xD800) | (asked >= 0xE000)]


def _canonical_order(asked, results):
    """`rank` and `stays_in_run`, by what NFD does to two marks that follow each other (Unicode Annex 15)."""
    strings = _strings(asked)
    marked = tf_text.normalize_utf8(tf.strings.join([_LAST_MARK, strings]), "NFD")
    plain = tf.strings.join([_LAST_MARK, tf_text.normalize_utf8(strings, "NFD")])
    is_mark = (marked != plain).numpy() | (asked == ord(_LAST_MARK))
    # What is dropped before the text is decomposed parts no run either.
    stays = np.zeros(CODE_POINTS, bool)
    stays[asked] = is_mark | (normalize(strings, False, False) == "").numpy()

    kept = np.intersect1d(results, asked[is_mark])
    first, second = (_strings(codes) for codes in (np.repeat(kept, len(kept)), np.tile(kept, len(kept))))
    swapped = tf_text.normalize_utf8(tf.strings.join([first, second]), "NFD") == tf.strings.join([second, first])
    swapped &= first != second
    behind = tf.reduce_sum(tf.cast(tf.reshape(swapped, [len(kept), len(kept)]), tf.int32), axis=1).numpy()
    ranks = np.unique(behind, return_inverse=True)[1] + 1
    return dict(zip(kept.tolist(), ranks.tolist())), stays


def _strings(codes):
    return tf.constant([chr(code) for code in codes], tf.string, shape=[len(codes)])
