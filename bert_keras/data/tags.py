"""Tag schemes: how a tag per word says where entities begin and end, and each scheme as BIO.

| scheme | first word          | further words   | last word | single word | also called |
|--------|---------------------|-----------------|-----------|-------------|-------------|
| BIO    | B-                  | I-              | I-        | B-          | IOB2        |
| IOB1   | I-, B- after its own type | I-        | I-        | I-          | IOB         |
| IO     | I-                  | I-              | I-        | I-          |             |
| BIOES  | B-                  | I-              | E-        | S-          | IOBES       |
| BILOU  | B-                  | I-              | L-        | U-          |             |
| BMES   | B-                  | M-              | E-        | S-          | BMESO       |

What follows the first dash is the type, dashes and dots included: `creative-work`, `PER.NAM`. A word outside is `O`.

Published BIO data hold a few entities that start with I-. Such an I- is read as the B- that was meant: two annotators'
slips in fifty thousand sentences are no reason to refuse a file.
"""

import functools
from collections.abc import Iterable, Sequence

from bert_keras.errors import BadInput

OUTSIDE = "O"
SCHEMES = ("BIO", "IOB1", "IO", "BIOES", "BILOU", "BMES")
_LETTERS = {"BIO": "BI", "IOB1": "BI", "IO": "I", "BIOES": "BIES", "BILOU": "BILU", "BMES": "BMES"}
_CLOSED = ("BIOES", "BILOU", "BMES")
_AS_BIOES = {"L": "E", "U": "S", "M": "I"}
_AS_BIO = {"S": "B", "E": "I"}

Span = tuple[str, int, int]


def detect_scheme(sequences: Iterable[Sequence[str]]) -> str:
    """The scheme that the tags of a file are written in.

    Tags with B- and I- only are IOB1 where every B- follows a word of its own type (IO where there is no B-), else BIO.
    With letters of other schemes it is the scheme under which most sentences are legal. It never fails: what does not
    fit the scheme is for `first_illegal` to find.

    Args:
        sequences: the tags of each sentence.

    Returns:
        One of `SCHEMES`; "BIO" where all tags are O.
    """
    sequences = [list(tags) for tags in sequences]
    letters = {_parts(tag)[0] for tag in set().union(*sequences) if _parts(tag)} - {OUTSIDE}
    if not letters - set("BI"):
        if "I" not in letters:
            return "BIO"
        if "B" not in letters:
            return "IO"
        return "IOB1" if all(first_illegal(_known(tags), "IOB1") is None for tags in sequences) else "BIO"
    # max takes the first of equals: with one sentence for either, the letters that are there weigh more.
    return max((*_CLOSED, "BIO"), key=lambda scheme: sum(is_legal(tags, scheme, lenient=True) for tags in sequences))


def is_tag(text: str) -> bool:
    """Whether it is a tag of any scheme: O, or a letter, a dash and a type."""
    return _parts(text) is not None


def is_legal(tags: Sequence[str], scheme: str, lenient: bool = False) -> bool:
    """Whether a sentence is tagged as the scheme demands; see `first_illegal`."""
    return tag_problem(tags, scheme, lenient) is None


def first_illegal(tags: Sequence[str], scheme: str, lenient: bool = False) -> int | None:
    """The position from 0 of the first tag that does not fit the scheme; None where all do.

    Args:
        tags: the tags of a sentence.
        scheme: one of `SCHEMES`.
        lenient: whether an I- may begin an entity in BIO.
    """
    problem = tag_problem(tags, scheme, lenient)
    return problem[0] if problem else None


