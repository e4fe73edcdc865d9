"""More training texts out of those there are: words masked, replaced, inserted, deleted and swapped, labels kept.

Four of the operations are those of Wei and Zou 2019 ("EDA"); replacements may come from a list of synonyms or from a
masked language model's predictions (Wu et al. 2019). The fifth hides whole words behind `[MASK]`, which the `fit` of
tasks on whole texts reads as the mask token; other readers see four signs and a word. All suit tasks that label whole
texts: labels of single words would not fit any more. A text keeps its label because few words change; that no change
turns its meaning ("not" deleted) is not checked.
"""

import dataclasses
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple, Protocol

import numpy as np

from bert_keras.characters import IDEOGRAPHS, MASK
from bert_keras.data.counter_random import row_keys
from bert_keras.data.lines import numbered_lines
from bert_keras.errors import BadInput, where

OPERATIONS = ("mask", "replace", "insert", "delete", "swap")
NEED_WORDS = ("replace", "insert")
_IDEOGRAPH = "".join(f"{chr(first)}-{chr(last)}" for first, last in IDEOGRAPHS)
_PUNCTUATION = r"(?:(?!\[MASK\])[^\w\s])*"
_A_WORD = rf"\[MASK\]|[{_IDEOGRAPH}]|[^\s{_IDEOGRAPH}]*[^\W{_IDEOGRAPH}]|[^\s]+?"
# They keep letters apart or together, without being any.
_JOINERS = "\u200c\u200d"
# A word with the punctuation around it and the blanks after it. `[MASK]` is a word, as far as it stands by itself.
_WORD = re.compile(rf"({_PUNCTUATION})({_A_WORD})({_PUNCTUATION}\s*)")


class Source(Protocol):
    """Where other words come from, one at a time."""

    def for_word(self, words: Sequence[str], index: int) -> list[str]:
        """What may stand in the place of a word."""

    def for_gap(self, words: Sequence[str], index: int) -> list[str]:
        """What may be put before a word; `index` is `len(words)` for the end."""


class Synonyms:
    """Words from groups of words that mean the same, letter case ignored.

    What is inserted is a synonym of any word of the text, as in EDA.
    """

    def __init__(self, groups: Iterable[Sequence[str]]):
        self._of: dict[str, list[str]] = {}
        for group in groups:
            for word in group:
                others = [other for other in group if other.lower() != word.lower()]
                known = self._of.setdefault(word.lower(), [])
                known += [other for other in others if other not in known]

    @classmethod
    def from_file(cls, path: str) -> "Synonyms":
        """Groups from a file: one a line, words parted by commas or tabs. Raises `BadInput`."""
        groups = []
        for row, line in numbered_lines(path):
            group = [word.strip() for word in re.split("[,\t]", line) if word.strip()]
            if len(group) == 1:
                raise BadInput(f"{where(path, row)}: one word; expected several that mean the same, parted by commas")
            groups += [group] if group else []
        if not groups:
            raise BadInput(f"{path}: the list holds no synonyms; expected groups of words, one a line")
        return cls(groups)

    def for_word(self, words, index):
        return self._of.get(words[index].lower(), [])

    def for_gap(self, words, index):
        return [other for word in words for other in self._of.get(word.lower(), [])]


