"""1.7: lives of versions: appearing, replaced, failing. The set-up's base path is empty at first, and cases fill it in
their order: each finds the versions that the one before it left."""

import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from serving.conformance.case import Case, Mismatch, Section, Skipped, same
from serving.conformance.models import config_text
from serving.conformance.process import listening_ports
from serving.conformance.subject import AVAILABLE, END, LOADING, PATIENCE, PREDICT, UNLOADING, outputs
from serving.conformance.wire import predict_request
from serving.ports import is_open

CASES: list[Case] = []
section = Section(CASES, "1.7", "lives")
states = Section(CASES, "1.4", "lives")
names = Section(CASES, "1.8", "lives")
once = Section(CASES, "1.7", "once")
flags = Section(CASES, "1.7", "flags")

MODEL = "default"
X = {"x": np.float32([10.0])}


def _put(server, version: int, like: str) -> None:
    """The model `like` appears whole as this version of the set-up's model."""
    coming = server.folder / f"coming-{version}"
    shutil.copytree(f"{server.models}/{like}", coming)
    coming.rename(server.files["base"] / str(version))


def _answer(server, **spec):
    """(version, value) of the answer to 10."""
    response = server.call(PREDICT, predict_request(MODEL, inputs=X, **spec))
    return response.model_spec.version.value, outputs(response)["y"]


def _port(server) -> int:
    return int(server.endpoint.grpc.rpartition(":")[2])


# === Start ===


@section.case("empty-base-path-waits")
def empty_base_path_waits(server):
    """A base path without versions is waited for: the server runs, and no port is open."""
    end = time.monotonic() + 10 * PATIENCE
    while "found under base path" not in server.process.stderr + server.process.stdout:
        if not server.process.running or time.monotonic() > end:
            said = (server.process.stdout + server.process.stderr)[-500:]
            raise Mismatch("an empty base path", "a log line `.. found under base path ..`, and waiting", said)
        time.sleep(0.1)
    server.stays("running, port open", lambda: (server.process.running, is_open(_port(server))), (True, False), 1.5)


@section.case("ports-open-when-models-are-there")
def ports_open(server):
    """The port of gRPC opens when the configured models are available, and the first request is answered."""
    _put(server, 1, "many/1")
    server.process.wait_for_ports([_port(server)], PATIENCE)
    same("Predict", _answer(server), (1, [11.0]))


@names.case("model-name")
def model_name(server):
    """Without --model_name the model is called `default`."""
    same("Predict to model default", _answer(server)[0], 1)


@names.case("no-rest-port")
def no_rest_port(server):
    """Without --rest_api_port the server listens for gRPC alone."""
    if (ports := listening_ports(server.process.pid)) is None:
        raise Skipped("the system does not tell on which ports a process listens")
    same("ports that it listens on", ports, {_port(server)})


# === New versions ===


@section.case("polling")
def polling(server):
    """The base path is looked at every second: a new version is found, and serves."""
    _put(server, 2, "many/2")
    server.comes_to("version and answer", lambda: _answer(server), (2, [12.0]))
    server.comes_to("states", lambda: server.states(MODEL), {1: (END, 0), 2: (AVAILABLE, 0)})


@section.case("load-before-unload")
def load_before_unload(server):
    """The new version is loaded, then the old one unloaded: of callers who ask all the time none is refused."""
    stop, seen = threading.Event(), set()

    def ask():
        while not stop.is_set():
            version, (y,) = _answer(server)
            seen.add((version, y))

    with ThreadPoolExecutor(2) as callers:
        asking = [callers.submit(ask) for _ in range(2)]
        try:
            _put(server, 3, "many/3")
            server.comes_to("states", lambda: server.states(MODEL).get(2), (END, 0))
        finally:
            stop.set()
        for one in asking:
            one.result()
    same("versions and answers that were seen", seen | {(2, 12.0)}, {(2, 12.0), (3, 13.0)})


