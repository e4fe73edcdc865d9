"""Utterances with an intent and slots in: the three-file form of ATIS and SNIPS, or one JSON object a line.

| path                | record                                                                                  |
|---------------------|-----------------------------------------------------------------------------------------|
| a directory         | line n of `seq.in` (words), `seq.out` (a slot tag per word), `label` (the intent)       |
| .jsonl .ndjson      | {"tokens": [...] or "text": "words", "slots": [...], "intent": "name" or ["a", "b"]}    |
| .txt, to predict on | one utterance a line                                                                    |

Words are parted by blanks. An intent `a#b` stands for two.
"""

import itertools
import os
import re
from pathlib import Path
from typing import Any

from bert_keras.data import columns as choosing
from bert_keras.data.jsonl import check_tokens, field_of, is_json_lines, json_objects, keys_of
from bert_keras.data.lines import numbered_lines
from bert_keras.data.records import shorten, text_problem
from bert_keras.data.skipping import RowErrors
from bert_keras.data.tagged import TaggedRecords, as_bio, check_tags
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
        path: a directory or file of one of the forms above.
        require_target: False (prediction) neither needs nor reads slots and intents.
        skip_bad_rows: whether utterances with a defect are left out and their messages kept in `skipped`.

    Returns:
        `TaggedRecords` with features {"tokens": a list of str per record} and as target per record (intents, slots): a
        tuple of intent names in the order of the file, and a list of BIO tags, one per token.

    Raises:
        BadInput: the files differ in their number of lines, a line has more or fewer slots than words, an utterance or
            an intent is empty, or a slot is no tag; the message names file and row.
    """
    path, errors = os.fspath(path), RowErrors(skip_bad_rows)
    if os.path.isdir(path):
        return _read_directory(Path(path), require_target, errors)
    if is_json_lines(path):
        return _read_objects(path, require_target, errors)
    if path.lower().removesuffix(".gz").endswith((".txt", WORDS)) and not require_target:
        rows = _utterances(path, errors)
        return _records(path, [(row, words, None, None) for row, words in rows], {}, errors, None)
    if not os.path.exists(path):
        raise BadInput(f"{path}: there is no such file or directory; expected data: check the path")
    raise BadInput(
        f"{path}: no known form of utterances with intents; expected a directory with {WORDS}, {SLOTS} and {INTENT}, "
        "or a .jsonl file: convert the file"
    )


def _records(path, rows, fields, errors, place) -> TaggedRecords:
    """Records of (row, tokens, slot tags, intents); `place` takes the number of a record and of a word."""
    errors.check_rest(path, len(rows), "utterance")
    numbers, tokens = [row for row, *_ in rows], [words for _, words, *_ in rows]
    if place is None:
        return TaggedRecords({"tokens": tokens}, None, numbers, path, fields, tuple(errors.skipped))
    bio, found = as_bio([tags for _, _, tags, _ in rows], place, errors)
    kept = [index for index, tags in enumerate(bio) if tags is not None]
    errors.check_rest(path, len(kept), "utterance")
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


def _read_directory(path: Path, require_target: bool, errors: RowErrors) -> TaggedRecords:
    source = str(path)
    if not require_target:
        rows = [(row, words, None, None) for row, words in _utterances(str(path / WORDS), errors)]
        return _records(source, rows, {"tokens": WORDS}, errors, None)
    names = {name: str(path / name) for name in (WORDS, SLOTS, INTENT)}
    _check_lengths(names)
    rows = []
    for lines in zip(*(numbered_lines(name) for name in names.values())):
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


def _check_lengths(names: dict[str, str]) -> None:
    lengths = {name: sum(1 for _ in numbered_lines(path)) for name, path in names.items()}
    fewest, most = min(lengths, key=lengths.get), max(lengths, key=lengths.get)
    if lengths[fewest] != lengths[most]:
        raise BadInput(
            f"{where(names[fewest], lengths[fewest] + 1)}: the line is missing, {most} has {lengths[most]} lines; "
            f"expected as many lines in {WORDS}, {SLOTS} and {INTENT}: add or delete lines"
        )


def _utterances(path: str, errors: RowErrors) -> list[tuple[int, list[str]]]:
    out = []
    for row, line in numbered_lines(path):
        with errors:
            if not line.strip(" \t\r\n"):
                raise BadInput(f"{where(path, row)}: {_EMPTY}")
            out.append((row, _BLANK_RUN.split(line.strip(" \t\r\n"))))
    return out


# === JSON Lines ===


def _read_objects(path: str, require_target: bool, errors: RowErrors) -> TaggedRecords:
    objects = json_objects(path, errors)
    first = next(objects, None)
    if first is None:
        errors.check_rest(path, 0, "utterance")
    keys = _keys(first[1], require_target, path)
    rows = []
    for row, record in itertools.chain([first], objects):
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
        return _records(path, rows, keys, errors, None)
    return _records(
        path, rows, keys, errors, lambda i, word: f"{where(path, rows[i][0], keys['slots'])}, tag {word + 1}"
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
