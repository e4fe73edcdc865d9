"""What a call passes before it is answered: token, rate limit, size limit; and the request log behind it."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from serving.server.extensions import notes
from serving.server.extensions.limits import RateLimit, client_of
from serving.server.extensions.notes import Note
from serving.server.extensions.request_log import RequestLog
from serving.server.extensions.tokens import ADMIN, Tokens
from serving.server.flags import Flags
from serving.server.status import Code, ServingError

_REALM = 'realm="bert-keras"'


class Refused(ServingError):
    """A call that did not pass.

    Args:
        http_status: for REST, where the table of codes does not say it.
        http_headers: for REST.
        retry_seconds: when it may pass; None: as it is, never.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        http_status: int | None = None,
        http_headers: dict[str, str] | None = None,
        retry_seconds: float | None = None,
    ):
        super().__init__(code, message)
        self.http_status = http_status
        self.http_headers = http_headers or {}
        self.retry_seconds = retry_seconds


class Gate:
    """Stands before every call but those of the health service.

    Args:
        tokens: who may call; None: everybody.
        limit: how often; None: as often as they like.
        log: where calls are written down; None: nowhere.
        max_bytes: the largest request; 0: as large as the transports allow.
    """

    def __init__(
        self,
        tokens: Tokens | None = None,
        limit: RateLimit | None = None,
        log: RequestLog | None = None,
        max_bytes: int = 0,
    ):
        self._tokens = tokens
        self._limit = limit
        self._log = log
        self.max_bytes = max_bytes

    @property
    def wants_tokens(self) -> bool:
        return self._tokens is not None

    @contextmanager
    def call(
        self, transport: str, peer: str, method: str, authorization: str, for_people: bool = False
    ) -> Iterator[Note]:
        """Answers a call inside the block, or raises Refused before it begins.

        Args:
            method: as the request log names it, if the call gets no further.
            authorization: the header's value; "" without one.
            for_people: a page, for which a browser asks for a password.
        """
        note = Note(transport, peer, method=method, wants_texts=self._log is not None and self._log.texts)
        before = notes.current.set(note)
        started = time.perf_counter()
        try:
            self._admit(note, authorization, for_people)
            yield note
        except ServingError as error:
            note.code = error.code.name
            raise
        except BaseException:
            note.code = Code.CANCELLED.name  # the caller went away
            raise
        finally:
            notes.current.reset(before)
            if self._log:
                self._log.write(note, (time.perf_counter() - started) * 1e3)

    def check_size(self, size: int) -> None:
        """Raises Refused for a request of more bytes than allowed."""
        if self.max_bytes and size > self.max_bytes:
            raise too_large(size, self.max_bytes)

    def close(self) -> None:
        if self._log:
            self._log.close()

    def _admit(self, note: Note, authorization: str, for_people: bool) -> None:
        if self._tokens:
            client = self._tokens.client(authorization, basic=for_people)
            if client is None:
                raise _unauthenticated(for_people)
            note.client = client.name
            if note.method == "HandleReloadConfigRequest" and not client.admin:
                raise Refused(
                    Code.PERMISSION_DENIED,
                    f"{client.name} may not change which models are served: its line in the token file does not end "
                    f"in {ADMIN}",
                )
        if self._limit:
            name = note.client or client_of(note.peer)
            seconds = self._limit.take(name)
            if seconds:
                raise _too_many(name, self._limit.per_second, seconds)


def read(flags: Flags) -> Gate | None:
    """The gate that the flags ask for; None where they ask for none. Raises ServingError."""
    tokens = Tokens(flags.ext_auth_token_file) if flags.ext_auth_token_file else None
    rate = flags.ext_max_requests_per_second
    limit = RateLimit(rate, flags.ext_request_burst) if rate else None
    log = None
    if flags.ext_request_log or flags.ext_slow_request_ms:
        path, slow_ms = flags.ext_request_log, flags.ext_slow_request_ms
        log = RequestLog(path, slow_ms, only_slow=not path, texts=flags.ext_log_texts)
    if not (tokens or limit or log or flags.ext_max_request_bytes):
        return None
    return Gate(tokens, limit, log, flags.ext_max_request_bytes)


def too_large(size: int | None, most: int) -> Refused:
    what = "Request is" if size is None else f"Request of {size} bytes is"
    return Refused(Code.RESOURCE_EXHAUSTED, f"{what} larger than max ({most} bytes)", http_status=413)


def address_of(peer: str) -> str:
    """The address in what gRPC calls a peer: "ipv4:127.0.0.1:4711" is 127.0.0.1, "unix:" is unix."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else kind


def _unauthenticated(for_people: bool) -> Refused:
    challenges = [f"Bearer {_REALM}"] + ([f"Basic {_REALM}"] if for_people else [])
    return Refused(
        Code.UNAUTHENTICATED,
        "No valid token: expected the header 'authorization: Bearer TOKEN'",
        http_headers={"WWW-Authenticate": ", ".join(challenges)},
    )


def _too_many(client: str, per_second: float, seconds: float) -> Refused:
    return Refused(
        Code.RESOURCE_EXHAUSTED,
        f"Too many requests: {client} may send {per_second:g} a second; try again in {seconds:.2f} s",
        http_headers={"Retry-After": str(max(math.ceil(seconds), 1))},
        retry_seconds=seconds,
    )
