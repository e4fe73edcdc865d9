"""The one error type of the server: a canonical code and the exact message that the caller gets."""

import traceback
from enum import IntEnum
from pathlib import Path


class Code(IntEnum):
    """Canonical codes: gRPC's, absl's and TensorFlow's numbers are the same."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServingError(Exception):
    """A call or a load that failed. `str()` is absl's `Status::ToString`: "CODE: message"."""

    def __init__(self, code: Code, message: str):
        super().__init__(code, message)
        self.code = Code(code)
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


def invalid(message: str) -> ServingError:
    return ServingError(Code.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    return ServingError(Code.NOT_FOUND, message)


def failed_precondition(message: str) -> ServingError:
    return ServingError(Code.FAILED_PRECONDITION, message)


def unexpected(error: BaseException) -> ServingError:
    """What the caller is told when the fault is the server's: the kind of the error, no text of the request."""
    return ServingError(Code.INTERNAL, f"internal error in the embedded server: {type(error).__name__}")


def where(error: BaseException) -> str:
    """For logs: the kind of the error and where it came from. Its own text may quote the request, and stays out."""
    frames = traceback.extract_tb(error.__traceback__)
    path = " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__} at {path}"
