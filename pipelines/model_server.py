"""`bert-keras serve` as a process of its own, on a free port of this machine."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import bert_keras
from serving.ports import free_ports, is_open

_SHUTDOWN_SECONDS = 40


class ModelServer:
    """A model server that starts when it is made: tensorflow_model_server where it is installed, else the embedded one.

    Args:
        base: folder with version folders.
        name: the model's name for clients.
        log: file that takes all it says.
        binary: the tensorflow_model_server to use; None = the one on PATH, if any.
        flags: further flags of the server, "--name=value".
        environment: variables to set for it.

    Attributes:
        port: int, of gRPC. REST is off.
        target: "host:port" for gRPC clients.
    """

    def __init__(
        self,
        base: str | os.PathLike,
        name: str,
        log: Path,
        binary: str | None = None,
        flags: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ):
        (self.port,), self._log = free_ports(1), log
        self.target = f"127.0.0.1:{self.port}"
        # The package is found from any working directory, installed or not.
        root = str(Path(bert_keras.__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-c", "from bert_keras.cli import main; main()", "serve", os.fspath(base)]
        command += ["--name", name, "--port", str(self.port), "--rest-port", "0"]
        command += ["--binary", binary] if binary else []
        with open(log, "w", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                [*command, "--", *flags],
                env={**os.environ, "PYTHONPATH": path, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def listens(self) -> bool:
        """Whether its port is open."""
        return is_open(self.port)

    def said(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def stop(self):
        """Ends it; requests under way are answered. Nothing happens where it has ended already."""
        self._process.terminate()
        try:
            self._process.wait(timeout=_SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
