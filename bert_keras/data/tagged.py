"""Tagged text in: words with a tag each, or text with labelled spans of characters.

| ending (also with .gz)                   | record                                                          |
|------------------------------------------|-----------------------------------------------------------------|
| .conll .iob .iob2 .bio .tsv .txt .conllu | one token a line: `conll.read_conll`                            |
| .jsonl .ndjson                           | {"tokens": ["a", "word"], "tags": ["O", "B-X"]}                 |
| .jsonl .ndjson                           | {"text": "a word", "spans": [{"begin": 2, "end": 6, "label": "X"}]} |
| .txt, for prediction only                | one raw text a line, where the first lines end in no tag        |
"""

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bert_keras.data import columns as choosing
from bert_keras.data import tags as schemes
from bert_keras.data.conll import read_conll
from bert_keras.data.cutting import PART_SIZE, cut_at_blank_lines, cut_at_lines
from bert_keras.data.jsonl import check_tokens, field_of, first_object, is_json_lines, json_objects
from bert_keras.data.lines import numbered_lines
from bert_keras.data.parts import FilePart, found_in_whole
from bert_keras.data.records import Records, shorten, text_problem
from bert_keras.data.skipping import RowErrors
from bert_keras.data.spans import check_spans
from bert_keras.errors import BadInput, nearest, where

CONLL_ENDINGS = (".conll", ".iob", ".iob2", ".bio", ".tsv", ".txt", ".conllu")
ROLES = ("tokens", "tags", "text", "spans")
ALIASES = {
    "tokens": ("words",),
    "tags": ("ner_tags", "labels"),
    "text": ("sentence",),
    "spans": ("entities", "labels", "label"),
}
_LOOK_AT = 50
# What the tags of a whole file are written in, among what is found in a file.
SCHEME = "scheme"


@dataclasses.dataclass(frozen=True)
class TaggedRecords(Records):
    """Records with BIO tags.

    Attributes:
        scheme: the scheme of the file's own tags, one of `tags.SCHEMES`.
        repaired: how many tags of a BIO file began an entity with I- and were made B-.
        first_repaired: where the first of them stands, in words.
    """

    scheme: str = "BIO"
    repaired: int = 0
    first_repaired: str = ""


def read_tagged(
    path: str | os.PathLike,
    columns: Mapping[str, str | int | None] | None = None,
    separator: str | None = None,
    require_target: bool = True,
    skip_bad_rows: bool = False,
) -> TaggedRecords:
    """Reads sentences for token classification.

    Args:
        path: a file of one of the forms above, or a part of one from `tagged_parts`.
        columns: role (tokens, tags; text, spans) -> key of a JSON object, or number of a CoNLL column (from 1, from -1
            at the end), where it is not the usual one.
        separator: what parts CoNLL columns; None = tabs, else blanks.
        require_target: False (prediction) neither needs nor reads tags and spans.
        skip_bad_rows: whether sentences with a defect are left out and their messages kept in `skipped`.

    Returns:
        `TaggedRecords`. With words: features {"tokens": a list of str per record}, targets a list of BIO tags per
        record, whatever the scheme of the file. With text: features {"text": a str per record}, targets a sorted list
        of (begin, end, label) per record, characters with the end exclusive. `rows` is the line of the first token.

    Raises:
        BadInput: with the file, row and field.
    """
    source, path, columns = path, os.fspath(path), _chosen(columns)
    if is_json_lines(path):
        return _read_objects(source, columns, require_target, skip_bad_rows)
    name = path.lower().removesuffix(".gz")
    if not name.endswith(CONLL_ENDINGS):
        raise BadInput(
            f"{path}: the file ending names no known format; expected {', '.join(CONLL_ENDINGS)} or .jsonl (also with "
            ".gz): rename or convert the file"
        )
    if name.endswith(".txt") and not require_target and not columns and not _ends_in_tags(path, separator):
        return _read_texts(source, skip_bad_rows)
    return _read_conll(source, columns, separator, require_target, skip_bad_rows)


def tagged_parts(path: str | os.PathLike, size: int = PART_SIZE) -> Iterator[FilePart]:
    """Yields parts of a file with tags or spans, of about `size` bytes, for `read_tagged` with targets.

    Raises `BadInput`: the file cannot be read.
    """
    return (cut_at_lines if is_json_lines(os.fspath(path)) else cut_at_blank_lines)(path, size)


