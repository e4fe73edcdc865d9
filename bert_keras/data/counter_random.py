"""Random numbers that depend on where they are used and on nothing else.

Each row of a corpus has a key, made of seed, epoch and row number, and each number of a row is a hash of that key and a
counter. So a row is masked alike whoever asks for it, in any order and in any company: a run that is taken up again, or
spread over more workers, sees the same rows. The hash is the output function of SplitMix64 (Steele et al. 2014).
"""

import numpy as np

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
# What a key draws for one purpose never meets what it draws for another.
_PURPOSE = np.uint64(1 << 32)


def row_keys(seed: int, epoch: int, rows: np.ndarray) -> np.ndarray:
    """uint64 `[n]`: the keys of rows.

    Args:
        seed, epoch: int, not negative.
        rows: int `[n]`, numbers of rows in the epoch.
    """
    key = np.zeros(len(rows), np.uint64)
    for part in (seed, epoch, rows):
        key = _mixed((key ^ np.asarray(part, np.uint64)) + _STEP)
    return key


def uniforms(keys: np.ndarray, purpose: int, count: int) -> np.ndarray:
    """float64 `[n, count]` in [0, 1): `count` numbers of each key, for one of the purposes 0, 1, 2, …"""
    counters = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(purpose) * _PURPOSE
    return (_mixed(keys[:, None] + counters * _STEP) >> np.uint64(11)) * 2.0**-53


def _mixed(values: np.ndarray) -> np.ndarray:
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))
