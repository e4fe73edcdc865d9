"""Progress on stderr: a bar on a terminal, a plain line every ten seconds elsewhere."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TextIO

PLAIN_INTERVAL = 10.0


class Progress:
    """Shows how far a countable job is. Used as a context manager; `update` as often as one likes.

    Args:
        title: what is being done, in a word or two.
        total: the number of units, or None where it is not known.
        unit: what is counted, for plain lines.
    """

    def __init__(self, title: str, total: int | None, unit: str = "rows"):
        self.title, self.total, self.unit = title, total, unit
        self._bar = _bar(title, total) if sys.stderr.isatty() else None

    def __enter__(self) -> "Progress":
        self._start = self._last = time.monotonic()
        self._first = None
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, done: int, note: str = "") -> None:
        """Says that `done` units are done; `note` goes along (a loss, for example)."""
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=done, description=f"{self.title} {note}".strip())
            return
        now = time.monotonic()
        # The first units carry the start-up, which says nothing about the ones to come.
        self._first = self._first or (done, now)
        if now - self._last >= PLAIN_INTERVAL and done != self.total:
            self._last = now
            self.say(f"{self.title}: {self._line(done, now)}{', ' + note if note else ''}")

    def say(self, line: str) -> None:
        """Prints a line that stays, above the bar."""
        if self._bar:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def _line(self, done: int, now: float) -> str:
        line = f"{done} of {self.total} {self.unit}" if self.total else f"{done} {self.unit}"
        line += f", {_duration(now - self._start)}"
        first_done, first_now = self._first
        if not self.total or done <= first_done:
            return line
        return f"{line}, about {_duration((now - first_now) / (done - first_done) * (self.total - done))} left"


@contextlib.contextmanager
def working(title: str, plain: bool = True, stream: TextIO | None = None) -> Iterator[None]:
    """Shows that something is being done that has no steps to count: a spinner, or a line where `plain` says so."""
    stream = stream or sys.stderr
    if stream.isatty():
        from rich.console import Console

        with Console(file=stream).status(title):
            yield
        return
    if plain:
        print(f"{title} …", file=stream, flush=True)
    yield


def _bar(title: str, total: int | None):
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    bar = progress.Progress(*columns, console=Console(stderr=True))
    bar.add_task(title, total=total)
    return bar


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"
