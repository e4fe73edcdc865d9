"""Words in text that is written without blanks: by a list of words, or by whatever library the user has."""

import hashlib
import importlib
import os
from collections.abc import Callable, Iterable

from bert_keras.data.lines import numbered_lines
from bert_keras.errors import BadInput

# Cuts a text into words: put together, but for blanks, they are the text.
Segmenter = Callable[[str], Iterable[str]]


def load_segmenter(named: str) -> Segmenter:
    """A segmenter by what the user wrote.

    Args:
        named: path of a list of words, one a line (what follows a blank, such as a count, is ignored), or
            `module:function`, for example `jieba:lcut`.

    Raises:
        BadInput: there is no such file, module or function, or the list is empty.
    """
    module, colon, function = named.partition(":")
    if not colon or os.path.exists(named):
        return LongestMatch(words_of_file(named))
    try:
        found = getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise BadInput(f"The segmenter {named}: {error}; expected an installed module, or a list of words.") from error
    except AttributeError as error:
        raise BadInput(f"The segmenter {named}: {error}; expected a function of that module.") from error
    return found


def words_of_file(path: str) -> list[str]:
    """The words of a list, one a line. Raises `BadInput`."""
    words = [parts[0] for _, line in numbered_lines(path) if (parts := line.split())]
    if not words:
        raise BadInput(f"{path}: the list holds no word; expected one a line")
    return words


def words_sha256(named: str | None) -> str:
    """What tells one list of words from another; "" for none, and for a function. Raises `BadInput`."""
    if named is None or not os.path.exists(named):
        return ""
    return hashlib.sha256("\n".join(words_of_file(named)).encode()).hexdigest()


class LongestMatch:
    """Cuts a text from left to right into the longest words of a list; what is in no word is cut into characters.

    LongestMatch(["北京", "大学", "北京大学"])("我在北京大学")  # ["我", "在", "北京大学"]
    """

    def __init__(self, words: Iterable[str]):
        self._words = {word for word in words if len(word) > 1}
        # How long words are that begin with a character, the longest first.
        lengths: dict[str, set[int]] = {}
        for word in self._words:
            lengths.setdefault(word[0], set()).add(len(word))
        self._lengths = {first: sorted(of_first, reverse=True) for first, of_first in lengths.items()}

    def __call__(self, text: str) -> list[str]:
        found, at = [], 0
        while at < len(text):
            end = at + 1
            for length in self._lengths.get(text[at], ()):
                if text[at : at + length] in self._words:
                    end = at + length
                    break
            found.append(text[at:end])
            at = end
        return found
