"""Regenerate requirements/<stack>.txt from requirements/<stack>.in: exact pins, hashes, nothing about this machine.

    python3 scripts/lock.py [STACK ...]

uv resolves; it lives in a throw-away environment.
"""

import subprocess
import sys
import tempfile
import venv
from typing import NamedTuple

from environment import ROOT
from stacks import STACKS, dotted

UV = "uv==0.13.8"


class Cutoff(NamedTuple):
    """Nothing published after `newest` goes into the lock, so that it can be made again."""

    newest: str
    later: tuple = ()  # packages that may be as new as LATER
    platform: str = "x86_64-manylinux_2_28"
    drop: tuple = ()  # name prefixes left out


LATER = "2026-01-20"
CUTOFFS = {
    # The Google client packages of autumn 2025 and later warn about Python 3.10, fifteen times at each import of TFX.
    "tfx-1.16": Cutoff(
        "2025-08-15",
        later=("keras", "keras-nlp", "keras-hub", "kagglehub", "kagglesdk", "pytest", "ruff"),
    ),
    "tfx-1.21": Cutoff("2026-11-15", platform="x86_64-manylinux_2_39"),
    "core": Cutoff("2026-11-15"),
    # The peers run on the CPU build of torch, which needs none of what the CUDA build asks for.
    "peers": Cutoff("2026-11-15", drop=("nvidia-", "cuda-", "triton")),
    "ovmsclient": Cutoff("2026-01-20"),
    "min-tfs-client": Cutoff("2026-01-20"),
    "deploy-checks": Cutoff("2026-01-20"),
}
WEIGHTS_NEWEST = "2026-11-15"  # the weights came out after the first stack's cut-off


def main(names):
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        subprocess.run([f"{folder}/bin/pip", "install", "-q", UV], check=True)
        uv = f"{folder}/bin/uv"
        for name in names or STACKS:
            path = ROOT / "requirements" / f"{name}.txt"
            path.write_text(lock_text(uv, name))
            print(f"{path.relative_to(ROOT)}: {path.read_text().count('==')} packages")


def lock_text(uv, name):
    """The lock made for the stack's oldest Python, shown to hold everything that its other Pythons need."""
    stack, cutoff = STACKS[name], CUTOFFS[name]
    oldest, *others = sorted(stack.pythons)
    form = ["--python-platform", cutoff.platform, *(["--generate-hashes"] if stack.has_hashes else [])]
    options = [*form, "--exclude-newer", cutoff.newest]
    for package in cutoff.later:
        options += ["--exclude-newer-package", f"{package}={LATER}"]
    pins = compile_pins(uv, name, [*options, "--python-version", dotted(oldest)])
    if stack.has_weights:
        newest = ["--exclude-newer", WEIGHTS_NEWEST]
        pins += compile_pins(uv, "weights", [*form, *newest, "--no-deps", "--python-version", dotted(oldest)])
    entries = split_entries(pins)
    entries = {key: text for key, text in entries.items() if not key.startswith(cutoff.drop or ("\0",))}
    for version in others:
        check_covers(uv, name, options, version, entries)
    header = (
        f"# Made by `make lock` from {name}.in: Python {', '.join(map(dotted, sorted(stack.pythons)))}; "
        f"cut-off {cutoff.newest}.\n# Complete: install it without dependency resolution (pip --no-deps).\n"
    )
    return header + "".join(entries[key] for key in sorted(entries))


def check_covers(uv, name, options, version, entries):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write("\n".join(text.split()[0] for text in entries.values()))
        pins.flush()
        other = compile_pins(uv, name, [*options, "--python-version", dotted(version), "-c", pins.name])
    missing = set(split_entries(other)) - set(entries)
    if {key for key in missing if not key.startswith(CUTOFFS[name].drop or ("\0",))}:
        sys.exit(f"{name}: Python {dotted(version)} needs {sorted(missing)} too, which the lock lacks")


def compile_pins(uv, name, options):
    quiet = ["-q", "--no-config", "--no-header", "--no-annotate", "--no-emit-index-url"]
    command = [uv, "pip", "compile", *quiet, *options]
    result = subprocess.run(
        [*command, f"requirements/{name}.in"], cwd=ROOT, stdout=subprocess.PIPE, universal_newlines=True, check=True
    )
    return result.stdout


def split_entries(text):
    """{package name: its lines}"""
    entries, name = {}, None
    for line in text.splitlines(keepends=True):
        if line[0].isalnum():
            name = line.split("==")[0]
        entries[name] = entries.get(name, "") + line
    return entries


if __name__ == "__main__":
    main(sys.argv[1:])
