"""What can go wrong with a call, as types. All keep gRPC's code and the server's text."""

import grpc


class ServingError(Exception):
    """A call that failed. `str()` says what, at which server, for which model and version."""

    def __init__(self, details: str, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN, where: str = ""):
        super().__init__(details)
        self._details = details
        self._code = code
        self.where = where

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def __str__(self) -> str:
        return f"{self._details} ({self._code.name}; {self.where})" if self.where else self._details


class ModelNotFound(ServingError):
    """No such model, version or label is served."""


class SignatureNotFound(ServingError):
    """The model has no signature of that name."""


class InvalidInput(ServingError, ValueError):
    """The request does not fit the model; found here, or by the server."""


class Timeout(ServingError, TimeoutError):
    """No answer within the time allowed."""


class Unavailable(ServingError, ConnectionError):
    """Nothing answers at the target, or it is shutting down."""


class ServerBusy(Unavailable):
    """The server's queue is full, or this client asks too often; later it may take the request."""


class MessageTooLarge(ServingError):
    """A request or an answer is larger than a message may be, here or at the server: send fewer rows at a time."""


class AccessDenied(ServingError):
    """The server, or what stands before it, does not let this client in."""


class ServerFailed(ServingError):
    """Any other failure on the server's side."""


_TYPES = {
    grpc.StatusCode.NOT_FOUND: ModelNotFound,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.OUT_OF_RANGE: InvalidInput,
    grpc.StatusCode.DEADLINE_EXCEEDED: Timeout,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.UNAUTHENTICATED: AccessDenied,
    grpc.StatusCode.PERMISSION_DENIED: AccessDenied,
}


def from_rpc(error: grpc.RpcError, where: str) -> ServingError:
    """The typed error of what gRPC raised."""
    return typed_error(error.code(), error.details() or "no details", where)


def typed_error(code: grpc.StatusCode, details: str, where: str) -> ServingError:
    """The error of the type that a code and a server's text stand for."""
    if code == grpc.StatusCode.UNAVAILABLE and "queue" in details and "full" in details:
        kind = ServerBusy
    elif "version label" in details:
        kind = ModelNotFound
    elif "ignature" in details and "not found" in details and "alias" not in details:
        kind = SignatureNotFound
    elif details.startswith("No signature was found"):
        kind = SignatureNotFound
    elif code == grpc.StatusCode.RESOURCE_EXHAUSTED and ("queue" in details or "Too many requests" in details):
        kind = ServerBusy
    elif code == grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in details:
        kind = MessageTooLarge
    else:
        kind = _TYPES.get(code, ServerFailed)
    return kind(details, code, where)
