"""SQuAD's JSON as a row of paragraphs. It is one document: it is parsed as a whole, and its paragraphs shared out."""

import dataclasses
import json
import os
from collections.abc import Iterator
from typing import Any

from bert_keras.data.lines import numbered_lines
from bert_keras.data.parts import Part
from bert_keras.errors import BadInput, where


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """One paragraph as the document has it, whatever its form.

    Attributes:
        article: the number of its article, from 1.
        number: its own number in the article, from 1; 0 where the article has no list of paragraphs.
        questions_before: how many questions the paragraphs before it have.
        value: the paragraph; where `number` is 0 the article.
    """

    article: int
    number: int
    questions_before: int
    value: Any


@dataclasses.dataclass(frozen=True)
class ParagraphPart(Part):
    """Some paragraphs of a document."""

    paragraphs: list[Paragraph]


def paragraphs_of(source: str | os.PathLike) -> list[Paragraph]:
    """The paragraphs of a document, or of a part of one.

    Raises:
        BadInput: the file cannot be read, is no JSON, or has no list of articles.
    """
    if isinstance(source, ParagraphPart):
        return source.paragraphs
    path = os.fspath(source)
    data = _load(path)
    if not isinstance(data, dict) or not isinstance(data.get("data"), list):
        raise BadInput(
            f'{path}: this is not SQuAD\'s form; expected {{"data": [{{"paragraphs": [{{"context": "...", "qas": '
            "[...]}]}]}: convert the file, or give one question a line as .jsonl"
        )
    return list(_paragraphs(data["data"]))


def paragraph_parts(path: str | os.PathLike, size: int) -> Iterator[ParagraphPart]:
    """Yields parts of a document with about `size` characters of context, one counted for each of its questions.

    Raises `BadInput`, as `paragraphs_of`.
    """
    path, some, weight = os.fspath(path), [], 0
    for paragraph in paragraphs_of(path):
        some.append(paragraph)
        weight += _weight(paragraph.value)
        if weight >= size:
            yield ParagraphPart(path, some)
            some, weight = [], 0
    if some:
        yield ParagraphPart(path, some)


def list_under(value: Any, key: str) -> list | None:
    """The list under a key; None where `value` is no object, or has none there."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else None


def _paragraphs(articles: list) -> Iterator[Paragraph]:
    questions = 0
    for article_number, article in enumerate(articles, start=1):
        paragraphs = list_under(article, "paragraphs")
        if paragraphs is None:
            yield Paragraph(article_number, 0, questions, article)
            continue
        for number, paragraph in enumerate(paragraphs, start=1):
            yield Paragraph(article_number, number, questions, paragraph)
            questions += len(list_under(paragraph, "qas") or ())


def _weight(paragraph: Any) -> int:
    context = paragraph.get("context") if isinstance(paragraph, dict) else None
    length = len(context) if isinstance(context, str) else 1
    return length * len(list_under(paragraph, "qas") or (1,))


def _load(path: str) -> Any:
    text = "".join(line for _, line in numbered_lines(path))
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(
            f"{where(path, error.lineno)}: no JSON ({error.msg} at character {error.colno}); expected one JSON object, "
            "SQuAD's form: mend the file"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: no JSON ({error}); expected one JSON object, SQuAD's form: mend the file") from error
