"""Learns the pieces of a WordPiece vocabulary from counted words.

Pieces grow by merging: every word starts as its characters, and the pair of neighbours that is most frequent in the
corpus becomes a piece, over and over (Sennrich et al. 2016, section 3.2, with WordPiece's "##" on what continues a
word). That is what the trainer of the `tokenizers` library does, whose pieces these equal.

That library is missing from one of this project's locks. The learner that comes with `tf_text` is not used: it keeps no
beginning that words share unless it is a word itself ("under" of "underpass", "underway"), and its vocabulary may be
twice as large as was asked for.
"""

import collections
import heapq
from collections.abc import Callable, Mapping

CONTINUES = "##"


def learn_pieces(
    word_counts: Mapping[str, int],
    characters: list[str],
    size: int,
    min_count: int = 2,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """The pieces of more than one character, the first ones learnt first.

    Args:
        word_counts: word -> how often it stands in the corpus. Words with a character that is not in `characters` are
            left out.
        characters: what words may be made of.
        size: how many pieces to learn; fewer come back where no pair is left that is frequent enough.
        min_count: how often a pair must stand in the corpus to become a piece.
        progress: is told how many pieces there are.

    Returns:
        List of str, without a piece twice. The same counts give the same pieces in any order of the words.
    """
    words = _Words(word_counts, set(characters))
    # A count in the heap may be out of date: only then it is too high, since merges take occurrences away.
    heap = [(-count, *pair) for pair, count in words.pair_counts.items() if count >= min_count]
    heapq.heapify(heap)
    pieces: dict[str, None] = {}
    while heap and len(pieces) < size:
        count, first, second = heapq.heappop(heap)
        current = words.pair_counts.get((first, second), 0)
        if current != -count:
            if current >= min_count:
                heapq.heappush(heap, (-current, first, second))
            continue
        piece = first + second.removeprefix(CONTINUES)
        for pair in words.merge(first, second, piece):
            count = words.pair_counts.get(pair, 0)
            if count >= min_count:
                heapq.heappush(heap, (-count, *pair))
        # Two ways of cutting one string are one piece.
        pieces[piece] = None
        if progress:
            progress(len(pieces))
    return list(pieces)


class _Words:
    """Words as lists of pieces, and how often each pair of neighbours stands in the corpus."""

    def __init__(self, word_counts: Mapping[str, int], characters: set[str]):
        self.pair_counts: dict[tuple[str, str], int] = collections.defaultdict(int)
        self._words, self._counts = [], []
        # In which words a pair stands, or stood once.
        self._words_of: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
        for word, count in word_counts.items():
            if len(word) < 2 or not characters.issuperset(word):
                continue
            pieces = [word[0], *(CONTINUES + character for character in word[1:])]
            for pair in zip(pieces, pieces[1:]):
                self.pair_counts[pair] += count
                self._words_of[pair].add(len(self._words))
            self._words.append(pieces)
            self._counts.append(count)

    def merge(self, first: str, second: str, piece: str) -> set[tuple[str, str]]:
        """Puts a piece in the place of a pair everywhere; returns the pairs that have become more frequent."""
        grown = set()
        for index in self._words_of.pop((first, second)):
            before, count = self._words[index], self._counts[index]
            after = _merged(before, first, second, piece)
            for pair in zip(before, before[1:]):
                self.pair_counts[pair] -= count
            for pair in zip(after, after[1:]):
                self.pair_counts[pair] += count
                if piece in pair:
                    self._words_of[pair].add(index)
                    grown.add(pair)
            self._words[index] = after
        del self.pair_counts[first, second]
        return grown


def _merged(pieces: list[str], first: str, second: str, piece: str) -> list[str]:
    merged, at, last = [], 0, len(pieces) - 1
    while at <= last:
        if at < last and pieces[at] == first and pieces[at + 1] == second:
            merged.append(piece)
            at += 2
        else:
            merged.append(pieces[at])
            at += 1
    return merged
