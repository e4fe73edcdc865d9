"""More training texts out of those there are: words replaced, inserted, deleted and swapped, labels kept.

The four operations are those of Wei and Zou 2019 ("EDA"); replacements may come from a list of synonyms or from a
masked language model's predictions (Wu et al. 2019). They suit tasks that label whole texts: labels of single words
would not fit any more. A text keeps its label because few words change; that no change turns its meaning ("not"
deleted) is not checked.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Protocol

import numpy as np

from bert_keras.characters import IDEOGRAPHS
from bert_keras.data.counter_random import row_keys
from bert_keras.data.lines import numbered_lines
from bert_keras.errors import BadInput, where

OPERATIONS = ("replace", "insert", "delete", "swap")
_IDEOGRAPH = "".join(f"{chr(first)}-{chr(last)}" for first, last in IDEOGRAPHS)
# A word with the punctuation around it and the blanks after it.
_WORD = re.compile(rf"([^\w\s]*)([{_IDEOGRAPH}]|[^\s{_IDEOGRAPH}]*[^\W{_IDEOGRAPH}]|[^\s]+?)([^\w\s]*\s*)")


class Source(Protocol):
    """Where other words come from."""

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
    """Words that a masked language model predicts.

    Args:
        predict: function of (words, index), in which `words[index]` is None; gives the words that it expects there.
    """

    def __init__(self, predict: Callable[[list[str | None], int], list[str]]):
        self._predict = predict

    def for_word(self, words, index):
        hidden = [*words[:index], None, *words[index + 1 :]]
        return [word for word in self._predict(hidden, index) if word.lower() != words[index].lower()]

    def for_gap(self, words, index):
        return self._predict([*words[:index], None, *words[index:]], index)


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Changes a text by one of the operations, drawn anew for each text.

    Args:
        operations: some of `"replace"`, `"insert"`, `"delete"`, `"swap"`.
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
    source: Source | None = None
    seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "operations", tuple(self.operations))
        unknown = [name for name in self.operations if name not in OPERATIONS]
        if unknown or not self.operations:
            raise BadInput(f"There is no operation {(unknown or [''])[0]!r}; expected some of {', '.join(OPERATIONS)}.")
        if not 0 < self.rate <= 1:
            raise BadInput(f"The rate is {self.rate}; expected a number above 0, up to 1.")
        needing = [name for name in self.operations if name in ("replace", "insert")]
        if needing and self.source is None:
            raise BadInput(f"The operation {needing[0]!r} needs words; expected a list of synonyms or a model.")

    def __call__(self, text: str, number: int, epoch: int = 0) -> str:
        """The changed text. Where nothing can be changed (one word, no synonym) it comes back as it is.

        Args:
            text: str.
            number, epoch: int. Which text of the data this is, and in which round: what is drawn depends on the seed
                and on them alone.
        """
        random = Random(int(row_keys(self.seed, epoch, np.array([number]))[0]))
        parts = _WORD.findall(text)
        change = _CHANGES[random.choice(self.operations)]
        count = max(1, round(self.rate * len(parts)))
        return _joined(change([list(part) for part in parts], count, random, self.source)) if parts else text


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
        gap = "" if _without_blanks(parts, index) else " "
        if index == len(parts):
            parts[-1][2] += "" if parts[-1][2].endswith(" ") else gap
        parts.insert(index, ["", random.choice(found), gap])
    return parts


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


_CHANGES = {"replace": _replaced, "insert": _inserted, "delete": _deleted, "swap": _swapped}


def _joined(parts) -> str:
    return "".join(before + word + after for before, word, after in parts).strip()


def _cased_like(word: str, other: str) -> str:
    return other[:1].upper() + other[1:] if word[:1].isupper() else other


def _without_blanks(parts, index) -> bool:
    """Whether the text around a gap is written without blanks."""
    _, word, after = parts[min(index, len(parts) - 1)]
    return not after[-1:].isspace() and re.match(f"[{_IDEOGRAPH}]", word) is not None
