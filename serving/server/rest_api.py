"""The HTTP transport of REST: HTTP/1.1 with keep-alive, gzip bodies, CORS, a bounded number of running requests."""

import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from serving.server.extensions import gate as gates
from serving.server.extensions.gate import Gate, Refused
from serving.server.memory import return_memory
from serving.server.rest_routes import API, Routes, error_response
from serving.server.status import Code, ServingError, invalid

log = logging.getLogger(__name__)

_MAX_BODY = 2**31 - 1
# TensorFlow Serving's (util/net_http/compression/gzip_zlib.h): a body that is small on the wire may be huge in memory.
_MAX_UNZIPPED = 10 * 2**20
_PIECE = 2**20
# After a request or an answer of this size the memory that it took is given back.
_LARGE = 2**24
_IDLE_SECONDS = 120
_NOT_FOUND = "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
# What is left of a refused request is read before the connection is closed: else the answer may be lost on the way.
_LINGER_SECONDS = 2.0


@dataclass(frozen=True)
class Page:
    """A page beside the API. `for_people`: a browser that is refused asks for a password."""

    text: Callable[[], str]
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/plain"})
    for_people: bool = False


class RestServer:
    """Serves `routes`. Nothing listens before `start`.

    Args:
        host, port: where to listen; port 0 takes any free one, see `port`.
        max_running: requests that are worked on at the same time; further ones wait.
        cors: send CORS headers to pages of other hosts.
        pages: what is shown beside the API, by path.
        gate: what every request passes first.
    """

    def __init__(
        self,
        routes: Routes,
        host: str,
        port: int,
        max_running: int,
        cors: bool = False,
        pages: dict[str, Page] | None = None,
        gate: Gate | None = None,
    ):
        self._address = (host, port)
        self._routes = routes
        self._slots = threading.BoundedSemaphore(max_running)
        self._cors = cors
        self.pages = pages or {}
        self.gate = gate
        self._running = 0
        self._idle = threading.Condition()
        self._http: ThreadingHTTPServer | None = None
        self.draining = False
        self.port = port

    def start(self) -> None:
        """Opens the port. Raises OSError when it is taken."""
        handler = type("Handler", (_Handler,), {"server_app": self})
        try:
            self._http = _Listener(self._address, handler)
        except OSError as error:
            where = f"{self._address[0]}:{self._address[1]}"
            raise OSError(f"cannot listen for HTTP on {where}: {error.strerror}") from None
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.1,), name="rest", daemon=True).start()

    def stop(self, grace: float | None) -> None:
        """Refuses new requests, answers those under way, at most for `grace` seconds."""
        if not self._http:
            return
        self.draining = True
        self._http.shutdown()
        self._http.server_close()
        with self._idle:
            self._idle.wait_for(lambda: not self._running, grace)

    def answer(self, method: str, path: str, body: bytes, origin: str | None) -> tuple[int, str, dict[str, str]]:
        if path in self.pages:
            return 200, self.pages[path].text(), self.pages[path].headers
        if not API.fullmatch(path):
            return 404, _NOT_FOUND, {"Content-Type": "text/html"}
        headers = {"Content-Type": "application/json"} | (self._cors_headers if self._cors and origin else {})
        if self.is_preflight(method, origin):
            return 200, "", headers
        with self._slots:
            return *self._routes.answer(method, path, body), headers

    def is_preflight(self, method: str, origin: str | None) -> bool:
        """Whether a browser asks what a page may send; it shows no token with that."""
        return bool(method == "OPTIONS" and self._cors and origin and origin.startswith(("http://", "https://")))

    @property
    def _cors_headers(self) -> dict[str, str]:
        if not (self.gate and self.gate.wants_tokens):
            return _CORS
        return _CORS | {"Access-Control-Allow-Headers": "Content-Type, Authorization"}

    def begin(self) -> None:
        with self._idle:
            self._running += 1

    def end(self) -> None:
        with self._idle:
            self._running -= 1
            self._idle.notify_all()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # idle keep-alive connections are not waited for
    request_queue_size = 1024

    def __init__(self, address, handler):
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def handle_error(self, request, client_address):
        log.debug("connection from %s broke off", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "bert-keras-embedded-server"
    sys_version = ""
    timeout = _IDLE_SECONDS
    wbufsize = -1  # head and body leave in one packet
    disable_nagle_algorithm = True
    server_app: RestServer
    _unread = False
    _received = 0

    def _serve(self) -> None:
        app, self._received = self.server_app, 0
        app.begin()
        try:
            status, text, headers = self._respond()
            self._send(status, text, headers)
            if max(self._received, len(text)) >= _LARGE:
                del text
                return_memory()
        finally:
            app.end()
        if self._unread:
            self._linger()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _serve

    def _respond(self) -> tuple[int, str, dict[str, str]]:
        path = urlsplit(self.path).path if not self.path.startswith("//") else self.path
        app, as_json = self.server_app, {"Content-Type": "application/json"}
        origin = self.headers.get("Origin")
        if app.draining:
            self.close_connection = True
            return *error_response(ServingError(Code.UNAVAILABLE, "Server is shutting down.")), as_json
        try:
            with self._admitted(path, origin) as note:
                body = self._body(app.gate.max_bytes if app.gate else 0)
                self._received = len(body)
                if note:
                    note.bytes = len(body)
                return app.answer(self.command, path, body, origin)
        except ServingError as error:
            self.close_connection = self._unread = True  # what is left of the body is not taken
            status, text = error_response(error)
            if isinstance(error, Refused):
                return error.http_status or status, text, as_json | error.http_headers
            return status, text, as_json

    def _admitted(self, path: str, origin: str | None):
        app = self.server_app
        if not app.gate or app.is_preflight(self.command, origin):
            return nullcontext()
        authorization = self.headers.get("Authorization", "")
        for_people = path in app.pages and app.pages[path].for_people
        return app.gate.call("REST", self.client_address[0], self.command, authorization, for_people)

    def _linger(self) -> None:
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_SECONDS)
            end = time.monotonic() + _LINGER_SECONDS
            while time.monotonic() < end and self.connection.recv(65536):
                pass
        except OSError:
            pass  # the caller has gone

    def _send(self, status: int, text: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        length = len(text) if text.isascii() else sum(map(len, _encoded(text)))
        self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            for piece in _encoded(text):
                self.wfile.write(piece)
        self.wfile.flush()

    def _body(self, most: int) -> bytes:
        """The body, unpacked; `most`: the bytes that it may have either way, 0 for the utmost of this server."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = self._chunks(most)
        else:
            length = self.headers.get("Content-Length", "0")
            if not (length.isascii() and length.isdigit()) or int(length) > _MAX_BODY:
                raise invalid(f"Content-Length is not usable: {length[:32]}")
            if most and int(length) > most:
                raise gates.too_large(int(length), most)
            body = self.rfile.read(int(length))
            if len(body) != int(length):
                raise invalid("The body is shorter than Content-Length")
        if self.headers.get("Content-Encoding", "").lower() == "gzip":
            body = _gunzip(body, most)
        return body

    def _chunks(self, most: int) -> bytes:
        body = bytearray()
        while True:
            line = self.rfile.readline(1024).split(b";")[0].strip()
            try:
                size = int(line, 16)
            except ValueError:
                raise invalid("The chunked body is not well formed") from None
            if size < 0 or len(body) + size > _MAX_BODY:
                raise invalid("The body is too large")
            if most and len(body) + size > most:
                raise gates.too_large(None, most)
            body += self.rfile.read(size)
            self.rfile.readline(1024)
            if not size:
                return bytes(body)

    def log_message(self, format: str, *args) -> None:
        log.debug(format, *args)


def _encoded(text: str) -> Iterator[bytes]:
    """A long text is not held twice."""
    for at in range(0, len(text), _PIECE):
        yield text[at : at + _PIECE].encode("utf-8", "surrogateescape")


def _gunzip(body: bytes, most: int) -> bytes:
    """The body unzipped; nothing where that fails or is too much, which is what TensorFlow Serving then reads.

    Raises what the gate says of bodies of more than `most` bytes, where that is not 0.
    """
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = unzip.decompress(body, min(most + 1, _MAX_UNZIPPED) if most else _MAX_UNZIPPED)
    except zlib.error as error:
        log.error("Failed to uncompress the gzipped body: %s", error)
        return b""
    if most and len(plain) > most:
        raise gates.too_large(None, most)
    if unzip.unconsumed_tail or not unzip.eof:
        log.error("Failed to uncompress the gzipped body: cut off, or larger than %d bytes", _MAX_UNZIPPED)
        return b""
    return plain
