"""Extractive question answering in: SQuAD v1.1 and v2.0 JSON (also XQuAD, CMRC 2018), or one question a line as JSON.

Published files hold answers whose `answer_start` does not point at the answer, and answers that the context does not
hold at all. Exact match and F1 need the texts only, a model in training the places too. So the reader keeps every
answer, with its true place or none, and `trainable` drops the questions that have none to learn from:

    records = read_squad("dev.json")                 # to evaluate on
    records = trainable(read_squad("train.json"))    # to train on
"""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from bert_keras.data.cutting import PART_SIZE, cut_at_lines
from bert_keras.data.jsonl import field_of, is_json_lines, json_objects
from bert_keras.data.parts import Part, found_in_whole
from bert_keras.data.records import Records, shorten, text_problem
from bert_keras.data.skipping import RowErrors
from bert_keras.data.squad_document import list_under, paragraph_parts, paragraphs_of
from bert_keras.errors import BadInput, where

ENDING = ".json"
_TARGET = "answers"
# The rows whose id is taken and what has it, among what is found in a file.
_TAKEN = "taken"


@dataclasses.dataclass(frozen=True)
class Answer:
    """One accepted answer.

    Attributes:
        text: the answer, as the file has it.
        begin: the character of the context at which it begins; None where the context does not hold it.
        mended: whether `begin` is another than the file said: the occurrence of the text that is nearest to it.
    """

    text: str
    begin: int | None
    mended: bool = False


@dataclasses.dataclass(frozen=True)
class AnswerCounts:
    """How many answers there are, how many have a mended place, and how many are not in their context."""

    answers: int
    mended: int
    absent: int


def read_squad(path: str | os.PathLike, require_target: bool = True, skip_bad_rows: bool = False) -> Records:
    """Reads questions over contexts.

    Args:
        path: a .json file of SQuAD's form, or .jsonl with {"question", "context"} and, where there are some, "id" and
            "answers": a list of {"text", "answer_start"}, or {"text": [...], "answer_start": [...]}. Also with .gz,
            or a part from `squad_parts`.
        require_target: False (prediction) neither needs nor reads the answers.
        skip_bad_rows: whether questions with a defect are left out and their messages kept in `skipped`.

    Returns:
        `Records` with features "question", "context" and "id" (str each; a line without an id has its row number),
        and as targets a list of `Answer` per question in the order of the file, [] for a question that the context does
        not answer. `rows` are numbers of questions from 1 (.json) or of lines (.jsonl).

    Raises:
        BadInput: the JSON is broken or of another form; a question or context is missing or empty; an id is there
            twice. The message names the file and the article, paragraph and question, or the row.
    """
    source, path = path, os.fspath(path)
    errors = RowErrors(skip_bad_rows)
    if is_json_lines(path):
        questions = _line_questions(source, errors)
    elif path.lower().removesuffix(".gz").endswith(ENDING):
        questions = _article_questions(source, errors)
    else:
        raise BadInput(
            f"{path}: the file ending names no known format; expected .json (SQuAD) or .jsonl (also with .gz): rename "
            "or convert the file"
        )
    features: dict[str, list[str]] = {"question": [], "context": [], "id": []}
    targets, rows, seen = [], [], {}
    taken = dict(found_in_whole(source, _TAKEN) or ())
    for row, question in questions:
        with errors:
            values = {role: question.text(role) for role in ("question", "context")}
            values["id"] = question.identity()
            first = taken.get(row) or seen.get(values["id"])
            if first:
                taken[row] = first
                raise BadInput(
                    f"{question.place('id')}: {values['id']!r} is also the id of {first}; expected an id of its own "
                    "for each question: change one of them"
                )
            answers = question.answers() if require_target else []
            seen[values["id"]] = question.short_name
            for role, value in values.items():
                features[role].append(value)
            targets.append(answers)
            rows.append(row)
    errors.check_rest(source, len(rows), "question")
    targets, of_file = targets if require_target else None, {_TAKEN: sorted(taken.items())}
    return Records(features, targets, rows, path, skipped=tuple(errors.skipped), of_file=of_file)


