"""The conformance suite: complete, true of the embedded server, and able to find a wrong one."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving.conformance import pems, program
from serving.conformance.cases import all_cases
from serving.conformance.models import CONFIG, FOLDERS, PLAIN
from serving.conformance.rows import PARTLY, ROWS, SECTIONS, UNOBSERVABLE, section_of
from tests.serving.until import until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def suite_models(tmp_path_factory):
    """What `--write-models` writes."""
    folder = tmp_path_factory.mktemp("conformance") / "models"
    assert program.main(["--write-models", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == {CONFIG, *FOLDERS}
    return folder


@pytest.fixture
def run(capsys):
    """`run("--list")`: exit code, stdout, stderr of the command."""

    def run_main(*arguments):
        code = program.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run_main


@pytest.fixture(scope="session")
def plain_server(suite_models):
    """--endpoint, --rest and --models of a server in this process with the suite's models."""
    from serving.server.app import ModelServer
    from serving.server.config import ModelSettings
    from serving.server.flags import Flags

    models = [ModelSettings(name, str(suite_models / name)) for name in PLAIN]
    with ModelServer(Flags(max_num_load_retries=0), models, any_port=True) as server:
        addresses = f"--endpoint=127.0.0.1:{server.port}", f"--rest=127.0.0.1:{server.rest_port}"
        yield [*addresses, f"--models={suite_models}"]


def outcomes(path):
    return {result["id"]: result["outcome"] for result in json.loads(path.read_text())["results"]}


# === Complete ===


def test_every_row_of_the_contract_has_a_case_or_a_reason_why_not():
    rows = {case.row for case in all_cases()}
    assert rows | set(UNOBSERVABLE) == set(ROWS)
    assert not rows & set(UNOBSERVABLE)
    assert set(PARTLY) <= rows
    assert {section_of(row) for row in ROWS} == set(SECTIONS)


def test_every_case_says_what_the_genuine_server_does_and_where_that_was_read():
    cases = all_cases()
    assert len({case.id for case in cases}) == len(cases)
    assert [case.id for case in cases if len(case.says) < 10 or not case.source] == []


def test_the_list_has_every_case_and_what_cannot_be_observed(run):
    code, listed, _ = run("--list")
    assert code == 0
    lines = listed.splitlines()
    assert [case.id for case in all_cases() if case.id not in lines] == []
    assert [row for row in UNOBSERVABLE if row not in lines] == []


def test_a_case_that_builds_on_others_brings_them_along(run):
    listed = run("--list", "--only", "1.7/polling")[1].partition("\n\n")[0]
    assert [line for line in listed.splitlines() if not line.startswith(" ")] == [
        "1.7/empty-base-path-waits",
        "1.7/ports-open-when-models-are-there",
        "1.8/model-name",
        "1.8/no-rest-port",
        "1.7/polling",
    ]


