"""Parts of a file: what a worker reads of it, as if it were a file of its own, with the whole file's row numbers.

    records = read_tagged("train.conll")
    for part in tagged_parts("train.conll"):
        read_tagged(part.of_whole(records.of_file))     # some of the records, with the same rows

Every reader that has a `…_parts` takes a part in the place of a path. What the head of the file says (its columns, its
keys) a part's reader looks up there. What only the whole file says, such as its tag scheme, is in `Records.of_file`
and goes along with the part.
"""

import dataclasses
import os
from typing import Any


@dataclasses.dataclass(frozen=True)
class Part(os.PathLike):
    """Some rows of a file.

    Attributes:
        path: the file, as the user named it.
        whole: what reading all of the file has found: `Records.of_file`.
    """

    path: str
    whole: dict[str, Any] = dataclasses.field(default_factory=dict, kw_only=True)

    def __fspath__(self) -> str:
        return self.path

    def of_whole(self, found: dict[str, Any]) -> "Part":
        """The same rows, and what reading all of the file has found."""
        return dataclasses.replace(self, whole=found)


@dataclasses.dataclass(frozen=True)
class FilePart(Part):
    """Bytes of a file, from the start of a line to the end of a line.

    Attributes:
        begin: where they begin, of a gzipped file in what it holds.
        end: where they end.
        first_row: the number of the first line, from 1.
        data: the bytes themselves, of a gzipped file, in which nobody can jump; else None.
    """

    begin: int
    end: int
    first_row: int
    data: bytes | None = None


def found_in_whole(source, name: str):
    """What reading the whole file has found under a name; None where `source` is the whole file."""
    return source.whole.get(name) if isinstance(source, Part) else None
