"""What to do about a bad row: raise it, or leave the row out and keep the message."""

import os

from bert_keras.data.parts import Part
from bert_keras.errors import BadInput


class RowErrors:
    """A `with` block around the reading of one row.

    With `skip`, a `BadInput` inside the block ends the block and is kept in `skipped`; without, it goes on.

        errors = RowErrors(skip=True)
        for row, line in lines:
            with errors:
                records.append(parse(row, line))
        errors.check_rest(path, len(records), "record")

    Attributes:
        skipped: list of str, the messages in the order in which the defects were met.
    """

    def __init__(self, skip: bool):
        self.skip = skip
        self.skipped: list[str] = []

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace) -> bool:
        if self.skip and isinstance(error, BadInput):
            self.skipped.append(str(error))
            return True
        return False

    def check_rest(self, source: str | os.PathLike, count: int, what: str) -> None:
        """Raises `BadInput` where no good `what` is left of a file, with the first message if there is one.

        A part of a file may have none.
        """
        if count or isinstance(source, Part):
            return
        path = os.fspath(source)
        if self.skipped:
            raise BadInput(
                f"{path}: no good {what} is left, {len(self.skipped)} bad ones were left out; expected at least one: "
                f"mend the file; the first: {self.skipped[0]}"
            )
        raise BadInput(f"{path}: the file holds no {what}; expected at least one")