@states.case("status-states:unloading")
def unloading(server):
    """A version that is asked to go is UNLOADING (40) until its last request is answered, then END (50)."""
    request = predict_request(MODEL, "wait", X, version=3)
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(server.refused, PREDICT, request, "DEADLINE_EXCEEDED", re.compile(".*"), timeout=8)
        time.sleep(1)
        _put(server, 4, "many/1")
        server.comes_to("state of version 3", lambda: server.states(MODEL)[3], (UNLOADING, 0), 7)
        waiting.result()
    server.comes_to("states", lambda: server.states(MODEL)[3], (END, 0))


@section.case("half-copied-version")
def half_copied_version(server):
    """A version without saved_model.pb is tried at once, and fails; the version before it stays. (The embedded server
    waits for the file instead, without failing: either is taken, as long as the old version answers.)"""
    _put(server, 5, "half/1")
    server.stays("the version that answers", lambda: _answer(server)[0], 4, 3)
    state = server.states(MODEL).get(5)
    if state not in (None, (LOADING, 0)) and state[0] != END:
        raise Mismatch("state of a version without saved_model.pb", "none, LOADING or END", state)


@section.case("load-retries")
def load_retries(server):
    """A load that fails is tried again after --load_retry_interval_micros, LOADING meanwhile; what is whole by then
    serves."""
    _put(server, 6, "broken/1")
    server.comes_to("state of version 6", lambda: server.states(MODEL).get(6, (0, 0))[0], LOADING, 30)
    shutil.copytree(f"{server.models}/many/2", server.files["base"] / "6", dirs_exist_ok=True)
    server.comes_to("version and answer", lambda: _answer(server), (6, [12.0]))


@section.case("old-version-stays")
def old_version_stays(server):
    """Versions that nobody wants any more stay until one that is wanted is ready: with the newest version broken, the
    one before it answers."""
    _put(server, 7, "broken/1")
    server.comes_to("state of version 7", lambda: server.states(MODEL).get(7, (0, 0))[0] in (LOADING, END), True)
    server.stays("the version that answers", lambda: _answer(server)[0], 6, 1)


@states.case("status-states:failed-after-retries")
def failed_after_retries(server):
    """When the retries are used up the version is END with the error's code; the one before it serves on."""
    server.comes_to("state of version 7", lambda: server.states(MODEL).get(7, (0, 0))[0], END)
    same(
        "version that answers, error code of version 7",
        (_answer(server)[0], server.states(MODEL)[7][1] != 0),
        (6, True),
    )


# === Servers that look once, or again ===


@once.case("polling-once")
def polling_once(server):
    """With --file_system_poll_wait_seconds=0 the base path is looked at once: versions that come later are not seen."""
    shutil.copytree(f"{server.models}/tagged/1", server.folder / "coming")
    (server.folder / "coming").rename(server.files["base"] / "2")
    server.stays("states of tagged", lambda: server.states("tagged"), {1: (AVAILABLE, 0)}, 2.5)


@once.case("no-config-polling")
def no_config_polling(server):
    """--model_config_file_poll_wait_seconds is 0 unless it is given: a changed --model_config_file is not read."""
    server.files["models"].write_text(config_text(server.models, ("ops", "tagged")))
    server.stays("states of ops", lambda: server.states("ops"), {}, 2.5)


@flags.case("config-polling")
def config_polling(server):
    """With --model_config_file_poll_wait_seconds=1 a changed file is followed: models are loaded and unloaded."""
    before = server.files["models"].read_text()
    entry = config_text(server.models, ("other",)).partition("{\n")[2]
    try:
        server.files["models"].write_text(before.rpartition("}")[0] + entry)
        server.comes_to("states of other", lambda: server.states("other"), {5: (AVAILABLE, 0)})
    finally:
        server.files["models"].write_text(before)
    server.comes_to("states of other", lambda: server.states("other"), {5: (END, 0)})


@flags.case("labels-at-the-start:allowed")
def labels_at_the_start(server):
    """With --allow_version_labels_for_unavailable_models the configuration may have labels at the start, of versions
    that are not there too."""
    response = server.call(PREDICT, predict_request("ops", inputs=X, label="stable"))
    same("version of label stable", response.model_spec.version.value, 1)
    missing = "Servable not found for request: Specific(ops, 9)"
    server.refused(PREDICT, predict_request("ops", inputs=X, label="ahead"), "NOT_FOUND", missing)
