"""Words that stand apart, as a text and where they are in it."""

import bisect
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bert_keras.characters import is_ideograph
from bert_keras.data import tags as schemes


class JoinedWords(NamedTuple):
    """A text, and the words in it: `text[begin[i]:end[i]]` is word i."""

    text: str
    begin: list[int]
    end: list[int]


def join_words(words: Sequence[str]) -> JoinedWords:
    """Words as a text: with blanks between them, save beside an ideograph, where nobody writes one."""
    parts, begin, end, at = [], [], [], 0
    before = ""
    for word in words:
        if before and not (is_ideograph(before[-1:]) or is_ideograph(word[:1])):
            parts.append(" ")
            at += 1
        begin.append(at)
        at += len(word)
        end.append(at)
        parts.append(word)
        before = word or before
    return JoinedWords("".join(parts), begin, end)


def spans_of_tags(words: JoinedWords, tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """BIO tags of words as `(begin, end, label)` spans of characters."""
    return [(words.begin[first], words.end[last - 1], label) for label, first, last in schemes.spans_of(tags)]


def tags_of_spans(words: JoinedWords, spans: Iterable[tuple[int, int, str]]) -> list[str]:
    """`(begin, end, label)` spans of characters as BIO tags; a word belongs to the span in which it begins."""
    tags = [schemes.OUTSIDE] * len(words.begin)
    for begin, end, label in spans:
        first = bisect.bisect_left(words.begin, begin)
        for index in range(first, bisect.bisect_left(words.begin, end)):
            tags[index] = ("B-" if index == first else "I-") + label
    return tags


def share_of_ideographs(texts: Iterable[str]) -> float:
    """How much of what is no blank in the texts is written in ideographs, 0 to 1."""
    characters = [character for text in texts for character in text if not character.isspace()]
    return sum(map(is_ideograph, characters)) / max(len(characters), 1)
