"""The stacks, what each needs of a machine, and which one fits this machine. Standard library only, Python 3.8 on."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Tuple

Version = Tuple[int, int]


class Stack(NamedTuple):
    name: str
    pythons: Tuple[Version, ...]  # best first
    min_glibc: Version = (2, 28)
    venv: str = ".venv"
    has_project: bool = True
    has_hashes: bool = True
    has_weights: bool = True


class Interpreter(NamedTuple):
    path: str
    version: Version


class Setup(Exception):
    """Ends the set-up with one line and an exit code."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


# Best first: TFX 1.21 wherever its wheels load, since TFX 1.16 is bound to Python 3.10.
TFX_STACKS = (Stack("tfx-1.21", ((3, 12), (3, 11)), min_glibc=(2, 39)), Stack("tfx-1.16", ((3, 10),)))
STACKS = {
    stack.name: stack
    for stack in (
        *TFX_STACKS,
        Stack("core", ((3, 12), (3, 11)), venv=".venv-core"),
        # Not the product: what benchmarks and tests run beside it, each in an environment of its own.
        Stack("peers", ((3, 11), (3, 12)), venv=".venv-peers", has_project=False, has_hashes=False),
        *(
            Stack(name, ((3, 10), (3, 11), (3, 12)), venv=f".venv-{name}", has_project=False, has_weights=False)
            for name in ("ovmsclient", "min-tfs-client", "deploy-checks")
        ),
    )
}


def choose(stack_name: Optional[str], glibc: Version, pythons: List[Interpreter]) -> Tuple[Stack, Interpreter]:
    """The first stack, and for it the first Python, that this machine can run.

    Raises `Setup` with code 2 when there is none.
    """
    wanted = [STACKS[stack_name]] if stack_name else list(TFX_STACKS)
    fitting = [stack for stack in wanted if glibc >= stack.min_glibc]
    if glibc == (0, 0):
        raise Setup("no glibc on x86-64 here: TensorFlow Text and TFX have no wheels for this machine", 2)
    if not fitting:
        oldest = min(stack.min_glibc for stack in wanted)
        needs = f"{stack_name or 'TFX'} needs Linux with glibc {dotted(oldest)} or newer"
        raise Setup(f"glibc {dotted(glibc)} is too old: {needs}", 2)
    for stack in fitting:
        for version in stack.pythons:
            for python in pythons:
                if python.version == version:
                    return stack, python
    versions = [dotted(version) for stack in fitting for version in stack.pythons]
    raise Setup(
        f"no Python {' or '.join(versions)} with venv found on PATH, in pyenv or in uv: install one, "
        f"for example `pyenv install {versions[0]}` or `uv python install {versions[0]}`",
        2,
    )


def glibc_version() -> Version:
    """(0, 0) where this is no x86-64 Linux with glibc."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return (0, 0)
    try:
        words = os.confstr("CS_GNU_LIBC_VERSION").split()
        major, minor = words[1].split(".")[:2]
        return int(major), int(minor)
    except (ValueError, OSError, AttributeError, IndexError):
        return (0, 0)


def find_pythons() -> List[Interpreter]:
    """Every usable Python of a version that some stack wants."""
    found = {}
    for path in python_paths(os.environ):
        python = probe(path)
        if python:
            found.setdefault(python.path, python)
    return list(found.values())


def python_paths(environ) -> Iterator[str]:
    """Where a wanted Python may be: PATH, then pyenv's versions, then uv's."""
    names = ["python%s" % dotted(v) for v in sorted({v for stack in STACKS.values() for v in stack.pythons})]
    for folder in environ.get("PATH", "").split(os.pathsep):
        for name in names:
            if folder and os.access(os.path.join(folder, name), os.X_OK):
                yield os.path.join(folder, name)
    home = Path(environ.get("HOME", "/"))
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    uv = Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    for folder in (pyenv, uv):
        for name in names:
            yield from (str(path) for path in sorted(folder.glob("*/bin/" + name), reverse=True))


def probe(path: str) -> Optional[Interpreter]:
    """The Python at `path`, or None when it does not start or cannot make environments.

    pyenv's shims start only for versions that are switched on; Debian's python3 has no ensurepip by default.
    """
    question = "import ensurepip, venv, sys; print(sys.executable); print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([path, "-Ic", question], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        executable, version = answer.stdout.decode().splitlines()
        major, minor = version.split()
        return Interpreter(executable, (int(major), int(minor)))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def dotted(version: Version) -> str:
    return ".".join(map(str, version))