class Predictions:
    """Words that a masked language model expects, asked for many texts at once.

    All places of a text that are to change are hidden together, and each gets a word for itself. A text in which
    `[MASK]` stands already is left alone.

    Args:
        predict: function of a list of texts with `[MASK]` in them; gives for each text, for each mask, a list of words,
            likeliest first. Masks that are not read (behind the longest row) may be missing. Such as
            `PretrainingModel.expected_words`.
    """

    def __init__(self, predict: Callable[[list[str]], list[list[list[str]]]]):
        self.predict = predict


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Changes a text by one of the operations, drawn anew for each text.

    Args:
        operations: some of `"mask"`, `"replace"`, `"insert"`, `"delete"`, `"swap"`.
        rate: float in (0, 1]. Share of the words that are changed; the number is rounded, one at least.
        source: where replaced and inserted words come from: `Synonyms` or `Predictions`. Not needed for the others.
        seed: int.

    Raises:
        BadInput: an operation is unknown or lacks a source, or the rate is out of range.

    Example:
    ```python
    augment = Augmentation(("swap", "delete"), rate=0.1, seed=3)
    augment("a delight from start to end", number=0)  # the same for the same seed, epoch and number
    ```
    """

    operations: tuple[str, ...] = OPERATIONS
    rate: float = 0.1
    source: Source | Predictions | None = None
    seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "operations", tuple(self.operations))
        unknown = [name for name in self.operations if name not in OPERATIONS]
        if unknown or not self.operations:
            raise BadInput(f"There is no operation {(unknown or [''])[0]!r}; expected some of {', '.join(OPERATIONS)}.")
        if not 0 < self.rate <= 1:
            raise BadInput(f"The rate is {self.rate}; expected a number above 0, up to 1.")
        needing = [name for name in self.operations if name in NEED_WORDS]
        if needing and self.source is None:
            raise BadInput(f"The operation {needing[0]!r} needs words; expected a list of synonyms or a model.")

    def __call__(self, text: str, number: int, epoch: int = 0) -> str:
        """The changed text. Where nothing can be changed (one word, no synonym) it comes back as it is.

        Args:
            text: str.
            number, epoch: int. Which text of the data this is, and in which round: what is drawn depends on the seed
                and on them alone.
        """
        return self.many([text], [number], [epoch])[0]

    def many(self, texts: Sequence[str], numbers: Sequence[int], epochs: Sequence[int]) -> list[str]:
        """As a call for each text, with all the texts in one question to `Predictions`."""
        changed, asked = list(texts), {}
        for place, (text, number, epoch) in enumerate(zip(texts, numbers, epochs)):
            random = Random(int(row_keys(self.seed, epoch, np.array([number]))[0]))
            parts = _parts(text)
            operation = random.choice(self.operations)
            count = max(1, round(self.rate * len(parts)))
            if not parts:
                continue
            if operation not in NEED_WORDS or not isinstance(self.source, Predictions):
                changed[place] = _joined(_CHANGES[operation](parts, count, random, self.source))
            elif MASK not in text:
                hide = _with_hidden if operation == "replace" else _with_holes
                parts, former = hide(parts, count, random)
                if former:
                    asked[place] = _Hidden(parts, former, random)
        if asked:
            predicted = self.source.predict([_joined(hidden.parts) for hidden in asked.values()])
            for (place, hidden), words in zip(asked.items(), predicted, strict=True):
                changed[place] = _joined(_filled(hidden, words))
        return changed


def _parts(text):
    """A text as `[before, word, after]` for each word: marks are part of the letter or sign that they stand on."""
    parts = []
    for before, word, after in _WORD.findall(text):
        if not any(map(str.isalnum, word)):
            # Signs alone, such as an emoji of several characters, are one word.
            before, word = "", before + word
        rest = after if after.isascii() else _without_marks(after)
        parts.append([before, word + after[: len(after) - len(rest)], rest])
    return parts


def _without_marks(text):
    """The text without the combining marks, joiners and variation selectors that it begins with."""
    return "".join(itertools.dropwhile(lambda c: c in _JOINERS or unicodedata.category(c)[0] == "M", text))


class _Hidden(NamedTuple):
    """A text whose `[MASK]`s wait for words; `former` are the words that they hide, None where they hide nothing."""

    parts: list[list[str]]
    former: list[str | None]
    random: Random


def _with_hidden(parts, count, random):
    """Words hidden behind `[MASK]`; the parts, and what the hidden words were, in order."""
    words = [index for index, (_, word, _) in enumerate(parts) if word != MASK and any(map(str.isalnum, word))]
    chosen = sorted(random.sample(words, min(count, len(words))))
    former = [parts[index][1] for index in chosen]
    for index in chosen:
        parts[index][1] = MASK
    return parts, former


def _with_holes(parts, count, random):
    """`[MASK]` put between words, never two side by side; the parts, and None for each."""
    gaps = sorted(random.sample(range(len(parts) + 1), min(count, len(parts) + 1)), reverse=True)
    for index in gaps:
        _put(parts, index, MASK)
    return parts, [None] * len(gaps)


def _filled(hidden, predicted):
    """The parts with each `[MASK]` replaced by a word that was predicted; where there is none, as they were."""
    parts = [list(part) for part in hidden.parts]
    masks = [part for part in parts if part[1] == MASK]
    for number, (part, former) in enumerate(zip(masks, hidden.former)):
        words = predicted[number] if number < len(predicted) else []
        words = [word for word in words if former is None or word.lower() != former.lower()]
        if words:
            word = hidden.random.choice(words)
            part[1] = word if former is None else _cased_like(former, word)
        elif former is None:
            part[:] = ["", "", ""]
        else:
            part[1] = former
    return parts


def _masked(parts, count, random, source):
    return _with_hidden(parts, count, random)[0]


def _replaced(parts, count, random, source):
    words = [word for _, word, _ in parts]
    for index in random.sample(range(len(parts)), len(parts)):
        found = source.for_word(words, index) if count else []
        if found:
            parts[index][1] = words[index] = _cased_like(words[index], random.choice(found))
            count -= 1
    return parts


def _inserted(parts, count, random, source):
    for _ in range(count):
        words = [word for _, word, _ in parts]
        index = random.randint(0, len(parts))
        found = source.for_gap(words, index)
        if not found:
            continue
        _put(parts, index, random.choice(found))
    return parts


def _put(parts, index, word):
    """Puts a word before the part of this number, or at the end."""
    gap = "" if _without_blanks(parts, index) else " "
    if index == len(parts):
        parts[-1][2] += "" if parts[-1][2].endswith(" ") else gap
    parts.insert(index, ["", word, gap])


def _deleted(parts, count, random, source):
    gone = set(random.sample(range(len(parts)), min(count, len(parts) - 1)))
    return [part for index, part in enumerate(parts) if index not in gone]


def _swapped(parts, count, random, source):
    # A word changes places once: a second swap could undo the first.
    places = random.sample(range(len(parts)), min(2 * count, len(parts) // 2 * 2))
    for one, other in zip(places[::2], places[1::2]):
        # Punctuation and blanks stay where they are.
        parts[one][1], parts[other][1] = parts[other][1], parts[one][1]
    return parts


_CHANGES = {"mask": _masked, "replace": _replaced, "insert": _inserted, "delete": _deleted, "swap": _swapped}


def _joined(parts) -> str:
    return "".join(before + word + after for before, word, after in parts).strip()


def _cased_like(word: str, other: str) -> str:
    return other[:1].upper() + other[1:] if word[:1].isupper() else other


def _without_blanks(parts, index) -> bool:
    """Whether the text around a gap is written without blanks."""
    _, word, after = parts[min(index, len(parts) - 1)]
    return not after[-1:].isspace() and re.match(f"[{_IDEOGRAPH}]", word) is not None
