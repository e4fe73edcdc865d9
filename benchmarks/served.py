"""An embedded server in a process of its own, for the benchmarks of serving."""

import contextlib
import dataclasses
import os
import re
import subprocess
import sys
import urllib.request
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

    def batched(self):
        """Rows that ran in batches so far, and those batches: two floats, 0 without batching."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.rest_port}/monitoring/prometheus/metrics") as page:
            text = page.read().decode()
        found = [re.search(rf":processed_batch_size_{what}{{}} (\S+)", text) for what in ("sum", "count")]
        return tuple(float(number[1]) if number else 0.0 for number in found)


@contextlib.contextmanager
def serving(base, *flags):
    """Serves the versions under `base` as model `m`; yields `Served` when it answers."""
    port, rest_port = free_ports(2)
    ports = f"--port={port}", f"--rest_api_port={rest_port}"
    flags = "--model_name=m", f"--model_base_path={base}", "--file_system_poll_wait_seconds=0", *flags
    monitoring = Path(base, "monitoring.config")
    monitoring.write_text("prometheus_config { enable: true }")
    program = [sys.executable, "-m", "serving.server", *ports, f"--monitoring_config_file={monitoring}", *flags]
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
