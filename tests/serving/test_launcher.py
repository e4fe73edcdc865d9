"""Which server is started, with which flags, and what is refused before."""

import os
import socket
import sys

import pytest

from serving.ports import free_ports
from serving.server import launcher


@pytest.fixture
def model_path(tmp_path):
    (tmp_path / "reviews" / "1").mkdir(parents=True)
    (tmp_path / "reviews" / "1" / "saved_model.pb").write_bytes(b"")
    return tmp_path / "reviews"


@pytest.fixture
def genuine(tmp_path, monkeypatch):
    """A program named tensorflow_model_server on an otherwise empty PATH."""
    program = tmp_path / "bin" / "tensorflow_model_server"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


@pytest.fixture
def nothing_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def test_the_embedded_server_is_started_where_the_genuine_one_is_not(nothing_installed, model_path):
    flags = launcher.model_flags(model_path, "reviews", port=1, rest_api_port=2)
    launch = launcher.plan(flags)
    assert launch.embedded
    assert launch.argv == [
        sys.executable,
        "-m",
        "serving.server",
        "--port=1",
        "--rest_api_port=2",
        "--model_name=reviews",
        f"--model_base_path={model_path}",
    ]
    assert launch.description == (
        "tensorflow_model_server is not installed: starting the embedded server, not TensorFlow Serving"
    )


def test_the_genuine_server_is_started_where_it_is_installed(genuine, model_path):
    launch = launcher.plan(["--port=1", "--host=127.0.0.1"])
    assert not launch.embedded
    assert launch.argv == [str(genuine), "--port=1"]
    assert launch.description == (f"starting {genuine} (without --host=127.0.0.1: it listens on all addresses)")


def test_the_genuine_server_is_not_started_in_place_of_one_with_extensions(genuine):
    with pytest.raises(launcher.BadLaunch) as caught:
        launcher.plan(["--port=1", "--ext_auth_token_file=f"])
    assert str(caught.value) == (
        "--ext_auth_token_file is an extension of the embedded server: leave it out, or run python -m serving.server"
    )


def test_a_binary_can_be_named(genuine, nothing_installed):
    assert launcher.plan([], binary=str(genuine)).argv == [str(genuine)]


@pytest.mark.parametrize(
    "start, text",
    [
        (lambda base: launcher.model_flags(base / "none", "m"), "none is no folder"),
        (
            lambda base: launcher.model_flags(base / "reviews" / "1", "m"),
            "is one SavedModel: a server needs the folder",
        ),
        (lambda base: launcher.model_flags(base, "m"), "holds no model version: expected"),
        (lambda base: launcher.plan([], binary="/no/such"), "/no/such is no program that can be run"),
        (lambda base: launcher.plan(["--model_base_path=/m", "--port=a"]), "Couldn't interpret value a for flag port."),
    ],
)
def test_what_cannot_be_started_is_told_in_one_sentence(nothing_installed, model_path, start, text):
    with pytest.raises(launcher.BadLaunch, match=text.replace(".", "\\.")) as caught:
        start(model_path.parent)
    assert "\n" not in str(caught.value)


def test_serve_becomes_the_server(nothing_installed, model_path, monkeypatch, capsys):
    became = []
    monkeypatch.setattr(os, "execve", lambda *arguments: became.append(arguments))
    port, rest_port = free_ports(2)
    launcher.serve(model_path, "reviews", port, rest_port, flags=["--file_system_poll_wait_seconds=2"])
    program, argv, env = became[0]
    assert (program, argv[-1]) == (sys.executable, "--file_system_poll_wait_seconds=2")
    assert "embedded server, not TensorFlow Serving" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told_before_the_server_starts(nothing_installed, model_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (free,) = free_ports(1)
        for ports, option in (((port, free), "--port"), ((free, port), "--rest-port")):
            with pytest.raises(launcher.BadLaunch, match=f"^{option} {port}: cannot listen on 127.0.0.1 .Address alr"):
                launcher.serve(model_path, "reviews", *ports)
