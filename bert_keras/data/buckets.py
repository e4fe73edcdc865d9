"""Names for groups of records by which an evaluation is broken down: how long a text is, what a question asks for."""

import bisect
import re

OTHER = "other"
# A question belongs to the first of these that it holds; "how many" asks for something else than "how".
_ENGLISH = ("what", "which", "who", "whom", "whose", "when", "where", "why", "how many", "how much", "how")
_CHINESE = ("为什么", "什么", "谁", "哪", "多少", "几", "怎", "何")
QUESTION_WORDS = (*_ENGLISH, *_CHINESE, OTHER)
_QUESTION_WORD = re.compile(rf"\b(?:how\s+many|how\s+much|{'|'.join(_ENGLISH)})\b|{'|'.join(_CHINESE)}")


def question_word(question: str) -> str:
    """The question word of an English or Chinese question, one of `QUESTION_WORDS`."""
    found = _QUESTION_WORD.search(question.lower())
    return " ".join(found[0].split()) if found else OTHER


def bucket_names(bounds: tuple[int, ...]) -> tuple[str, ...]:
    """The names of the groups that bounds make: (10, 20) -> ("0-10", "11-20", "21+")."""
    first = [0, *(bound + 1 for bound in bounds)]
    return (*(f"{begin}-{end}" for begin, end in zip(first, bounds)), f"{first[-1]}+")


def bucket(number: int, bounds: tuple[int, ...]) -> str:
    """The name of the group that a number falls into."""
    return bucket_names(bounds)[bisect.bisect_left(bounds, number)]
