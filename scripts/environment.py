"""Choose a stack and a Python for this machine, and keep a virtual environment of the stack's lock ready.

    scripts/setup [--stack NAME] [--venv DIR]

Standard library only, any Python from 3.8 on: this runs before anything is installed. A stamp inside the environment
says which lock it was made from and is written last, so a run that was stopped midway leaves none and the next one
starts afresh. Exit codes: 0 ready; 1 making it failed; 2 no Python here fits.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, Optional, Tuple

from stacks import STACKS, Interpreter, Setup, Stack, choose, dotted, find_pythons, glibc_version

ROOT = Path(__file__).resolve().parent.parent
STAMP = "bert-keras-setup.json"


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stack", choices=sorted(STACKS), help="default: the TFX stack that fits this machine")
    parser.add_argument("--venv", type=Path, help="default: .venv, or .venv-NAME for a stack that is not a TFX one")
    options = parser.parse_args(arguments)
    venv = options.venv or Path(STACKS[options.stack].venv if options.stack else ".venv")
    try:
        ensure(ROOT / venv, options.stack)
    except Setup as stop:
        print(f"setup: {stop}", file=sys.stderr)
        return stop.code
    except KeyboardInterrupt:
        print(f"\nsetup: stopped; the next call makes {venv} anew", file=sys.stderr)
        return 1
    return 0


def ensure(venv: Path, stack_name: Optional[str] = None) -> None:
    """Returns once `venv` holds the stack of that name (default: the one that fits) and the project."""
    if missing_parts(venv, stack_name) == []:
        return
    with only_one(venv):
        missing = missing_parts(venv, stack_name)  # another run may have done the work meanwhile
        if "packages" in missing:
            stack, python = choose(stack_name, glibc_version(), find_pythons())
            build(venv, stack, python)
        elif "project" in missing:
            stack = STACKS[read_stamp(venv)["stack"]]
            install_project(venv, stack)


def missing_parts(venv: Path, stack_name: Optional[str] = None) -> List[str]:
    """Which of "packages" and "project" still have to be installed."""
    stamp = read_stamp(venv)
    stack = STACKS.get(str(stamp.get("stack")))
    whole = (
        stack is not None
        and stack_name in (None, stack.name)
        and stamp.get("home") == str(venv)  # scripts inside hold absolute paths, so a moved one is useless
        and stamp.get("lock") == digest(lock_file(stack))
        and (venv / "bin" / "python").exists()  # False too when the Python it links to is gone
    )
    if not whole:
        return ["packages", "project"]
    return [] if stamp.get("project") == project_digest(stack) else ["project"]


def build(venv: Path, stack: Stack, python: Interpreter) -> None:
    """Makes `venv` anew. The stamp goes first and comes last."""
    if not may_replace(venv):
        raise Setup(f"{venv} is no environment, or holds more than one, which would be lost: name another place", 2)
    lock = lock_file(stack)
    total = len(locked_names(lock))
    say(f"setting up {venv.name}: {stack.name}, Python {dotted(python.version)}, {total} packages, a few minutes")
    if (venv / STAMP).exists():
        (venv / STAMP).unlink()
    if venv.exists():
        shutil.rmtree(venv)
    run([python.path, "-m", "venv", str(venv)], "making the environment", venv)
    checked = ["--require-hashes"] if stack.has_hashes else []
    # Packages that come as source are built with the locked setuptools, not with whatever is newest today.
    builders = venv / "builders.txt"
    builders.write_text(lock_entries(lock, ("setuptools", "wheel")))
    pip(venv, ["--no-deps", *checked, "-r", str(builders)])
    builders.unlink()
    pip(venv, ["--no-deps", "--no-build-isolation", *checked, "-r", str(lock)], total)
    stamp = {"stack": stack.name, "home": str(venv), "lock": digest(lock), "python": python.path}
    install_project(venv, stack, stamp)


def may_replace(venv: Path) -> bool:
    """Whether nothing is lost with `venv`: it is not there, or an environment, or what a stop left of one."""
    if venv.is_symlink() or (venv.exists() and not venv.is_dir()):
        return False
    parts = {"bin", "include", "lib", "lib64", "share", "etc", STAMP, STAMP + ".partial", "builders.txt"}
    return not venv.exists() or (venv / "pyvenv.cfg").is_file() or {path.name for path in venv.iterdir()} <= parts


def install_project(venv: Path, stack: Stack, stamp: Optional[dict] = None) -> None:
    """Installs the checkout itself as an editable package (where the stack wants it) and stamps the environment."""
    stamp = stamp or read_stamp(venv)
    if stack.has_project:
        pip(venv, ["--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    stamp["project"] = project_digest(stack)
    partial = venv / (STAMP + ".partial")
    partial.write_text(json.dumps(stamp, indent=1))
    partial.replace(venv / STAMP)


def pip(venv: Path, arguments: List[str], total: int = 0) -> None:
    """Runs `pip install`; shows how many of `total` packages were fetched, and the last lines when it fails."""
    command = [str(venv / "bin" / "python"), "-Im", "pip", "install", "--no-input", "--progress-bar", "off", *arguments]
    run(command, "pip", venv, total)


def run(command: List[str], what: str, venv: Path, total: int = 0) -> None:
    tail, fetched = [], 0
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
        cwd=str(ROOT), universal_newlines=True, errors="replace", close_fds=False,
    ) as process:  # fmt: skip
        for line in process.stdout:
            tail = [*tail[-14:], line.rstrip()]
            if total and line.startswith(("Collecting ", "Processing ")):
                fetched += 1
                show_progress(fetched, total)
            elif total and line.startswith("Installing collected"):
                say("fetched all; installing")
    if process.returncode:
        print("\n".join(tail), file=sys.stderr)
        raise Setup(f"{what} failed (exit code {process.returncode}); the last lines above say why", 1)


def show_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\rfetched {done} of {total} packages", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done % 50 == 0:
        say(f"fetched {done} of {total} packages")


class only_one:
    """Holds other set-ups of the same environment back until this one is done."""

    def __init__(self, venv: Path):
        venv.parent.mkdir(parents=True, exist_ok=True)
        self.path = venv.with_name(venv.name + ".lock")

    def __enter__(self):
        self.file = open(self.path, "w")
        # A pip that outlives a killed set-up holds the lock on, so that nobody builds where it still writes.
        os.set_inheritable(self.file.fileno(), True)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up of this environment is running; waiting for it")
            fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


def read_stamp(venv: Path) -> dict:
    try:
        stamp = json.loads((venv / STAMP).read_text())
        return stamp if isinstance(stamp, dict) else {}
    except (OSError, ValueError):
        return {}


def lock_file(stack: Stack) -> Path:
    return ROOT / "requirements" / (stack.name + ".txt")


def locked_names(lock: Path) -> List[str]:
    return [line.split("==")[0] for line in lock.read_text().splitlines() if "==" in line and line[0].isalnum()]


def lock_entries(lock: Path, names: Tuple[str, ...]) -> str:
    """The entries of `lock` for these packages, hashes included."""
    kept, keeping = [], False
    for line in lock.read_text().splitlines():
        if line and not line[0].isspace():
            keeping = line.split("==")[0] in names
        if keeping:
            kept.append(line)
    return "\n".join(kept) + "\n"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def project_digest(stack: Stack) -> str:
    return digest(ROOT / "pyproject.toml") if stack.has_project else ""


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
