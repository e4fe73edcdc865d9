"""Utterances with an intent and slots in: the three-file form of ATIS and SNIPS, or one JSON object a line.

| path                | record                                                                                  |
|---------------------|-----------------------------------------------------------------------------------------|
| a directory         | line n of `seq.in` (words), `seq.out` (a slot tag per word), `label` (the intent)       |
| .jsonl .ndjson      | {"tokens": [...] or "text": "words", "slots": [...], "intent": "name" or ["a", "b"]}    |
| .txt, to predict on | one utterance a line                                                                    |

Words are parted by blanks. An intent `a#b` stands for two.
"""

import dataclasses
import os
import re
from collections.abc import Iterator
from typing import Any

from bert_keras.data import columns as choosing
from bert_keras.data.cutting import PART_SIZE, cut_at_lines, cut_at_rows
from bert_keras.data.jsonl import check_tokens, field_of, first_object, is_json_lines, json_objects, keys_of
from bert_keras.data.lines import numbered_lines
from bert_keras.data.parts import FilePart, Part, found_in_whole
from bert_keras.data.records import shorten, text_problem
from bert_keras.data.skipping import RowErrors
from bert_keras.data.tagged import SCHEME, TaggedRecords, as_bio, check_tags
from bert_keras.errors import BadInput, where

WORDS, SLOTS, INTENT = "seq.in", "seq.out", "label"
ALIASES = {
    "tokens": ("words",),
    "text": ("utterance", "query"),
    "slots": ("slot_tags", "tags", "labels"),
    "intent": ("intents", "label"),
}
_BLANK_RUN = re.compile("[ \t]+")


def read_intents(path: str | os.PathLike, require_target: bool = True, skip_bad_rows: bool = False) -> TaggedRecords:
    """Reads utterances for joint intent classification and slot filling.

    Args:
        path: a directory or file of one of the forms above, or a part of one from `intent_parts`.
        require_target: False (prediction) neither needs nor reads slots and intents.
        skip_bad_rows: whether utterances with a defect are left out and their messages kept in `skipped`.

    Returns:
        `TaggedRecords` with features {"tokens": a list of str per record} and as target per record (intents, slots): a
        tuple of intent names in the order of the file, and a list of BIO tags, one per token.

    Raises:
        BadInput: the files differ in their number of lines, a line has more or fewer slots than words, an utterance or
            an intent is empty, or a slot is no tag; the message names file and row.
    """
    source, path, errors = path, os.fspath(path), RowErrors(skip_bad_rows)
    if os.path.isdir(path):
        return _read_directory(source, require_target, errors)
    if is_json_lines(path):
        return _read_objects(source, require_target, errors)
    if path.lower().removesuffix(".gz").endswith((".txt", WORDS)) and not require_target:
        rows = _utterances(source, errors)
        return _records(source, [(row, words, None, None) for row, words in rows], {}, errors, None)
    if not os.path.exists(path):
        raise BadInput(f"{path}: there is no such file or directory; expected data: check the path")
    raise BadInput(
        f"{path}: no known form of utterances with intents; expected a directory with {WORDS}, {SLOTS} and {INTENT}, "
        "or a .jsonl file: convert the file"
    )


@dataclasses.dataclass(frozen=True)
class DirectoryPart(Part):
    """The same lines of the three files: part of each by its name."""

    files: dict[str, FilePart]


def intent_parts(path: str | os.PathLike, size: int = PART_SIZE) -> Iterator[FilePart | DirectoryPart]:
    """Yields parts of utterances with intents, of about `size` bytes, for `read_intents`. Raises `BadInput`."""
    path = os.fspath(path)
    if not os.path.isdir(path):
        yield from cut_at_lines(path, size)
        return
    names = _files(path)
    lines = _check_lengths(names)
    at_once = max(1, size * lines // max(1, os.path.getsize(names[WORDS])))
    for parts in zip(*(cut_at_rows(name, at_once) for name in names.values())):
        yield DirectoryPart(path, dict(zip(names, parts)))


def _records(source, rows, fields, errors, place) -> TaggedRecords:
    """Records of (row, tokens, slot tags, intents); `place` takes the number of a record and of a word."""
    path = os.fspath(source)
    errors.check_rest(source, len(rows), "utterance")
    numbers, tokens = [row for row, *_ in rows], [words for _, words, *_ in rows]
    if place is None:
        return TaggedRecords({"tokens": tokens}, None, numbers, path, fields, tuple(errors.skipped))
    bio, found = as_bio([tags for _, _, tags, _ in rows], place, errors, found_in_whole(source, SCHEME))
    kept = [index for index, tags in enumerate(bio) if tags is not None]
    errors.check_rest(source, len(kept), "utterance")
    features = {"tokens": [tokens[index] for index in kept]}
    targets = [(rows[index][3], bio[index]) for index in kept]
    numbers = [numbers[index] for index in kept]
    return TaggedRecords(features, targets, numbers, path, fields, tuple(errors.skipped), **found)


def _split_intents(value: Any, place: str) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names) or not names:
        raise BadInput(f"{place}: {shorten(value)}; expected the name of an intent, or a list of names")
    names = [part.strip() for name in names for part in name.split("#")]
    if not all(names):
        raise BadInput(
            f"{place}: {shorten(value)} has an empty name; expected an intent, or several as a#b: fill it in"
        )
    return tuple(dict.fromkeys(names))