def squad_parts(path: str | os.PathLike, size: int = PART_SIZE) -> Iterator[Part]:
    """Yields parts of a file with questions, of about `size` bytes, for `read_squad`.

    JSON Lines are cut as they lie; SQuAD's JSON is one document, which is parsed and its paragraphs shared out.

    Raises:
        BadInput: the file cannot be read, or the JSON is broken or of another form.
    """
    return (cut_at_lines if is_json_lines(os.fspath(path)) else paragraph_parts)(path, size)


def can_train(answers: list[Answer]) -> bool:
    """Whether a question can be learnt from: it has no answer, or one that its context holds."""
    return not answers or any(answer.begin is not None for answer in answers)


def trainable(records: Records) -> Records:
    """The questions that can be learnt from; what was wrong with each of the others is added to `skipped`.

    An `Answer` without a place stays beside those that have one: use `answer.begin is not None`.

    Raises:
        BadInput: the records have no answers, or none of them can be learnt from.
    """
    if records.targets is None:
        raise BadInput(f"{records.source}: the questions have no answers; expected 'answers' to learn from: add them")
    keep, skipped = [], []
    for index, answers in enumerate(records.targets):
        if can_train(answers):
            keep.append(index)
        else:
            skipped.append(
                f"{records.place(index, _TARGET)} (id {records.features['id'][index]!r}): the context does not hold "
                f"{shorten(answers[0].text)}; expected an answer that the context holds word by word: mend it"
            )
    if not keep:
        raise BadInput(f"{records.source}: no question can be learnt from; the first: {skipped[0]}")
    return records.pick(keep, (*records.skipped, *skipped))


def count_answers(records: Records) -> AnswerCounts:
    """What had to be done to the answers of `read_squad`."""
    answers = [answer for answers in records.targets or () for answer in answers]
    absent = sum(answer.begin is None for answer in answers)
    return AnswerCounts(len(answers), sum(answer.mended for answer in answers), absent)


def locate(text: str, context: str, begin: int) -> Answer:
    """The answer at its place: `begin` if it stands there, else the occurrence nearest to it, the earlier of two."""
    if begin >= 0 and context.startswith(text, begin):
        return Answer(text, begin)
    found = _nearest(text, context, begin)
    return Answer(text, found, mended=found is not None)


def _nearest(text: str, context: str, begin: int) -> int | None:
    # An occurrence may overlap the wanted place, so both searches start on it.
    before = context.rfind(text, 0, max(begin, 0) + len(text))
    after = context.find(text, max(begin, 0))
    found = [place for place in (before, after) if place >= 0]
    return min(found, key=lambda place: abs(place - begin), default=None)


