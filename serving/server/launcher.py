"""Starts a model server: tensorflow_model_server where it is installed, else the embedded one. The flags are the same.

serve("exported/reviews", "reviews")            # never returns: the process becomes the server
launch = plan(model_flags("exported/reviews", "reviews"))    # or: what would be run
subprocess.Popen(launch.argv, env=launch.env)
"""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.ports import why_not_free
from serving.server import versions
from serving.server.flags import BadFlag, check, extensions, parse
from serving.server.status import ServingError

BINARY = "tensorflow_model_server"
EMBEDDED = "python -m serving.server"


class BadLaunch(ValueError):
    """Nothing can be started; one sentence that says why and what to do."""


@dataclass(frozen=True)
class Launch:
    """What to run, and which server that is."""

    argv: list[str]
    env: dict[str, str]
    embedded: bool
    description: str


def serve(
    model_path: str | os.PathLike,
    model_name: str,
    port: int = 8500,
    rest_api_port: int = 8501,
    host: str | None = None,
    flags: Sequence[str] = (),
    binary: str | None = None,
) -> None:
    """Says which server it starts, and becomes it: signals and the exit code are the server's own.

    Args:
        model_path: folder with version folders (`1/saved_model.pb`).
        flags: further flags, "--name=value".
        binary: path or name of a tensorflow_model_server to use.

    Raises BadLaunch, where a port is taken too: a server would tell that in its own way, and with its own exit code.
    """
    launch = plan([*model_flags(model_path, model_name, port, rest_api_port, host), *flags], binary)
    _check_ports({"--port": port, "--rest-port": rest_api_port}, host or "127.0.0.1")
    print(launch.description, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os.execve(launch.argv[0], launch.argv, launch.env)


def _check_ports(ports: dict[str, int], host: str) -> None:
    for option, port in ports.items():
        if port and (reason := why_not_free(port, host)):
            raise BadLaunch(f"{option} {port}: cannot listen on {host} ({reason}): choose another port, or address")


def model_flags(
    model_path: str | os.PathLike, model_name: str, port: int = 8500, rest_api_port: int = 8501, host: str | None = None
) -> list[str]:
    """Flags that serve one model. Raises BadLaunch when the folder holds no SavedModel version."""
    base = Path(model_path).resolve()
    if not base.is_dir():
        raise BadLaunch(f"{model_path} is no folder: expected one with version folders, such as {base.name}/1")
    if (base / "saved_model.pb").exists():
        raise BadLaunch(
            f"{model_path} is one SavedModel: a server needs the folder above it, with versions as numbered folders "
            f"({base.name}/1/saved_model.pb)"
        )
    if not any((folder / "saved_model.pb").exists() for folder in versions.scan(str(base)).values()):
        raise BadLaunch(f"{model_path} holds no model version: expected {base.name}/1/saved_model.pb; export one first")
    flags = [f"--port={port}", f"--rest_api_port={rest_api_port}"]
    flags += [f"--model_name={model_name}", f"--model_base_path={base}"]
    return flags + ([f"--host={host}"] if host else [])


def plan(flags: Sequence[str], binary: str | None = None) -> Launch:
    """The command for these flags. Raises BadLaunch for a binary that is not there or flags that cannot be used."""
    found = shutil.which(binary or BINARY)
    if binary and not found:
        raise BadLaunch(f"{binary} is no program that can be run: expected the path of a {BINARY}")
    if found:
        return _genuine(found, flags)
    try:
        check(parse(list(flags)).flags)
    except BadFlag as error:
        raise BadLaunch(str(error)) from None
    except ServingError as error:
        raise BadLaunch(error.message) from None
    # The module is found from any working directory, installed or not.
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return Launch(
        argv=[sys.executable, "-m", "serving.server", *flags],
        env={**os.environ, "PYTHONPATH": path},
        embedded=True,
        description=f"{BINARY} is not installed: starting the embedded server, not TensorFlow Serving",
    )


def _genuine(program: str, flags: Sequence[str]) -> Launch:
    kept, dropped = [], []
    for flag in flags:
        name = flag.lstrip("-").partition("=")[0]
        if name.startswith("ext_"):
            # A server without the token check that was asked for would be worse than none.
            raise BadLaunch(f"--{name} is an extension of the embedded server: leave it out, or run {EMBEDDED}")
        (dropped if name in extensions() else kept).append(flag)
    note = f" (without {', '.join(dropped)}: it listens on all addresses)" if dropped else ""
    return Launch([os.path.abspath(program), *kept], dict(os.environ), False, f"starting {program}{note}")