def tag_problem(tags: Sequence[str], scheme: str, lenient: bool = False) -> tuple[int, str] | None:
    """`first_illegal` with what is wrong and the way out: (position from 0, message), or None."""
    letters = _LETTERS[scheme]
    before, before_tag = None, "the start"
    for index, tag in enumerate(tags):
        parts = _parts(tag)
        if parts is None:
            return index, (
                f"{tag!r} is no tag; expected O, or a letter of {', '.join(SCHEMES)} with a dash and a type, such as "
                "B-PER: mend the tag or choose another column"
            )
        letter, kind = parts
        if letter != OUTSIDE and letter not in letters:
            return index, (
                f"{tag!r} does not fit the scheme {scheme} of the other tags; expected O or one of "
                f"{', '.join(one + '-' for one in letters)}: write all tags in one scheme"
            )
        if scheme in _CLOSED:
            letter = _AS_BIOES.get(letter, letter)
            goes_on = letter in "IE"
            wrong = goes_on != (before is not None) or (goes_on and kind != before)
            inside = kind if letter in "BI" else None
        else:
            fresh = kind != before
            wrong = fresh and ((scheme == "BIO" and letter == "I" and not lenient) or (scheme, letter) == ("IOB1", "B"))
            inside = kind
        if wrong:
            return index, f"{tag!r} after {before_tag} is not {scheme}; expected {_expected(scheme, kind, before)}"
        before, before_tag = inside, repr(tag)
    if scheme in _CLOSED and before is not None:
        return len(tags) - 1, (
            f"{tags[-1]!r} at the end is not {scheme}; expected the entity to end with {letters[2]}-{before} (a single "
            f"word is {letters[3]}-{before})"
        )
    return None


def to_bio(tags: Sequence[str], scheme: str) -> list[str]:
    """The same entities as BIO tags.

    In BIO itself an I- that follows no tag of its type becomes B-.

    Args:
        tags: the tags of a sentence.
        scheme: one of `SCHEMES`.

    Raises:
        BadInput: a tag does not fit the scheme; the message names its number from 1.
    """
    problem = tag_problem(tags, scheme, lenient=True)
    if problem:
        raise BadInput(f"tag {problem[0] + 1}: {problem[1]}")
    bio, before = [], None
    for tag in tags:
        letter, kind = _parts(tag)
        if letter == OUTSIDE:
            bio.append(OUTSIDE)
        else:
            letter = _AS_BIOES.get(letter, letter)
            letter = _AS_BIO.get(letter, letter)
            bio.append(f"B-{kind}" if letter == "B" or kind != before else f"I-{kind}")
        before = kind
    return bio


def spans_of(bio_tags: Sequence[str]) -> list[Span]:
    """The entities of BIO tags as (type, begin, end): words from 0, the end exclusive, in order.

    An I- that follows no tag of its type begins an entity, as in `to_bio`.

    Raises:
        BadInput: a tag is no BIO tag.
    """
    spans = []
    for index, tag in enumerate(to_bio(bio_tags, "BIO")):
        if tag[0] == "B":
            spans.append((tag[2:], index, index + 1))
        elif tag[0] == "I":
            kind, begin, _ = spans[-1]
            spans[-1] = (kind, begin, index + 1)
    return spans


def bio_of(spans: Iterable[Span], length: int) -> list[str]:
    """BIO tags for `length` words from (type, begin, end): words from 0, the end exclusive, in any order.

    Raises:
        ValueError: a span is empty, is outside the words, or overlaps another.
    """
    tags = [OUTSIDE] * length
    for kind, begin, end in spans:
        if not 0 <= begin < end <= length:
            raise ValueError(f"The span {kind} [{begin}, {end}) is empty or outside of {length} words.")
        if tags[begin:end] != [OUTSIDE] * (end - begin):
            raise ValueError(f"The span {kind} [{begin}, {end}) overlaps another.")
        tags[begin:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - begin - 1)
    return tags


@functools.lru_cache(maxsize=4096)
def _parts(tag: str) -> tuple[str, str | None] | None:
    if tag == OUTSIDE:
        return OUTSIDE, None
    if isinstance(tag, str) and tag[:1] in set("BIESLUM") and tag[1:2] == "-" and tag[2:].strip():
        return tag[0], tag[2:]
    return None


def _known(tags: Sequence[str]) -> list[str]:
    return [tag if _parts(tag) else OUTSIDE for tag in tags]


def _expected(scheme: str, kind: str | None, before: str | None) -> str:
    letters = _LETTERS[scheme]
    if scheme in _CLOSED and before is not None:
        return f"{letters[1]}-{before} or {letters[2]}-{before}"
    if scheme in _CLOSED:
        return f"B-{kind} or {letters[3]}-{kind}"
    return f"{'I' if scheme == 'IOB1' else 'B'}-{kind}"
