"""The server as a process of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

from serving.ports import free_ports, is_open
from tests.serving.endpoint import Endpoint

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A server with the flags `arguments`, on free ports or on `ports`, for gRPC and REST.

    What it writes is at hand through `process.stdout` and `process.stderr`, or in the file `log`.
    """

    def __init__(self, *arguments, ports=None, log=None):
        self.port, self.rest_port = ports or free_ports(2)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        flags = f"--port={self.port}", f"--rest_api_port={self.rest_port}"
        program = [sys.executable, "-m", "serving.server", *flags, *arguments]
        if log is None:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(program, env=environment, stdout=pipe, stderr=pipe, text=True)
        else:
            with open(log, "ab") as file:
                self.process = subprocess.Popen(program, env=environment, stdout=file, stderr=file)
        self.endpoint = Endpoint(f"127.0.0.1:{self.port}", f"http://127.0.0.1:{self.rest_port}")

    def wait_for_port(self, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if is_open(self.rest_port):
                return
            time.sleep(0.1)
        raise AssertionError(f"no server: {self.process.communicate(timeout=5)}")

    def resident_mb(self):
        """Its memory, in MB."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak_mb(self):
        """The most memory it ever had, in MB; since `forget_peak`, where that was called."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
