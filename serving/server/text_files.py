"""Configuration files in protobuf's text format."""

from pathlib import Path

from google.protobuf import text_format

from serving.server.status import Code, ServingError, invalid


class NotParsed(ValueError):
    """A file that is no message of its type: the text is libprotobuf's complaint, with line and column."""

    def __init__(self, path: str, message: str):
        super().__init__(message)
        self.path = path


def read(path: str, message):
    """`message`, filled from the file. Raises ServingError NOT_FOUND or INVALID_ARGUMENT, or NotParsed."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ServingError(Code.NOT_FOUND, f"{path}; {error.strerror}") from None
    except UnicodeDecodeError:
        raise unusable(path) from None
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        at, _, what = str(error).partition(" : ")
        name = message.DESCRIPTOR.full_name
        raise NotParsed(path, f"Error parsing text-format {name}: {at}: {what}") from None


def unusable(path: str) -> ServingError:
    return invalid(f"Invalid protobuf file: '{path}'")