@dataclasses.dataclass(frozen=True)
class _Question:
    """A question as the file has it; every method raises `BadInput` that says where the file is wrong."""

    record: Any
    context: Any
    source: str
    short_name: str
    default_id: str | None = None

    def place(self, field: str) -> str:
        return f"{self.source}, field {field!r}"

    def text(self, role: str) -> str:
        value = self.context if role == "context" else self._field(role)
        problem = text_problem(value)
        if problem:
            raise BadInput(f"{self.place(role)}: {problem}")
        return value

    def identity(self) -> str:
        if self.default_id is not None and self.record.get("id") is None:
            return self.default_id
        value = self._field("id")
        if type(value) is int or (isinstance(value, str) and not text_problem(value)):
            return str(value)
        raise BadInput(f"{self.place('id')}: {shorten(value)}; expected a text or a whole number: mend the id")

    def answers(self) -> list[Answer]:
        impossible = self.record.get("is_impossible")
        if impossible is not None and not isinstance(impossible, bool):
            raise BadInput(f"{self.place('is_impossible')}: {shorten(impossible)}; expected true or false")
        if impossible:
            return []
        given = self._as_list(self._field(_TARGET))
        if not given and impossible is False:
            raise BadInput(
                f"{self.place(_TARGET)}: there is none, and 'is_impossible' is false; expected at least one answer, or "
                '"is_impossible": true'
            )
        return [self._answer(answer, number) for number, answer in enumerate(given, start=1)]

    def _as_list(self, given: Any) -> list:
        if isinstance(given, dict):
            texts, begins = given.get("text"), given.get("answer_start")
            if not isinstance(texts, list) or not isinstance(begins, list) or len(texts) != len(begins):
                raise BadInput(
                    f"{self.place(_TARGET)}: {shorten(given)}; expected lists 'text' and 'answer_start' of one length"
                )
            return [{"text": text, "answer_start": begin} for text, begin in zip(texts, begins)]
        if not isinstance(given, list):
            raise BadInput(
                f"{self.place(_TARGET)}: {shorten(given)} is no list; expected a list of "
                '{"text": "...", "answer_start": number}, [] where the context has no answer'
            )
        return given

    def _answer(self, answer: Any, number: int) -> Answer:
        place = f"{self.place(_TARGET)}, answer {number}"
        if not isinstance(answer, dict) or "text" not in answer or "answer_start" not in answer:
            raise BadInput(f'{place}: {shorten(answer)}; expected {{"text": "...", "answer_start": number}}')
        problem = text_problem(answer["text"])
        if problem:
            raise BadInput(f"{place}: {problem}; a question that the context does not answer has no answers: []")
        if type(answer["answer_start"]) is not int:
            raise BadInput(
                f"{place}: 'answer_start' is {shorten(answer['answer_start'])}; expected a whole number, the character "
                "of the context at which the answer begins"
            )
        return locate(answer["text"], self.context, answer["answer_start"])

    def _field(self, key: str) -> Any:
        if key not in self.record:
            raise BadInput(f"{self.place(key)}: the field is missing; expected it in every question: add it")
        return self.record[key]


# === JSON Lines ===


def _line_questions(source: str | os.PathLike, errors: RowErrors) -> Iterator[tuple[int, _Question]]:
    path = os.fspath(source)
    for row, record in json_objects(source, errors):
        question = None
        with errors:
            context = field_of(record, "context", path, row)
            question = _Question(record, context, where(path, row), f"row {row}", default_id=str(row))
        if question is not None:
            yield row, question


# === SQuAD ===


def _article_questions(source: str | os.PathLike, errors: RowErrors) -> Iterator[tuple[int, _Question]]:
    path = os.fspath(source)
    for paragraph in paragraphs_of(source):
        place = f"{path}, article {paragraph.article}"
        if not paragraph.number:
            _list_in(paragraph.value, "paragraphs", place, errors)
            continue
        place, before = f"{place}, paragraph {paragraph.number}", paragraph.questions_before
        for number, record in enumerate(_list_in(paragraph.value, "qas", place, errors), start=1):
            question = None
            with errors:
                question = _question(record, paragraph.value, f"{place}, question {number}", before + number)
            if question is not None:
                yield before + number, question


def _question(record: Any, paragraph: dict, place: str, row: int) -> _Question:
    if not isinstance(record, dict):
        raise BadInput(f"{place}: {shorten(record)} is no object; expected one with 'id', 'question' and 'answers'")
    if "context" not in paragraph:
        raise BadInput(f"{place}, field 'context': the field is missing; expected it in every paragraph: add it")
    identity = f" (id {shorten(record['id'])})" if "id" in record else ""
    return _Question(record, paragraph["context"], place + identity, f"question {row}")


def _list_in(value: Any, key: str, place: str, errors: RowErrors) -> list:
    found = list_under(value, key)
    with errors:
        if found is None:
            given = value.get(key) if isinstance(value, dict) else None
            raise BadInput(f"{place}, field {key!r}: {shorten(given)} is no list; expected a list of objects: mend it")
    return found or []
