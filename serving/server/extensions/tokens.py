"""Bearer tokens (RFC 6750): who may call, read from a file that may change while the server runs."""

import base64
import binascii
import hashlib
import hmac
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serving.server.status import Code, ServingError, invalid

log = logging.getLogger(__name__)

ADMIN = "admin"
LEAST_CHARACTERS = 16
_LOOK_EVERY_SECONDS = 1.0
# The characters of RFC 6750, section 2.1, and of names that log lines and messages can take as they are.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


@dataclass(frozen=True)
class Client:
    """Whose token it is. `admin`: may have the server load other models."""

    name: str
    admin: bool = False


class Tokens:
    """The clients of a token file: a line `NAME TOKEN` each, `NAME TOKEN admin` for who may call reload; `#` comments.

    The file is read again when it was changed. One that cannot be used then is told in the log, and what was read
    before holds.

    Args:
        path: the file.
        clock: seconds, ascending; the file is looked at once a second at most.

    Raises ServingError where the file cannot be used.
    """

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic):
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = _stamp(path)
        self._clients = read(path)
        self._looked = clock()
        _warn_if_open(path)

    def client(self, authorization: str, basic: bool = False) -> Client | None:
        """Whom the value of an `authorization` header names; None for nobody.

        Args:
            basic: take HTTP Basic too, with the token for the password: all that a browser can send by itself.
        """
        self._look()
        given = _digest(_token_in(authorization, basic))
        found = None
        for digest, client in self._clients:
            # All are compared, each in constant time: how long it took says nothing about any of them.
            if hmac.compare_digest(digest, given):
                found = client
        return found

    def _look(self) -> None:
        with self._lock:
            if self._clock() - self._looked < _LOOK_EVERY_SECONDS:
                return
            self._looked = self._clock()
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._clients = read(self._path)
            except ServingError as error:
                log.error("the tokens read before are kept: %s", error)
            else:
                log.info("%s: read again, %d tokens", self._path, len(self._clients))


def read(path: str) -> list[tuple[bytes, Client]]:
    """SHA-256 of each token, and whose it is. Raises ServingError; no message holds a token."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ServingError(Code.NOT_FOUND, f"{path}; {error.strerror}") from None
    except UnicodeDecodeError:
        raise invalid(f"{path}: is no UTF-8 text; expected a line NAME TOKEN for each client") from None
    found: dict[bytes, Client] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        token, client = _client(words, f"{path}:{number}")
        if token in found:
            raise invalid(f"{path}:{number}: the token of {client.name} is that of {found[token].name} too")
        found[token] = client
    if not found:
        raise invalid(f"{path}: holds no token, so nobody could call; expected a line NAME TOKEN for each client")
    return list(found.items())


def _client(words: list[str], where: str) -> tuple[bytes, Client]:
    if len(words) not in (2, 3) or words[2:] not in ([], [ADMIN]):
        raise invalid(f"{where}: expected NAME TOKEN, or NAME TOKEN {ADMIN}")
    name, token = words[:2]
    if not _NAME.fullmatch(name):
        raise invalid(f"{where}: the name is not made of 1 to 64 of the characters A-Z a-z 0-9 . _ @ -")
    if not _TOKEN.fullmatch(token) or len(token) < LEAST_CHARACTERS:
        raise invalid(
            f"{where}: the token of {name} is not made of {LEAST_CHARACTERS} or more of the characters A-Z a-z 0-9 "
            ". _ ~ + / - with = at the end; `openssl rand -base64 32` makes one"
        )
    return _digest(token), Client(name, words[2:] == [ADMIN])


def _token_in(authorization: str, basic: bool) -> str:
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value
    if basic and scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _stamp(path: str) -> tuple | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _warn_if_open(path: str) -> None:
    mode = os.stat(path).st_mode
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        log.warning("%s: other users can read or change the tokens (mode %o); chmod 600", path, stat.S_IMODE(mode))
