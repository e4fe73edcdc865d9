"""Which stack and which Python the set-up takes, and what it says where none fits."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import stacks
from stacks import Interpreter, Setup, choose

SCRIPTS = Path(stacks.__file__).parent
DEBIAN_12, DEBIAN_13 = (2, 36), (2, 41)


def pythons(*versions):
    return [Interpreter(f"/python{major}.{minor}", (major, minor)) for major, minor in versions]


def chosen(stack, glibc, *versions):
    stack, python = choose(stack, glibc, pythons(*versions))
    return stack.name, python.version


def test_old_glibc_takes_tfx_1_16_on_python_3_10():
    assert chosen(None, DEBIAN_12, (3, 12), (3, 11), (3, 10)) == ("tfx-1.16", (3, 10))


def test_new_glibc_takes_tfx_1_21_on_the_newest_python_it_supports():
    assert chosen(None, DEBIAN_13, (3, 10), (3, 11), (3, 12)) == ("tfx-1.21", (3, 12))
    assert chosen(None, DEBIAN_13, (3, 10), (3, 11)) == ("tfx-1.21", (3, 11))


def test_new_glibc_with_python_3_10_alone_takes_tfx_1_16():
    assert chosen(None, DEBIAN_13, (3, 10)) == ("tfx-1.16", (3, 10))


def test_a_named_stack_is_taken_whatever_else_would_fit():
    assert chosen("core", DEBIAN_13, (3, 10), (3, 11), (3, 12)) == ("core", (3, 12))
    assert chosen("tfx-1.16", DEBIAN_13, (3, 10), (3, 12)) == ("tfx-1.16", (3, 10))


@pytest.mark.parametrize(
    "stack, glibc, versions, words",
    [
        (None, DEBIAN_12, [(3, 11), (3, 12)], "no Python 3.10 with venv"),
        (None, DEBIAN_13, [], "no Python 3.12 or 3.11 or 3.10 with venv"),
        ("core", DEBIAN_12, [(3, 10)], "no Python 3.12 or 3.11 with venv"),
        ("tfx-1.21", DEBIAN_12, [(3, 12)], "glibc 2.36 is too old: tfx-1.21 needs Linux with glibc 2.39"),
        (None, (2, 17), [(3, 10)], "glibc 2.17 is too old: TFX needs Linux with glibc 2.28"),
        (None, (0, 0), [(3, 10)], "no glibc on x86-64 here"),
    ],
)
def test_where_nothing_fits_one_line_says_what_to_install(stack, glibc, versions, words):
    with pytest.raises(Setup, match="^" + words) as stop:
        choose(stack, glibc, pythons(*versions))
    assert stop.value.code == 2
    assert "\n" not in str(stop.value)


def test_pythons_are_looked_for_on_path_then_in_pyenv_then_in_uv(tmp_path):
    wanted = [
        executable(tmp_path / "path" / "python3.11"),
        executable(tmp_path / ".pyenv/versions/3.10.13/bin/python3.10"),
        executable(tmp_path / ".local/share/uv/python/cpython-3.12/bin/python3.12"),
    ]
    executable(tmp_path / "path" / "python3.9")
    found = list(stacks.python_paths({"HOME": str(tmp_path), "PATH": f"/nowhere:{tmp_path / 'path'}"}))
    assert found == wanted


def test_pyenv_and_uv_may_live_elsewhere(tmp_path):
    wanted = [
        executable(tmp_path / "a/versions/3.10.1/bin/python3.10"),
        executable(tmp_path / "b/x/bin/python3.11"),
    ]
    places = {"PYENV_ROOT": str(tmp_path / "a"), "UV_PYTHON_INSTALL_DIR": str(tmp_path / "b")}
    assert list(stacks.python_paths({"HOME": "/nowhere", "PATH": "", **places})) == wanted


def test_a_python_that_does_not_start_or_has_no_venv_is_passed_over(tmp_path):
    shim = executable(tmp_path / "shim", "echo 'version not switched on' >&2; exit 127")
    assert stacks.probe(shim) is None
    assert stacks.probe(str(tmp_path / "missing")) is None
    assert stacks.probe(sys.executable).version == sys.version_info[:2]


def test_no_python_at_all_is_one_line_and_exit_code_2(tmp_path):
    for tool in ("sh", "dirname", "ls"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    done = run_setup([], {"HOME": str(tmp_path), "PATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.startswith("setup: no Python 3 here: install Python 3.10")
    assert len(done.stderr.splitlines()) == 1


def test_a_python_that_fits_no_stack_is_one_line_and_exit_code_2(tmp_path):
    executable(tmp_path / "python3", f'exec {sys.executable} "$@"')
    for tool in ("sh", "dirname", "ls"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    place = ["--venv", str(tmp_path / "environment")]
    done = run_setup(place, {"HOME": str(tmp_path), "PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.startswith("setup: no Python 3.1")
    assert len(done.stderr.splitlines()) == 1


def executable(path, script="exit 0"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    os.chmod(path, 0o755)
    return str(path)


def run_setup(arguments, environment):
    return subprocess.run([SCRIPTS / "setup", *arguments], env=environment, capture_output=True, text=True, timeout=60)
