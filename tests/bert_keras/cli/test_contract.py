"""The exit-code contract, on a small command tree of its own."""

import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from bert_keras.cli import contract
from bert_keras.errors import BadInput, WorkFailed

OUTCOMES = {
    "fine": None,
    "bad": BadInput("f.csv, row 2: wrong;\n   mend it"),
    "failed": WorkFailed("it did not converge"),
    "defect": ZeroDivisionError("first line\nsecond line"),
    "silent": RuntimeError(),
    "traced": ValueError("in user code:\n\n    File 'x', line 1\n\n    ValueError: the message\n"),
    "interrupted": KeyboardInterrupt(),
    "abort": click.Abort(),
    "pipe": BrokenPipeError(),
}


@click.group(cls=contract.Group)
def tree():
    pass


@tree.command()
@click.argument("outcome")
@click.option("--number", type=int)
def end(outcome, number):
    click.echo("begun")
    if OUTCOMES[outcome]:
        raise OUTCOMES[outcome]


@tree.group()
def inner():
    pass


@inner.command()
def leaf():
    raise BadInput("deep")


def run(*args):
    result = CliRunner().invoke(tree, list(args))
    return result.exit_code, result.stderr


@pytest.mark.parametrize("outcome, code, line", [
    ("fine", 0, ""),
    ("bad", 2, "bert-keras: f.csv, row 2: wrong; mend it\n"),
    ("failed", 1, "bert-keras: it did not converge\n"),
    ("defect", 1, "bert-keras: failed: ZeroDivisionError: first line (--debug shows where)\n"),
    ("silent", 1, "bert-keras: failed: RuntimeError: no message (--debug shows where)\n"),
    ("traced", 1, "bert-keras: failed: ValueError: the message (--debug shows where)\n"),
    ("interrupted", 130, "bert-keras: interrupted\n"),
    ("abort", 130, "bert-keras: interrupted\n"),
    ("pipe", 141, ""),
])  # fmt: skip
def test_every_outcome_has_its_code_and_one_line(outcome, code, line):
    assert run("end", outcome) == (code, line)


@pytest.mark.parametrize("args, said", [
    ([], "Missing command; see bert-keras --help"),
    (["inner"], "Missing command; see bert-keras inner --help"),
    (["nothing"], "No such command 'nothing'"),
    (["end"], "Missing argument 'OUTCOME'; see bert-keras end --help"),
    (["end", "fine", "--number", "x"], "Invalid value for '--number': 'x' is not a valid integer"),
    (["end", "fine", "--nmber", "1"], "No such option"),
    (["--nothing"], "No such option"),
])  # fmt: skip
def test_wrong_usage_is_one_line_and_code_2(args, said):
    code, stderr = run(*args)
    assert code == 2 and stderr.count("\n") == 1 and stderr.startswith("bert-keras: ") and said in stderr


@pytest.mark.parametrize("args", [["--debug", "end", "bad"], ["end", "--debug", "bad"], ["end", "bad", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(args):
    code, stderr = run(*args)
    assert (
        code == 2 and stderr.startswith("Traceback") and stderr.endswith("bert-keras: f.csv, row 2: wrong; mend it\n")
    )


def test_debug_reaches_commands_of_inner_groups():
    assert "Traceback" in run("--debug", "inner", "leaf")[1] and "Traceback" in run("inner", "leaf", "--debug")[1]
    assert run("inner", "leaf") == (2, "bert-keras: deep\n")


def test_help_is_code_0():
    assert run("--help")[0] == run("end", "--help")[0] == 0


CHILD = """
import sys, time, click
from bert_keras.cli import contract
@click.group(cls=contract.Group)
def tree(): pass
@tree.command()
def wait():
    try:
        print("ready", flush=True); time.sleep(60)
    finally:
        print("cleaned", flush=True)
@tree.command()
def flood():
    while True: print("x" * 1000)
@tree.command()
def drop():
    print("x")
tree()
"""


def child(command):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell that runs the tests in the background has them ignore SIGINT, and children inherit that.
    listen = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    return subprocess.Popen([sys.executable, "-c", CHILD, command], text=True, **pipes, **listen)


@pytest.mark.parametrize(
    "number, code, line", [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_signal_ends_the_command_after_its_clean_up(number, code, line):
    process = child("wait")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (code, "cleaned\n", f"bert-keras: {line}\n")


@pytest.mark.parametrize("command", ["flood", "drop"])
def test_a_reader_that_goes_away_is_no_error_message(command):
    process = child(command)
    process.stdout.close()
    assert (process.wait(timeout=30), process.stderr.read()) == (141, "")
