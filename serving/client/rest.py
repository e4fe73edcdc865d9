"""The client of a server's REST port."""

import http.client
import json
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import grpc

from serving.client.calls import Calls, Pause, Rpc
from serving.client.client import Client
from serving.client.connection import TLS, Connection
from serving.client.errors import ServerFailed, ServingError, typed_error
from serving.client.rest_messages import error_text, http_request
from serving.client.which import Which

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    502: grpc.StatusCode.UNAVAILABLE,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_LOST = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class RestClient(Client):
    """`Client` for a server's REST port, where gRPC does not pass: the same calls, arguments, answers and errors.

    REST says less than gRPC. `answer.version` is None where no version was named; `multi_inference` and `reload` raise
    ServerFailed (UNIMPLEMENTED); all outputs are computed, whichever are asked for; an array without elements loses its
    further dimensions. What a signature refuses has the code INVALID_ARGUMENT throughout.

    Args:
        target: "http://host:port" or "https://host:port", with a path in front of /v1 where a proxy has one.
        tls: how to check a https target; its `server_name` is not used.
        headers: sent with every request.

    The other arguments are those of `BaseClient`.

    Example:
        with RestClient("http://localhost:8501", model="reviews") as client:
            client.predict(["a fine film"])["label"]
    """

    def __init__(
        self,
        target: str,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float = 10.0,
        tls: TLS | None = None,
        retries: int = 3,
        token: str | None = None,
        token_without_tls: bool = False,
        headers: Mapping[str, str] | None = None,
    ):
        self.target, self.model, self.version, self.label, self.signature = target, model, version, label, signature
        self.timeout = timeout
        self._url = urlsplit(target)
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise ValueError(f"target {target!r}: expected http://HOST:PORT of the server's REST port")
        encrypted = self._url.scheme == "https"
        if tls is not None and not encrypted:
            raise ValueError(f"target {target!r}: TLS is for https://HOST:PORT; leave `tls` out, or write https")
        self._context = _context(tls) if encrypted else None
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        # Over gRPC the same token goes to the same machines.
        host = f"[{self._url.hostname}]" if ":" in self._url.hostname else self._url.hostname
        over_grpc = Connection(
            f"{host}:{self._url.port or 1}",
            TLS() if encrypted else None,
            token=token,
            token_without_tls=token_without_tls,
        )
        self._headers.update(over_grpc.metadata() or ())
        self._calls = Calls(target, Which(model, version, label, signature), timeout, retries)
        # A connection of each thread: one takes a request at a time.
        self._local, self._opened = threading.local(), []
        self._signature_defs: dict[str, Any] = {}

    def close(self) -> None:
        """Ends the connections, those of other threads too."""
        while self._opened:
            self._opened.pop().close()

    def _do(self, step: Rpc | Pause) -> bytes | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        request = http_request(step.method, step.request, self._signature_defs, step.where)
        body = None if request.body is None else json.dumps(request.body).encode()
        status, answered = self._send(request.verb, self._url.path.rstrip("/") + request.path, body, step)
        if status != 200:
            code = _CODES.get(status, grpc.StatusCode.UNKNOWN)
            raise typed_error(code, error_text(answered), step.where)
        try:
            return request.message(json.loads(answered)).SerializeToString()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            text = f"what answers is no TensorFlow Serving: {error_text(answered)!r} ({error})"
            raise ServerFailed(text, grpc.StatusCode.UNKNOWN, step.where) from None

    def _send(self, verb: str, path: str, body: bytes | None, step: Rpc) -> tuple[int, bytes]:
        end = time.monotonic() + step.timeout
        is_fresh = getattr(self._local, "connection", None) is None
        try:
            return self._exchange(verb, path, body, end)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            # A server closes what was idle for a while, which shows at the next request only.
            if is_fresh or not _is_lost(error):
                raise _failure(error, step) from None
        try:
            return self._exchange(verb, path, body, end)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise _failure(error, step) from None

    def _exchange(self, verb: str, path: str, body: bytes | None, end: float) -> tuple[int, bytes]:
        connection = self._connection_of_thread()
        connection.timeout = max(end - time.monotonic(), 0.001)
        if connection.sock is None:
            connection.connect()
        connection.sock.settimeout(connection.timeout)
        connection.request(verb, path, body, self._headers)
        with connection.getresponse() as response:
            return response.status, response.read()

    def _connection_of_thread(self) -> http.client.HTTPConnection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            host, port = self._url.hostname, self._url.port
            if self._context is None:
                connection = http.client.HTTPConnection(host, port)
            else:
                connection = http.client.HTTPSConnection(host, port, context=self._context)
            self._local.connection = connection
            self._opened.append(connection)
        return connection

    def _drop(self) -> None:
        connection, self._local.connection = self._local.connection, None
        connection.close()
        if connection in self._opened:
            self._opened.remove(connection)


def _context(tls: TLS | None) -> ssl.SSLContext:
    tls = tls or TLS()
    tls.credentials()  # says what cannot be used
    context = ssl.create_default_context(cafile=tls.ca)
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context


def _is_lost(error: Exception) -> bool:
    # What a write to a connection that the other end has closed says depends on Python and OpenSSL.
    is_system_call = isinstance(error, ssl.SSLError) and error.errno == ssl.SSL_ERROR_SYSCALL
    return is_system_call or isinstance(error, _LOST)


def _failure(error: Exception, step: Rpc) -> ServingError:
    if isinstance(error, TimeoutError):
        return typed_error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", step.where)
    return typed_error(grpc.StatusCode.UNAVAILABLE, f"no connection: {error}", step.where)
