"""The suite as a command. Exit codes: 0 every case that could be run is ok, 1 a case failed, 2 bad usage or input."""

import argparse
import fnmatch
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from serving.conformance import report, usage
from serving.conformance.case import Case
from serving.conformance.cases import all_cases
from serving.conformance.models import CONFIG, FOLDERS, PLAIN, PLAIN_FLAGS
from serving.conformance.report import FAILED
from serving.conformance.runner import in_order, run_endpoint, run_program
from serving.conformance.setups import Program, words_of
from serving.conformance.subject import AVAILABLE, Subject
from serving.conformance.wire import Endpoint

_NAME = "serving.conformance"


class BadUsage(Exception):
    """One sentence: what is wrong, and what to do."""


class WorkFailed(Exception):
    """The suite itself could not do its work; one sentence."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    try:
        return _run(_parser().parse_args(argv))
    except BadUsage as error:
        _note(f"{_NAME}: {error}")
        return 2
    except WorkFailed as error:
        _note(f"{_NAME}: {error}")
        return 1
    except KeyboardInterrupt:
        _note(f"{_NAME}: interrupted")
        return 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadUsage(f"{message}; see python -m {_NAME} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=f"python -m {_NAME}", description="Does a server do what TensorFlow Serving does?")
    parser.add_argument("--executable", metavar="COMMAND", help="start this program, with flags that the cases need")
    parser.add_argument("--endpoint", metavar="HOST:PORT", help="ask this server over gRPC (see --write-models)")
    parser.add_argument("--rest", metavar="HOST:PORT", help="with --endpoint: the server's REST port")
    parser.add_argument(
        "--models",
        metavar="DIR",
        type=Path,
        help="a folder that --write-models wrote: saves writing it anew; with --endpoint, where the server sees it, "
        "for the cases that reload",
    )
    parser.add_argument(
        "--write-models", metavar="DIR", type=Path, help="write the suite's models, and say how to serve them"
    )
    parser.add_argument(
        "--only", metavar="ID", action="append", default=[], help="cases by id, such as '1.2/*'; repeatable"
    )
    parser.add_argument("--list", action="store_true", help="list the cases and what the genuine server does")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the results to this file")
    parser.add_argument(
        "--patience", metavar="SECONDS", type=float, default=300.0, help="how long a server may take to start (300)"
    )
    return parser


def _run(options) -> int:
    asked = [name for name in ("executable", "endpoint", "write_models", "list") if getattr(options, name)]
    if len(asked) != 1:
        raise BadUsage("give one of --executable, --endpoint, --write-models and --list; see --help")
    if options.write_models:
        return _write_models(options.write_models)
    if options.rest and not options.endpoint:
        raise BadUsage("--rest goes with --endpoint: with --executable the suite chooses the ports")
    cases = _chosen(options.only)
    if options.list:
        print(report.listing(cases))
        return 0
    if not options.patience > 0:
        raise BadUsage(f"--patience {options.patience:g}: expected a number of seconds above 0")
    if options.json and not options.json.resolve().parent.is_dir():
        raise BadUsage(f"--json {options.json}: its folder is not there; make it first")
    return _report(options, cases)


def _chosen(patterns: list[str]) -> list[Case]:
    cases = all_cases()
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(case.id, pattern) for case in cases):
            raise BadUsage(f"--only {pattern}: no case has such an id; --list shows them")
    chosen = {case.id for case in cases if any(fnmatch.fnmatchcase(case.id, p) for p in patterns or ["*"])}
    return in_order(cases, chosen)


def _report(options, cases: list[Case]) -> int:
    results = []
    with ExitStack() as stack:
        for result in _results(options, cases, stack):
            print(result.line(), flush=True)
            results.append(result)
    print("\n" + report.summary(results))
    if options.json:
        report.write_json(options.json, options.executable or options.endpoint, results)
    return 1 if any(result.outcome == FAILED for result in results) else 0


def _results(options, cases: list[Case], stack: ExitStack):
    if options.endpoint:
        return run_endpoint(cases, _running_server(options))
    try:
        argv = words_of(options.executable)
    except ValueError as error:
        raise BadUsage(f"--executable {options.executable!r}: {error}") from None
    if options.models:
        models = options.models.resolve()
        if missing := [name for name in (CONFIG, *FOLDERS) if not (models / name).exists()]:
            raise BadUsage(f"--models {options.models}: no {missing[0]} is there; write the folder with --write-models")
    else:
        models = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-"))) / "models"
        _note("writing the suite's models (TensorFlow starts for that)")
        _make_models(models)
    flags = frozenset(usage.defaults(argv, options.patience))
    return run_program(cases, Program(argv, models, flags, options.patience), _note)


def _running_server(options) -> Subject:
    """The server at --endpoint. Raises BadUsage where none answers there, or not with the suite's models."""
    rest = options.rest and (options.rest if "://" in options.rest else f"http://{options.rest}").rstrip("/")
    models = str(options.models) if options.models else None
    subject = Subject(Endpoint(options.endpoint, rest or ""), models, PLAIN)
    try:
        served = [name for name in PLAIN if subject.states(name).get(1, (0, 0))[0] == AVAILABLE]
    except Exception as error:
        raise BadUsage(f"--endpoint {options.endpoint}: no server answers there: {error}") from None
    if len(served) < len(PLAIN):
        missing = ", ".join(name for name in PLAIN if name not in served)
        raise BadUsage(
            f"--endpoint {options.endpoint}: the server does not serve the suite's models {missing}; "
            "--write-models DIR writes them and says how to serve them"
        )
    return subject


def _write_models(folder: Path) -> int:
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadUsage(f"--write-models {folder}: it is there and not empty; name a new folder")
    _make_models(folder)
    print(f"{folder} holds the suite's models. Serve them (in a container: under this same path) with\n")
    flags = ["--port=8500", "--rest_api_port=8501", f"--model_config_file={folder / CONFIG}", *PLAIN_FLAGS]
    print("  tensorflow_model_server " + " ".join(flags))
    print(f"\nand then\n\n  python -m {_NAME} --endpoint localhost:8500 --rest localhost:8501 --models {folder}")
    return 0


def _make_models(folder: Path) -> None:
    """In a process of its own: this one stays without TensorFlow."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    argv = [sys.executable, "-m", "serving.conformance.models", str(folder)]
    done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise WorkFailed(f"the models could not be written to {folder} (that needs TensorFlow): {last}")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
