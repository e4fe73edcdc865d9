"""Texts and their translations, from tables of two columns."""

from collections.abc import Iterator

from bert_keras.data.jsonl import field_of, is_json_lines, json_objects
from bert_keras.data.lines import OpenFile, numbered_lines
from bert_keras.data.records import text_problem
from bert_keras.data.skipping import RowErrors
from bert_keras.errors import BadInput, where

FIRST, SECOND = "text", "text_pair"


def read_pairs(path: str, open_file: OpenFile | None = None) -> Iterator[list[str]]:
    """Yields [text, translation] of a file, gzipped or not; either may be empty, as published corpora have it.

    A `.jsonl` file has objects with `text` and `text_pair`; any other file has lines of text, tab, translation, without
    a header and without quotes. (`paste a.en a.zh > pairs.tsv` makes one of two files that go line by line.)

    Raises:
        BadInput: the file cannot be read, a line has not two texts, or a value is no text; with file and row.
    """
    if is_json_lines(path):
        rows = (
            (row, [field_of(record, field, path, row) for field in (FIRST, SECOND)])
            for row, record in json_objects(path, RowErrors(skip=False), open_file)
        )
    else:
        rows = (
            (row, fields)
            for row, line in numbered_lines(path, open_file)
            if line.strip() and (fields := line.rstrip("\r\n").split("\t"))
        )
    for row, texts in rows:
        if len(texts) != 2:
            raise BadInput(f"{where(path, row)}: {len(texts)} fields; expected a text, a tab and its translation")
        texts = [text.strip() if isinstance(text, str) else text for text in texts]
        for name, text in zip((FIRST, SECOND), texts):
            problem = None if text == "" else text_problem(text)
            if problem:
                raise BadInput(f"{where(path, row, name)}: {problem}")
        yield texts
