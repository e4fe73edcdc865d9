"""A JSON line for each request, or for the slow ones: who, what, how long. Its texts only where that is asked for."""

import contextlib
import json
import logging
import sys
from datetime import datetime, timezone
from logging.handlers import WatchedFileHandler

from serving.server.extensions.notes import Note
from serving.server.status import Code, ServingError

log = logging.getLogger(__name__)

STDERR = "-"
# Names come from the client: one that is no name may be long.
_MOST_CHARACTERS = 256


class RequestLog:
    """Writes lines.

    Args:
        path: a file to add to, opened anew when it was moved away (logrotate); "-" or "": stderr.
        slow_ms: a line of a request that took this long says `"slow": true`; 0: none does.
        only_slow: no other lines.
        texts: the lines hold the texts of the requests too.

    Raises ServingError where the file cannot be written.
    """

    def __init__(self, path: str, slow_ms: int = 0, only_slow: bool = False, texts: bool = False):
        try:
            self._handler = _handler(path)
        except OSError as error:
            raise ServingError(Code.NOT_FOUND, f"--ext_request_log={path}; {error.strerror}") from None
        self._handler.handleError = self._not_written
        self._path = path
        self._says_so = True
        self._slow_ms = slow_ms
        self._only_slow = only_slow
        self.texts = texts

    def write(self, note: Note, milliseconds: float) -> None:
        slow = bool(self._slow_ms) and milliseconds >= self._slow_ms
        if slow or not self._only_slow:
            line = json.dumps(self._fields(note, milliseconds, slow), ensure_ascii=False)
            # A lone surrogate, from bytes of a path that are no UTF-8, cannot be written.
            line = line.encode("utf-8", "backslashreplace").decode()
            self._handler.handle(logging.makeLogRecord({"msg": "%s", "args": (line,)}))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what could not be written has been told
            self._handler.close()

    def _not_written(self, record: logging.LogRecord) -> None:
        """A full disk is no reason to refuse requests, nor to fill another log: it is told once."""
        if self._says_so:
            self._says_so = False
            log.error("--ext_request_log=%s: lines are lost: %s", self._path, sys.exc_info()[1])

    def _fields(self, note: Note, milliseconds: float, slow: bool) -> dict:
        fields = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "transport": note.transport,
            "peer": note.peer,
            "client": note.client or None,
            "method": note.method,
            "model": note.model[:_MOST_CHARACTERS],
            "version": note.version,
            "label": note.label[:_MOST_CHARACTERS] or None,
            "signature": note.signature[:_MOST_CHARACTERS],
            "rows": note.rows,
            "bytes": note.bytes,
            "code": note.code,
            "ms": round(milliseconds, 3),
        }
        if slow:
            fields["slow"] = True
        if self.texts:
            fields["texts"] = note.texts
        return fields


def _handler(path: str) -> logging.Handler:
    if path in ("", STDERR):
        return logging.StreamHandler(sys.stderr)
    return WatchedFileHandler(path, encoding="utf-8")