def as_bio(
    sequences: Sequence[Sequence[str]],
    place: Callable[[int, int], str],
    errors: RowErrors,
    scheme: str | None = None,
) -> tuple[list[list[str] | None], dict[str, Any]]:
    """Tags of any scheme as BIO.

    Args:
        sequences: the tags of each sentence, all of one file or of a part of it.
        place: (sentence, word), both from 0, -> where that tag stands, in words.
        errors: takes the sentences with a tag that does not fit.
        scheme: the scheme of the whole file, which a part need not show; None = the one that the tags show.

    Returns:
        BIO tags of each sentence, None for one that was left out; and what `TaggedRecords` says of them: `scheme`,
        `repaired`, `first_repaired` and `of_file`.
    """
    scheme = scheme or schemes.detect_scheme(sequences)
    out, repaired, first = [], 0, ""
    for index, tags in enumerate(sequences):
        bio = None
        with errors:
            problem = schemes.tag_problem(tags, scheme, lenient=True)
            if problem:
                raise BadInput(f"{place(index, problem[0])}: {problem[1]}")
            bio = schemes.to_bio(tags, scheme)
            changed = (
                [word for word, pair in enumerate(zip(bio, tags)) if pair[0] != pair[1]] if scheme == "BIO" else []
            )
            if changed and not repaired:
                first = place(index, changed[0])
            repaired += len(changed)
        out.append(bio)
    found = {"scheme": scheme, "repaired": repaired, "first_repaired": first, "of_file": {SCHEME: scheme}}
    return out, found


def check_tags(tags: Any, tokens: Sequence[str], place: str) -> list[str]:
    """The value, if it is a list of one tag per token.

    Raises:
        BadInput: it is no list, holds more or fewer tags than tokens, or a tag is no text.
    """
    if not isinstance(tags, list):
        raise BadInput(f"{place}: {shorten(tags)} is no list; expected a list of tags, one per token")
    if len(tags) != len(tokens):
        raise BadInput(f"{place}: {len(tags)} tags for {len(tokens)} tokens; expected one tag per token: mend the row")
    for number, tag in enumerate(tags, start=1):
        if not isinstance(tag, str):
            raise BadInput(
                f"{place}, tag {number}: {shorten(tag)} is no text; expected the name of a tag, such as B-PER"
            )
    return tags


def _chosen(columns) -> dict[str, str | int]:
    chosen = {role: choice for role, choice in (columns or {}).items() if choice is not None}
    for role in chosen:
        if role not in ROLES:
            raise BadInput(
                f"there is no column role {role!r}{nearest(role, ROLES)}; expected one of {', '.join(ROLES)}: write "
                "ROLE=NAME with one of these roles"
            )
    return chosen


# === CoNLL ===


def _read_conll(source, columns, separator, require_target, skip_bad_rows) -> TaggedRecords:
    path = os.fspath(source)
    tag_column = _number("tags", columns, -1, path) if require_target else None
    token_column = _number("tokens", columns, 1, path)
    file = read_conll(source, token_column, tag_column, separator, skip_bad_rows)
    fields = {"tokens": file.token_field}
    if not require_target:
        rows = [sentence.row for sentence in file.sentences]
        tokens = [sentence.tokens for sentence in file.sentences]
        return TaggedRecords({"tokens": tokens}, None, rows, path, fields, file.skipped)
    errors = RowErrors(skip_bad_rows)
    errors.skipped.extend(file.skipped)
    rows = [(sentence.row, sentence.tokens, sentence.tags) for sentence in file.sentences]
    fields["tags"] = file.tag_field
    return _word_records(source, rows, fields, errors, lambda row, word: where(path, row + word, file.tag_field))


def _number(role, columns, usual, path) -> int:
    choice = columns.get(role, usual)
    try:
        return int(choice)
    except ValueError:
        raise BadInput(
            f"{path}: column {choice!r} for {role!r} is a name, and CoNLL columns have none; expected a number from 1, "
            "or from -1 counted from the end"
        ) from None


