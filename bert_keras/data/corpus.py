"""Running text in: documents out of plain text and JSON Lines, gzipped or not, named by paths and globs.

| ending (also with .gz) | what is a document                                                          |
|------------------------|-----------------------------------------------------------------------------|
| .jsonl .ndjson         | one object a line; its text is a string, or a list of paragraphs            |
| any other              | lines of text, one paragraph or sentence each; a blank line ends a document |
"""

import dataclasses
import glob
import os
from collections.abc import Iterable, Iterator
from random import Random

from bert_keras.data.formats import DELIMITERS
from bert_keras.data.jsonl import field_of, is_json_lines, json_objects
from bert_keras.data.lines import OpenFile, numbered_lines
from bert_keras.data.records import shorten
from bert_keras.data.skipping import RowErrors
from bert_keras.errors import BadInput, nearest, where

TEXT = "text"


@dataclasses.dataclass(frozen=True)
class Document:
    """A text of its own: what follows it in the file has nothing to do with it.

    Attributes:
        paragraphs: list of str, at least one, none of them blank.
        source: the file, as the user named it.
        row: the line (from 1) on which the document starts.
    """

    paragraphs: list[str]
    source: str
    row: int


def corpus_files(patterns: Iterable[str | os.PathLike] | str | os.PathLike, tables: bool = False) -> list[str]:
    """The files that paths and globs (`news/**/*.txt.gz`) name: sorted within a glob, each file once.

    Args:
        patterns: paths and globs, or a single one.
        tables: whether files may be tables, as those of texts and translations are.

    Raises:
        BadInput: a pattern names no file, or a directory, or a table.
    """
    if isinstance(patterns, (str, os.PathLike)):
        patterns = [patterns]
    found: dict[str, None] = {}
    for pattern in map(os.fspath, patterns):
        # A name with a bracket in it is a name first.
        paths = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern, recursive=True))
        if not paths:
            raise BadInput(f"{pattern}: there is no such file; expected text files: check the path or the pattern")
        files = [path for path in paths if not os.path.isdir(path)]
        if not files:
            raise BadInput(f"{pattern}: this is a directory; expected text files: write {pattern.rstrip('/')}/*.txt")
        for path in files:
            if not tables:
                _check_ending(path)
            found[path] = None
    if not found:
        raise BadInput("there is no corpus; expected at least one text file")
    return list(found)


def read_corpus(paths: Iterable[str], field: str = TEXT, open_file: OpenFile | None = None) -> Iterator[Document]:
    """Yields the documents of several files, one after the other.

    Raises:
        BadInput: a file cannot be read, or the files hold no text at all.
    """
    paths, count = list(paths), 0
    for path in paths:
        for document in read_documents(path, field, open_file):
            count += 1
            yield document
    if not count:
        raise BadInput(f"{', '.join(paths[:3])}: the corpus is empty; expected at least one line of text")


def read_documents(path: str, field: str = TEXT, open_file: OpenFile | None = None) -> Iterator[Document]:
    """Yields the documents of a file; there may be none.

    Args:
        path: the file.
        field: where the text stands in the objects of a JSON Lines file.
        open_file: opens a path for reading bytes, where it is not on this machine's file system.

    Raises:
        BadInput: the file cannot be read, or an object has no text in the field; with file and row.
    """
    if is_json_lines(path):
        yield from _objects(path, field, open_file)
    else:
        yield from _paragraphs(path, open_file)


def sampled(documents: Iterable[Document], count: int, seed: int) -> list[Document]:
    """`count` of the documents, each as likely as any other, in their order; all of them where there are no more."""
    random, kept = Random(seed), []
    for number, document in enumerate(documents):
        if number < count:
            kept.append((number, document))
            continue
        place = random.randrange(number + 1)
        if place < count:
            kept[place] = (number, document)
    return [document for _, document in sorted(kept, key=lambda item: item[0])]


def _paragraphs(path: str, open_file: OpenFile | None) -> Iterator[Document]:
    paragraphs, start = [], 0
    for row, line in numbered_lines(path, open_file):
        line = line.strip()
        if line:
            start = start or row
            paragraphs.append(line)
        elif paragraphs:
            yield Document(paragraphs, path, start)
            paragraphs, start = [], 0
    if paragraphs:
        yield Document(paragraphs, path, start)


def _objects(path: str, field: str, open_file: OpenFile | None) -> Iterator[Document]:
    for row, record in json_objects(path, RowErrors(skip=False), open_file):
        if field not in record:
            raise BadInput(
                f"{where(path, row, field)}: the field is missing{nearest(field, record)}; the object has "
                f"{', '.join(map(repr, record))}: name the one that holds the text"
            )
        value = field_of(record, field, path, row)
        lines = value if isinstance(value, list) else [value]
        for line in lines:
            if not isinstance(line, str):
                raise BadInput(
                    f"{where(path, row, field)}: {shorten(line)} is no text; expected a string or a list of strings"
                )
        paragraphs = [part.strip() for line in lines for part in line.split("\n") if part.strip()]
        if paragraphs:
            yield Document(paragraphs, path, row)


def _check_ending(path: str) -> None:
    name = path.lower().removesuffix(".gz")
    if name.endswith((*DELIMITERS, ".json")):
        raise BadInput(
            f"{path}: this is a table; expected running text (blank lines between documents) or JSON Lines: convert it"
        )
