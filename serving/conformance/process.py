"""The program under test as a process: started on free ports, its words kept in files, stopped again."""

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.ports import is_open


class NotStarted(Exception):
    """The server ended, or did not open its ports in time; the text is what it said."""


class ServerProcess:
    """A server that runs beside the suite.

    Args:
        argv: the program and its flags.
        folder: where its stdout and stderr are kept.
    """

    def __init__(self, argv: Sequence[str], folder: Path):
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self._process = subprocess.Popen(argv, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        self.pid = self._process.pid

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_for_ports(self, ports: Sequence[int], seconds: float) -> None:
        """Returns when all of them take connections. Raises NotStarted."""
        end = time.monotonic() + seconds
        while not all(is_open(port) for port in ports):
            if not self.running:
                raise NotStarted(f"ended with code {self._process.returncode}: {self._last_words()}")
            if time.monotonic() > end:
                raise NotStarted(f"ports {list(ports)} did not open within {seconds:.0f} s: {self._last_words()}")
            time.sleep(0.1)

    def wait(self, seconds: float) -> int | None:
        """The exit code; None where the process still runs after this time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, seconds: float = 60) -> None:
        if self.running:
            self._process.terminate()
            if self.wait(seconds) is None:
                self._process.kill()
        self._process.wait()

    def _last_words(self) -> str:
        said = self.stdout.strip()[-600:] or self.stderr.strip()[-600:]
        return said or "it said nothing"


def listening_ports(pid: int) -> set[int] | None:
    """TCP ports that the process listens on; None where the system does not tell."""
    try:
        sockets = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
        tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    except OSError:
        return None
    rows = (line.split() for table in tables for line in table)
    listening = {row[9]: row[1] for row in rows if row[3] == "0A"}
    return {int(at.rpartition(":")[2], 16) for inode, at in listening.items() if f"socket:[{inode}]" in sockets}


@dataclass(frozen=True)
class Done:
    """A program that ended. code: None where it had to be stopped."""

    code: int | None
    stdout: str
    stderr: str


def run(argv: Sequence[str], seconds: float) -> Done:
    """Runs the program to its end, at most for this long."""
    with tempfile.TemporaryDirectory() as folder:
        process = ServerProcess(argv, Path(folder))
        try:
            code = process.wait(seconds)
        finally:
            process.stop(5)
        return Done(code, process.stdout, process.stderr)
