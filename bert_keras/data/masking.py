"""Masked language modelling: which tokens of a row are hidden, and behind what (Devlin et al. 2019, section 3.1).

One implementation for rows that are written to files and rows that are made while a model trains: numpy, whole blocks
of rows at a time.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from bert_keras.data.counter_random import uniforms
from bert_keras.errors import BadInput

UNITS = ("token", "whole_word", "ngram")
# Purposes of random numbers.
_LENGTH, _ORDER, _REPLACE, _RANDOM_TOKEN = range(4)


@dataclasses.dataclass(frozen=True)
class MaskSettings:
    """How tokens are hidden.

    Args:
        probability: float in (0, 1). Share of the tokens of a row that are to be predicted; special tokens and padding
            do not count. The number is rounded; a row with any token has one prediction at least.
        max_predictions: int. The most predictions of a row, and the length of the features that hold them.
        unit: what is hidden together. `"token"`: single pieces. `"whole_word"`: all pieces of a word; what a word is
            the corpus says, which for Chinese may follow a segmenter. `"ngram"`: runs of 1 to `max_ngram` words, n with
            probability proportional to 1/n (Lan et al. 2020, section 4.1; Cui et al. 2020).
        max_ngram: int. The longest run of words.
        mask_share, random_share: float. How many of the hidden tokens become `[MASK]` and a random token; the others
            stay as they are.

    Raises:
        BadInput: a value out of range; the message names it.
    """

    probability: float = 0.15
    max_predictions: int = 20
    unit: str = "token"
    max_ngram: int = 3
    mask_share: float = 0.8
    random_share: float = 0.1

    def __post_init__(self):
        if not 0 < self.probability < 1:
            raise BadInput(
                f"The masking probability is {self.probability}; expected a number between 0 and 1, such as 0.15: rows "
                "without masked positions teach nothing."
            )
        if self.max_predictions < 1:
            raise BadInput(
                f"max_predictions is {self.max_predictions}; expected at least 1: rows without masked positions teach "
                "nothing."
            )
        if self.unit not in UNITS:
            raise BadInput(f"There is no masking of {self.unit!r}; expected one of {', '.join(UNITS)}.")
        if self.max_ngram < 1:
            raise BadInput(f"max_ngram is {self.max_ngram}; expected at least 1 word.")
        if min(self.mask_share, self.random_share) < 0 or self.mask_share + self.random_share > 1:
            raise BadInput(
                f"mask_share is {self.mask_share} and random_share {self.random_share}; expected shares from 0 that "
                "are not more than 1 together."
            )


class MaskedRows(NamedTuple):
    """Rows with hidden tokens.

    Attributes:
        token_ids: int32 `[n, length]`, what the model sees.
        positions: int32 `[n, max_predictions]`, where hidden tokens stand, in order; 0 where unused.
        ids: int32 `[n, max_predictions]`, what stood there; 0 where unused.
        weights: float32 `[n, max_predictions]`, 1 for a prediction, 0 where unused.
    """

    token_ids: np.ndarray
    positions: np.ndarray
    ids: np.ndarray
    weights: np.ndarray


def mask_rows(
    token_ids: np.ndarray,
    maskable: np.ndarray,
    word_starts: np.ndarray,
    settings: MaskSettings,
    keys: np.ndarray,
    mask_id: int,
    replacements: np.ndarray,
) -> MaskedRows:
    """Hides tokens of rows.

    Units are drawn one after the other until a row has its share. One that is larger than what is left is passed over,
    as in Google's code; a row whose units are all too large gets its shortest one, cut to `max_predictions`.

    Args:
        token_ids: int32 `[n, length]`.
        maskable: bool `[n, length]`, False for special tokens and padding.
        word_starts: bool `[n, length]`, where a word begins. A word ends at the latest where `maskable` does.
        settings: `MaskSettings`.
        keys: uint64 `[n]`, from `row_keys`: the same key and row give the same result.
        mask_id: int, the id of `[MASK]`.
        replacements: int `[m]`, the ids that random tokens are drawn from.
    """
    unit = _units(maskable, word_starts, settings, keys)
    hidden = _drawn(unit, maskable, settings, keys)
    rows, columns = np.nonzero(hidden)
    place = np.cumsum(hidden, axis=1)[rows, columns] - 1
    kept = place < settings.max_predictions
    rows, columns, place = rows[kept], columns[kept], place[kept]

    shape = (len(token_ids), settings.max_predictions)
    positions, ids, weights = np.zeros(shape, np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    positions[rows, place] = columns
    ids[rows, place] = token_ids[rows, columns]
    weights[rows, place] = 1.0

    # One number of each prediction, not of each token.
    choice = uniforms(keys, _REPLACE, settings.max_predictions)[rows, place]
    other = uniforms(keys, _RANDOM_TOKEN, settings.max_predictions)[rows, place]
    drawn = replacements[(other * len(replacements)).astype(np.int64)]
    seen = np.where(choice < settings.mask_share + settings.random_share, drawn, token_ids[rows, columns])
    changed = token_ids.copy()
    changed[rows, columns] = np.where(choice < settings.mask_share, mask_id, seen)
    return MaskedRows(changed, positions, ids, weights)


def _units(maskable, word_starts, settings: MaskSettings, keys) -> np.ndarray:
    """int `[n, length]`: the number of the unit, from 0 in each row, that each maskable token belongs to."""
    if settings.unit == "token":
        return np.cumsum(maskable, axis=1) - 1
    # What follows a special token is cut off from what stood before it.
    after_gap = np.ones_like(maskable)
    after_gap[:, 1:] = ~maskable[:, :-1]
    first_of_word = maskable & (word_starts | after_gap)
    word = np.cumsum(first_of_word, axis=1) - 1
    if settings.unit == "whole_word":
        return word
    lengths = _gram_lengths(settings.max_ngram, keys, maskable.shape[1])
    begins = np.zeros((len(maskable), maskable.shape[1] + 1), bool)
    begins[:, 0] = True
    ends = np.cumsum(lengths, axis=1)
    row = np.broadcast_to(np.arange(len(maskable))[:, None], ends.shape)
    inside = ends <= maskable.shape[1]
    begins[row[inside], ends[inside]] = True
    starts = first_of_word & (np.take_along_axis(begins, np.maximum(word, 0), axis=1) | after_gap)
    return np.cumsum(starts, axis=1) - 1


def _gram_lengths(longest: int, keys, count: int) -> np.ndarray:
    """int `[n, count]`: lengths from 1 to `longest`, n with probability proportional to 1/n."""
    shares = 1.0 / np.arange(1, longest + 1)
    # The last border is left out: rounding must not open a length beyond it.
    borders = np.cumsum(shares / shares.sum())[:-1]
    return 1 + np.searchsorted(borders, uniforms(keys, _LENGTH, count), side="right")


def _drawn(unit, maskable, settings: MaskSettings, keys) -> np.ndarray:
    """bool `[n, length]`: the tokens of the units that were drawn."""
    count, length = unit.shape
    tokens = maskable.sum(axis=1)
    left = np.clip(np.rint(tokens * settings.probability), 1, settings.max_predictions).astype(np.int64)
    left = np.minimum(left, tokens)
    flat = (np.arange(count)[:, None] * length + unit)[maskable]
    sizes = np.bincount(flat, minlength=count * length).reshape(count, length)
    order = np.argsort(np.where(sizes > 0, uniforms(keys, _ORDER, length), 2.0), axis=1)
    sizes_in_order = np.ascontiguousarray(np.take_along_axis(sizes, order, axis=1).T)
    chosen = np.zeros((length, count), bool)
    for turn, size in enumerate(sizes_in_order):
        fits = (size > 0) & (size <= left)
        chosen[turn] = fits
        left -= np.where(fits, size, 0)
        if not left.any() or not size.any():
            break
    drawn = np.zeros((count, length), bool)
    np.put_along_axis(drawn, order, chosen.T, axis=1)
    none = (tokens > 0) & ~drawn.any(axis=1)
    if none.any():
        shortest = np.argmin(np.where(sizes > 0, sizes, length + 1), axis=1)
        drawn[none, shortest[none]] = True
    return maskable & np.take_along_axis(drawn, np.maximum(unit, 0), axis=1)
