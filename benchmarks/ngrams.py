"""Unigram and bigram models of token ids, as base lines of a masked language model."""

import numpy as np

# Of Kneser and Ney's absolute discounting; Chen and Goodman 1998 find 0.75 near the best for counts of this size.
DISCOUNT = 0.75


class Bigrams:
    """Probabilities of a token, and of a token after another (interpolated Kneser-Ney).

    Args:
        token_ids: int `[tokens]`.
        sentences: int `[sentences + 1]`, where each sentence begins in `token_ids`, and the end; no pair of tokens is
            counted over a border.
        size: int, of the vocabulary.
    """

    def __init__(self, token_ids, sentences, size):
        ids = token_ids.astype(np.int64)
        self._size = size
        # One more of each, so that nothing is impossible.
        self._unigram = (np.bincount(ids, minlength=size) + 1) / (len(ids) + size)
        follows = np.ones(len(ids), bool)
        follows[sentences[:-1]] = False
        pairs = ids[:-1][follows[1:]] * size + ids[1:][follows[1:]]
        self._pairs, self._counts = np.unique(pairs, return_counts=True)
        first, second = np.divmod(self._pairs, size)
        self._seen = np.bincount(first, self._counts, size)
        self._kinds = np.bincount(first, minlength=size)
        # How many tokens a token follows says more than how often it stands.
        self._continues = (np.bincount(second, minlength=size) + 1) / (len(self._pairs) + size)

    def unigram(self, ids):
        """float `[n]`, the probability of each token."""
        return self._unigram[ids]

    def bigram(self, before, ids):
        """float `[n]`, the probability of each token after the one before it; a new one before it says nothing."""
        pairs = before.astype(np.int64) * self._size + ids
        places = np.minimum(np.searchsorted(self._pairs, pairs), len(self._pairs) - 1)
        counts = np.where(self._pairs[places] == pairs, self._counts[places], 0)
        seen = np.maximum(self._seen[before], 1)
        known = np.maximum(counts - DISCOUNT, 0) / seen + DISCOUNT * self._kinds[before] / seen * self._continues[ids]
        return np.where(self._seen[before] > 0, known, self._unigram[ids])