# === Three files ===


def _files(directory: str) -> dict[str, str]:
    return {name: os.path.join(directory, name) for name in (WORDS, SLOTS, INTENT)}


def _read_directory(source: str | os.PathLike, require_target: bool, errors: RowErrors) -> TaggedRecords:
    names = _files(os.fspath(source))
    files = source.files if isinstance(source, DirectoryPart) else names
    if not require_target:
        rows = [(row, words, None, None) for row, words in _utterances(files[WORDS], errors)]
        return _records(source, rows, {"tokens": WORDS}, errors, None)
    if files is names:
        _check_lengths(names)
    rows = []
    for lines in zip(*map(numbered_lines, files.values())):
        row = lines[0][0]
        with errors:
            words, tags, intent = (line.strip(" \t\r\n") for _, line in lines)
            if not words:
                raise BadInput(f"{where(names[WORDS], row)}: {_EMPTY}")
            words, tags = _BLANK_RUN.split(words), _BLANK_RUN.split(tags) if tags else []
            if len(tags) != len(words):
                raise BadInput(
                    f"{where(names[SLOTS], row)}: {len(tags)} slot tags for {len(words)} words in {WORDS}; expected "
                    "one tag per word: mend the row"
                )
            rows.append((row, words, tags, _split_intents(intent, where(names[INTENT], row))))
    fields = {"tokens": WORDS, "slots": SLOTS, "intent": INTENT}
    return _records(source, rows, fields, errors, lambda i, word: f"{where(names[SLOTS], rows[i][0])}, tag {word + 1}")


_EMPTY = "the utterance is empty; expected at least one word: fill it in or delete the row"


def _check_lengths(names: dict[str, str]) -> int:
    """How many lines each of the files has. Raises `BadInput` where they differ."""
    lengths = {name: sum(1 for _ in numbered_lines(path)) for name, path in names.items()}
    fewest, most = min(lengths, key=lengths.get), max(lengths, key=lengths.get)
    if lengths[fewest] != lengths[most]:
        raise BadInput(
            f"{where(names[fewest], lengths[fewest] + 1)}: the line is missing, {most} has {lengths[most]} lines; "
            f"expected as many lines in {WORDS}, {SLOTS} and {INTENT}: add or delete lines"
        )
    return lengths[most]


def _utterances(source: str | os.PathLike, errors: RowErrors) -> list[tuple[int, list[str]]]:
    path, out = os.fspath(source), []
    for row, line in numbered_lines(source):
        with errors:
            if not line.strip(" \t\r\n"):
                raise BadInput(f"{where(path, row)}: {_EMPTY}")
            out.append((row, _BLANK_RUN.split(line.strip(" \t\r\n"))))
    return out


# === JSON Lines ===


def _read_objects(source: str | os.PathLike, require_target: bool, errors: RowErrors) -> TaggedRecords:
    path = os.fspath(source)
    _, first = first_object(source, errors.skip, "utterance")
    keys = _keys(first, require_target, path)
    rows = []
    for row, record in json_objects(source, errors):
        with errors:
            words = _words(record, keys, path, row)
            if not require_target:
                rows.append((row, words, None, None))
                continue
            place = where(path, row, keys["slots"])
            tags = check_tags(field_of(record, keys["slots"], path, row), words, place)
            intents = field_of(record, keys["intent"], path, row)
            rows.append((row, words, tags, _split_intents(intents, where(path, row, keys["intent"]))))
    if not require_target:
        return _records(source, rows, keys, errors, None)
    return _records(
        source, rows, keys, errors, lambda i, word: f"{where(path, rows[i][0], keys['slots'])}, tag {word + 1}"
    )


def _keys(record: dict, require_target: bool, path: str) -> dict[str, str]:
    names = list(record)
    words = choosing.choose(names, {"tokens": None, "text": None}, ALIASES, (), path)
    role = "tokens" if "tokens" in words or "text" not in words else "text"
    roles = (role, "slots", "intent") if require_target else (role,)
    return keys_of(record, roles, ALIASES, path)


def _words(record: dict, keys: dict[str, str], path: str, row: int) -> list[str]:
    if "tokens" in keys:
        return check_tokens(field_of(record, keys["tokens"], path, row), where(path, row, keys["tokens"]))
    text = field_of(record, keys["text"], path, row)
    problem = text_problem(text)
    if problem:
        raise BadInput(f"{where(path, row, keys['text'])}: {problem}")
    return [word for word in re.split("[ \t\r\n]+", text) if word]
