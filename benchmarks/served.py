"""An embedded server in a process of its own, for the benchmarks of serving."""

import contextlib
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from serving.client import Client
from serving.ports import free_ports

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Served:
    """What there is to know of the process; `client` asks its model."""

    port: int
    rest_port: int
    pid: int
    client: Client

    def cpu_seconds(self):
        """Processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(base, *flags):
    """Serves the versions under `base` as model `m`; yields `Served` when it answers."""
    port, rest_port = free_ports(2)
    ports = f"--port={port}", f"--rest_api_port={rest_port}"
    flags = "--model_name=m", f"--model_base_path={base}", "--file_system_poll_wait_seconds=0", *flags
    program = [sys.executable, "-m", "serving.server", *ports, *flags]
    process = subprocess.Popen(program, env=environment(), stderr=subprocess.DEVNULL)
    try:
        with Client(f"127.0.0.1:{port}", "m", timeout=120) as client:
            client.wait_until_ready(300)
            yield Served(port, rest_port, process.pid, client)
    finally:
        process.terminate()
        process.wait()


def environment():
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