def _word_records(source, rows, fields, errors, place) -> TaggedRecords:
    """Records of (row, tokens, tags); `place` takes a row and the number of a word."""
    scheme = found_in_whole(source, SCHEME)
    bio, found = as_bio([tags for _, _, tags in rows], lambda i, word: place(rows[i][0], word), errors, scheme)
    kept = [(row, tokens, tags) for (row, tokens, _), tags in zip(rows, bio) if tags is not None]
    errors.check_rest(source, len(kept), "sentence")
    numbers, tokens, targets = _turned(kept)
    skipped = tuple(errors.skipped)
    return TaggedRecords({"tokens": tokens}, targets, numbers, os.fspath(source), fields, skipped, **found)


def _turned(rows) -> tuple[list, list, list]:
    return tuple([row[column] for row in rows] for column in range(3))


# === Raw text ===


def _ends_in_tags(path: str, separator: str | None) -> bool:
    lines = (line.rstrip("\r\n") for _, line in numbered_lines(path))
    lines = [line for line in itertools.islice(lines, _LOOK_AT) if line.strip() and not line.startswith("-DOCSTART-")]
    if separator is None:
        lines, separator = [line.strip(" ").replace("\t", " ") for line in lines], " "
    split = [line.rpartition(separator) for line in lines]
    return bool(split) and all(before and schemes.is_tag(tag) for before, _, tag in split)


def _read_texts(source, skip_bad_rows) -> TaggedRecords:
    path, errors = os.fspath(source), RowErrors(skip_bad_rows)
    rows, texts, blank = [], [], None
    for row, line in numbered_lines(source):
        text = line.rstrip("\r\n")
        if not text:
            blank = blank or row
            continue
        # A blank line is an empty text, save at the end of the file.
        for number, value in ((blank, ""), (row, text)):
            problem = number and text_problem(value)
            with errors:
                if problem:
                    raise BadInput(f"{where(path, number)}: {problem}")
        blank = None
        if not problem:
            rows.append(row)
            texts.append(text)
    errors.check_rest(source, len(rows), "text")
    return TaggedRecords({"text": texts}, None, rows, path, skipped=tuple(errors.skipped))


# === JSON Lines ===


def _read_objects(source, columns, require_target, skip_bad_rows) -> TaggedRecords:
    path, errors = os.fspath(source), RowErrors(skip_bad_rows)
    _, first = first_object(source, skip_bad_rows, "record")
    feature, target = _roles(first, columns)
    positions = choosing.choose(
        list(first),
        {role: columns.get(role) for role in ((feature, target) if require_target else (feature,))},
        ALIASES,
        (feature, target) if require_target else (feature,),
        path,
    )
    keys = {role: list(first)[position] for role, position in positions.items()}
    read = _words_and_tags if feature == "tokens" else _text_and_spans
    rows = []
    for row, record in json_objects(source, errors):
        with errors:
            rows.append((row, *read(record, keys, path, row)))
    if require_target and feature == "tokens":
        place = _place_of_tag(path, keys["tags"])
        errors.check_rest(source, len(rows), "record")
        return _word_records(source, rows, keys, errors, place)
    errors.check_rest(source, len(rows), "record")
    numbers, values, targets = _turned(rows)
    skipped = tuple(errors.skipped)
    return TaggedRecords({feature: values}, targets if require_target else None, numbers, path, keys, skipped)


def _roles(record: dict, columns) -> tuple[str, str]:
    if "tokens" in columns or "tags" in columns:
        return "tokens", "tags"
    if "text" in columns or "spans" in columns:
        return "text", "spans"
    names = {name.strip().casefold() for name in record}
    is_text = names.isdisjoint(_names("tokens")) and not names.isdisjoint(_names("text"))
    return ("text", "spans") if is_text else ("tokens", "tags")


def _names(role: str) -> tuple[str, ...]:
    return role, *ALIASES[role]


def _place_of_tag(path, key):
    return lambda row, word: f"{where(path, row, key)}, tag {word + 1}"


def _words_and_tags(record, keys, path, row):
    tokens = check_tokens(field_of(record, keys["tokens"], path, row), where(path, row, keys["tokens"]))
    if "tags" not in keys:
        return tokens, None
    return tokens, check_tags(field_of(record, keys["tags"], path, row), tokens, where(path, row, keys["tags"]))


def _text_and_spans(record, keys, path, row):
    text = field_of(record, keys["text"], path, row)
    problem = text_problem(text)
    if problem:
        raise BadInput(f"{where(path, row, keys['text'])}: {problem}")
    if "spans" not in keys:
        return text, None
    return text, check_spans(field_of(record, keys["spans"], path, row), text, where(path, row, keys["spans"]))
