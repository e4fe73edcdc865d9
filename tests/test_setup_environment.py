"""An environment is made once, found ready after that, and repaired when it is not whole."""

import hashlib
import json
import subprocess
import sys
import zipfile

import environment
import pytest
import stacks
from stacks import Interpreter, Setup, Stack

HERE = Interpreter(sys.executable, sys.version_info[:2])


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout whose stack "small" locks one tiny wheel; its set-up builds for real, without the network."""
    wheel = tiny_wheel(tmp_path, "1.0")
    (tmp_path / "requirements").mkdir()
    write_lock(tmp_path, wheel)
    (tmp_path / "pyproject.toml").write_text("")
    small = Stack("small", (HERE.version,), min_glibc=(0, 0), has_project=False)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setitem(stacks.STACKS, "small", small)
    monkeypatch.setattr(environment, "find_pythons", lambda: [HERE])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path


@pytest.fixture
def built(checkout):
    """The same with the marks of a whole environment, but nothing installed."""
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    lock = environment.digest(checkout / "requirements" / "small.txt")
    stamp = {"stack": "small", "home": str(venv), "lock": lock, "project": ""}
    (venv / environment.STAMP).write_text(json.dumps(stamp))
    assert environment.missing_parts(venv, "small") == []
    return venv


@pytest.mark.slow
def test_the_locked_packages_are_installed_and_a_stop_midway_is_repaired(checkout, monkeypatch):
    venv = checkout / ".venv"
    environment.ensure(venv, "small")
    assert version_inside(venv) == "1.0"
    made = (venv / "pyvenv.cfg").stat().st_mtime_ns

    environment.ensure(venv, "small")
    assert (venv / "pyvenv.cfg").stat().st_mtime_ns == made, "a whole environment was made again"

    write_lock(checkout, tiny_wheel(checkout, "2.0"))
    with monkeypatch.context() as patch:
        patch.setattr(environment, "run", stopped)
        with pytest.raises(KeyboardInterrupt):
            environment.ensure(venv, "small")
    assert environment.missing_parts(venv, "small") == ["packages", "project"]
    environment.ensure(venv, "small")
    assert version_inside(venv) == "2.0"


@pytest.mark.slow
def test_a_wheel_that_is_not_the_locked_one_is_refused(checkout, capsys):
    lock = checkout / "requirements" / "small.txt"
    lock.write_text(lock.read_text().replace("sha256:", "sha256:0000")[:-5] + "\n")
    with pytest.raises(Setup, match="pip failed") as stop:
        environment.ensure(checkout / ".venv", "small")
    assert stop.value.code == 1
    assert "HASHES" in capsys.readouterr().err
    assert environment.missing_parts(checkout / ".venv", "small")


def test_an_environment_whose_lock_changed_is_not_whole(built, checkout):
    with open(checkout / "requirements" / "small.txt", "a") as lock:
        lock.write("# more\n")
    assert environment.missing_parts(built, "small") == ["packages", "project"]


def test_an_environment_whose_python_is_gone_is_not_whole(built):
    (built / "bin" / "python").unlink()
    (built / "bin" / "python").symlink_to("/nowhere/python")
    assert environment.missing_parts(built, "small") == ["packages", "project"]


def test_an_environment_that_was_moved_is_not_whole(built):
    moved = built.rename(built.with_name("moved"))
    assert environment.missing_parts(moved, "small") == ["packages", "project"]


def test_an_environment_of_another_stack_is_not_whole(built):
    assert environment.missing_parts(built, "core") == ["packages", "project"]


def test_without_a_stack_named_the_one_that_is_there_stays(built):
    assert environment.missing_parts(built) == []


@pytest.mark.parametrize("stamp", ["", "[]", "{", "\x00", '{"stack": ["small"]}'])
def test_a_broken_stamp_is_no_stamp(built, stamp):
    (built / environment.STAMP).write_text(stamp)
    assert environment.missing_parts(built, "small") == ["packages", "project"]


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_no_environment_is_left_alone(checkout, kind):
    place = checkout / "place"
    if kind == "folder":
        (place / "bin").mkdir(parents=True)
        (place / "letter.txt").write_text("dear")
    elif kind == "file":
        place.write_text("dear")
    else:
        (checkout / "elsewhere").mkdir()
        place.symlink_to(checkout / "elsewhere")
    with pytest.raises(Setup, match="which would be lost") as stop:
        environment.ensure(place, "small")
    assert stop.value.code == 2
    assert place.is_symlink() or (place if place.is_file() else place / "letter.txt").read_text() == "dear"


def test_changed_metadata_reinstalls_the_project_and_nothing_else(built, checkout, monkeypatch):
    monkeypatch.setitem(stacks.STACKS, "small", stacks.STACKS["small"]._replace(has_project=True))
    calls = []
    monkeypatch.setattr(environment, "pip", lambda venv, arguments: calls.append(arguments))
    environment.ensure(built, "small")
    assert calls == [["--no-deps", "--no-build-isolation", "-e", str(checkout)]]
    environment.ensure(built, "small")
    assert len(calls) == 1


def test_lock_entries_keep_their_hashes(tmp_path):
    lock = tmp_path / "lock.txt"
    wheel = "wheel==2 \\\n    --hash=sha256:2 \\\n    --hash=sha256:3\n"
    lock.write_text(f"# head\na==1 \\\n    --hash=sha256:1\n{wheel}z==3\n")
    assert environment.lock_entries(lock, ("wheel",)) == wheel
    assert environment.locked_names(lock) == ["a", "wheel", "z"]


def stopped(command, what, venv, total=0):
    (venv / "bin").mkdir(parents=True)
    raise KeyboardInterrupt


def tiny_wheel(folder, version):
    path = folder / f"tiny_thing-{version}-py3-none-any.whl"
    info = f"tiny_thing-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny_thing.py", f"version = '{version}'\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-thing\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def write_lock(checkout, wheel):
    version = wheel.name.split("-")[1]
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = f"tiny-thing=={version} \\\n    --hash=sha256:{sha256}\n"
    (checkout / "requirements" / "small.txt").write_text(lock)


def version_inside(venv):
    command = [venv / "bin" / "python", "-c", "import tiny_thing; print(tiny_thing.version)"]
    return subprocess.check_output(command, text=True).strip()
