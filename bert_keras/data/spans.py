"""Labelled spans of characters, as JSON holds them."""

import itertools
from typing import Any

from bert_keras.data.records import shorten
from bert_keras.errors import BadInput

CharSpan = tuple[int, int, str]


def check_spans(spans: Any, text: str, place: str) -> list[CharSpan]:
    """The spans of a text, sorted.

    Args:
        spans: a list of {"begin" or "start", "end", "label" or "type"} or [begin, end, label].
        text: the text.
        place: where the spans stand, for messages.

    Returns:
        A list of (begin, end, label): characters from 0, the end exclusive.

    Raises:
        BadInput: a span has another form, is empty, is outside the text, or overlaps another.
    """
    if not isinstance(spans, list):
        raise BadInput(f"{place}: {shorten(spans)} is no list; expected a list of spans, [] where there is none")
    read = [(*_check_span(span, text, f"{place}, span {number}"), number) for number, span in enumerate(spans, start=1)]
    read.sort(key=lambda span: span[:2])
    for (begin, end, _, one), (begin_next, end_next, _, other) in itertools.pairwise(read):
        if begin_next < end:
            raise BadInput(
                f"{place}: span {one} [{begin}, {end}) and span {other} [{begin_next}, {end_next}) overlap; expected "
                "spans apart from each other: keep one of them"
            )
    return [span[:3] for span in read]


def _check_span(span: Any, text: str, place: str) -> CharSpan:
    if isinstance(span, dict):
        begin, end = (span.get(key, span.get(other)) for key, other in (("begin", "start"), ("end", "end")))
        label = span.get("label", span.get("type"))
    elif isinstance(span, list) and len(span) == 3:
        begin, end, label = span
    else:
        begin = end = label = None
    if type(begin) is not int or type(end) is not int or not isinstance(label, str) or not label.strip():
        raise BadInput(
            f'{place}: {shorten(span, 80)}; expected {{"begin": number, "end": number, "label": "name"}} or '
            "[begin, end, label]"
        )
    if not 0 <= begin <= len(text) or not 0 <= end <= len(text):
        raise BadInput(
            f"{place}: [{begin}, {end}) is outside of the text, which has {len(text)} characters; expected offsets in "
            "characters (not bytes) from 0, the end exclusive"
        )
    if begin >= end:
        raise BadInput(f"{place}: [{begin}, {end}) is empty; expected an end after the begin (the end is exclusive)")
    return begin, end, label