def test_the_suite_runs_no_tensorflow_and_nothing_of_our_server_or_client():
    code = (
        "import sys, serving.conformance.program as p; p.all_cases(); "
        "print([m for m in sys.modules if m == 'tensorflow' or m.startswith(('serving.server', 'serving.client'))])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "[]"


# === True of the embedded server ===


@pytest.mark.slow
def test_every_case_holds_for_the_embedded_server(run, suite_models, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    found = tmp_path / "found.json"
    server = f"{sys.executable} -m serving.server"
    code, told, _ = run("--executable", server, "--models", suite_models, "--json", found)
    assert [line for line in told.splitlines() if line.startswith("FAILED")] == []
    assert code == 0
    expected = {case.id: "skipped" if "tls" in case.needs and not pems.available() else "ok" for case in all_cases()}
    assert outcomes(found) == expected


@pytest.mark.slow
def test_a_server_that_runs_already_is_asked_what_needs_no_other_server(run, plain_server, tmp_path):
    found = tmp_path / "found.json"
    code, told, _ = run(*plain_server, "--only", "1.[1-4]/*", "--only", "1.8/tls*", "--json", found)
    assert code == 0, told
    expected = {
        case.id: "ok" if case.setup == "plain" else "skipped"
        for case in all_cases()
        if case.section in ("1.1", "1.2", "1.3", "1.4") or case.row.startswith("1.8/tls")
    }
    # Cases on versions build on each other: those before a chosen one are there too.
    assert expected.items() <= outcomes(found).items()
    assert "skipped  1.8/tls: needs --executable" in told


def test_without_rest_and_models_the_cases_that_need_them_are_told_as_skipped(run, plain_server, tmp_path):
    found = tmp_path / "found.json"
    given = plain_server[:1]
    code, told, _ = run(*given, "--only", "1.5/gzip", "--only", "1.4/reload-label", "--json", found)
    assert (code, outcomes(found)) == (0, {"1.5/gzip": "skipped", "1.4/reload-label": "skipped"})
    assert "all: 0 ok, 0 failed, 2 skipped" in told


# === A wrong server is found ===


def zero_is_the_latest(monkeypatch):
    from serving.server.core import ServerCore

    acquire = ServerCore._acquire

    def wrong(self, spec):
        if spec.HasField("version") and not spec.version.value:
            spec.ClearField("version")
        return acquire(self, spec)

    monkeypatch.setattr(ServerCore, "_acquire", wrong)


def messages_are_cut_early(monkeypatch):
    from serving.server import grpc_api

    monkeypatch.setattr(grpc_api, "_MAX_DETAILS", 512)


def numbers_are_written_as_python_does(monkeypatch):
    from serving.server import json_text

    monkeypatch.setattr(json_text, "number", lambda value, double=False: json_text.Raw(repr(value)))


def invalid_arguments_are_http_422(monkeypatch):
    from serving.server import rest_routes
    from serving.server.status import Code

    monkeypatch.setitem(rest_routes._HTTP, Code.INVALID_ARGUMENT, 422)


def reloads_return_before_the_models_are_there(monkeypatch):
    from serving.server.manager import ModelManager

    wait = ModelManager.wait_until_ready

    def wrong(self, names, what="model(s)", *more):
        if what != "model(s)":
            wait(self, names, what, *more)

    monkeypatch.setattr(ModelManager, "wait_until_ready", wrong)


@pytest.mark.parametrize(
    "make_wrong, asked, failing",
    [
        (zero_is_the_latest, "1.1/*version*", {"1.1/version-0"}),
        (messages_are_cut_early, "1/*", {"1/long-message"}),
        (numbers_are_written_as_python_does, "1.5/[nl]*", {"1.5/number-text", "1.5/numbers-json-lacks"}),
        (invalid_arguments_are_http_422, "1.5/codes:*A*", {"1.5/codes:INVALID_ARGUMENT"}),
        (reloads_return_before_the_models_are_there, "1.4/reload-f*", {"1.4/reload-failing-model"}),
    ],
)
def test_a_wrong_server_fails_the_cases_that_know_better_and_no_others(
    run, plain_server, monkeypatch, tmp_path, make_wrong, asked, failing
):
    make_wrong(monkeypatch)
    found = tmp_path / "found.json"
    code, told, _ = run(*plain_server, "--only", asked, "--json", found)
    assert code == 1
    assert {id for id, outcome in outcomes(found).items() if outcome == "FAILED"} == failing
    assert "the genuine server: " in told


def test_a_failure_says_what_was_sent_expected_and_got(run, plain_server, monkeypatch, tmp_path):
    zero_is_the_latest(monkeypatch)
    found = tmp_path / "found.json"
    run(*plain_server, "--only", "1.1/version-0", "--json", found)
    (result,) = json.loads(found.read_text())["results"]
    assert result["sent"].startswith('PredictionService/Predict model_spec { name: "ops" version {')
    assert result["expected"] == "NOT_FOUND: Servable not found for request: Specific(ops, 0)"
    assert result["got"].startswith("an answer: ")
    assert result["genuine"].startswith("NOT_FOUND.")
    assert result["source"] == "model_servers/server_core.cc ServableRequestFromModelSpec"


def test_a_program_that_does_not_start_fails_every_case_that_needs_it(run, tmp_path):
    for name in (CONFIG, *FOLDERS):
        (tmp_path / name).touch()
    arguments = ["--executable", "sh -c 'echo no such luck; exit 7'", "--models", tmp_path, "--only", "1.1/l*"]
    code, told, _ = run(*arguments)
    assert code == 1
    failed = [line for line in told.splitlines() if line.startswith("FAILED")]
    assert [line.split(":")[0] for line in failed] == ["FAILED   1.1/latest", "FAILED   1.1/label"]
    assert "server `plain` did not start: ended with code 7: no such luck" in failed[0]
    assert "server `plain` did not start" in failed[1]


def test_a_suite_that_is_terminated_leaves_no_server_behind(tmp_path):
    for name in (CONFIG, *FOLDERS):
        (tmp_path / name).touch()
    started = tmp_path / "pid"
    server = f"sh -c 'echo $$ > {started}.new; mv {started}.new {started}; exec sleep 600'"
    argv = [sys.executable, "-m", "serving.conformance", "--executable", server, "--models", str(tmp_path)]
    suite = subprocess.Popen(argv, cwd=ROOT)
    until(started.exists)
    time.sleep(1)  # the suite's side of starting it is done too
    suite.terminate()
    assert suite.wait(30) == 143
    assert not Path(f"/proc/{started.read_text().strip()}").exists()


# === Usage ===


@pytest.mark.parametrize(
    "arguments, told",
    [
        ([], "give one of --executable, --endpoint, --write-models and --list"),
        (["--list", "--executable", "true"], "give one of --executable, --endpoint, --write-models and --list"),
        (["--executable", "/no/such/server"], "/no/such/server is no program that can be run"),
        (["--executable", "true", "--models", "/no/such/folder"], "no models.config is there"),
        (["--executable", "true", "--rest", "localhost:1"], "--rest goes with --endpoint"),
        (["--list", "--only", "9.9/*"], "--only 9.9/*: no case has such an id; --list shows them"),
        (["--executable", "true", "--json", "/no/such/folder/f"], "its folder is not there"),
        (["--write-models", str(ROOT)], "it is there and not empty"),
        (["--executable", "true", "--patience", "0"], "--patience 0: expected a number of seconds above 0"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_bad_usage_is_one_line_and_code_2(run, arguments, told):
    code, out, error = run(*arguments)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert told in error


def test_an_endpoint_that_is_none_or_serves_other_models_is_bad_input(run, endpoint):
    code, _, error = run("--endpoint", "127.0.0.1:1")
    assert (code, "no server answers there" in error) == (2, True)
    code, _, error = run("--endpoint", endpoint.grpc)
    assert (code, "does not serve the suite's models old, ops" in error) == (2, True)
