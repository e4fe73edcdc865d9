"""1.7: requests that a version answers before it serves."""

import re

import numpy as np

from serving.conformance.case import Case, Section, same
from serving.conformance.subject import AVAILABLE, END, RELOAD, STATUS, shown, status_request
from serving.conformance.wire import predict_request

CASES: list[Case] = []
section = Section(CASES, "1.7", "plain", "models")
counted_section = Section(CASES, "1.7", "flags", "rest")

X = {"x": np.float32([1.0])}
_ITERATIONS = 3


@counted_section.case("warm-up")
def warm_up(server):
    """Every record of assets.extra/tf_serving_warmup_requests is replayed before the version serves, with all four
    calls: the metrics show their runs, and the time that warming up took, before anything was asked."""
    from serving.conformance.cases.metrics import counted

    found = counted(server)
    calls = ("Predict", "Classify", "Regress", "MultiInference")
    runs = [found.get(_runs(call), 0) > 0 for call in calls]
    same(f"runs of {', '.join(calls)}", runs, [True] * 4)
    took = {line: value for line, value in found.items() if "model_warmup_latency_count" in line and "/warm/1" in line}
    same("model_warmup_latency of warm", [('status="OK"' in line, value) for line, value in took.items()], [(True, 1)])


@counted_section.case("warm-up-iterations")
def warm_up_iterations(server):
    """--num_request_iterations_for_warmup=3 replays each record three times."""
    from serving.conformance.cases.metrics import counted

    same("runs of Classify in model warm", counted(server).get(_runs("Classify")), _ITERATIONS)


def _runs(call: str) -> str:
    return f':tensorflow:serving:runtime_latency_count{{model_name="warm",API="{call}",runtime="TF1"}}'


@section.case("warm-up-model-name")
def warm_up_model_name(server):
    """The model that a record names is not looked at: the version that holds the file answers it."""
    try:
        server.call(RELOAD, server.reload_request("warm_other_name"))
        same("states of warm_other_name", server.states("warm_other_name"), {1: (AVAILABLE, 0)})
        server.predicted(predict_request("warm_other_name", inputs=X), {"y": [2.0]})
    finally:
        server.restore()


def _failing(name: str, model: str, says: str, text: str) -> None:
    """A case whose model must fail to load over its warm-up file, with this text (a pattern)."""

    def check(server):
        try:
            pattern = rf"1 model\(s\) did not become available: \{{+name: {model} version: 1\}} due to error: {text}.*"
            server.refused(RELOAD, server.reload_request(model), "UNKNOWN", re.compile(pattern, re.DOTALL))
            (one,) = server.call(STATUS, status_request(model)).model_version_status
            same(shown(STATUS, status_request(model)), (one.state, one.status.error_code != 0), (END, True))
        finally:
            server.restore()

    section.add(name, f"The load fails. {says}", check)


# The code's name before a message is absl's Status::ToString; releases differ in how they spell it.
_CODE = r"[A-Za-z_ ]*:? ?"
_failing(
    "warm-up-fails:request",
    "warm_failing",
    "A record whose request is refused fails it with that refusal.",
    _CODE + "Signature input alias: x",
)
_failing(
    "warm-up-fails:record",
    "warm_unparsable",
    "A record that is no PredictionLog is told.",
    _CODE + "Failed to parse warmup record: ",
)
_failing(
    "warm-up-fails:file",
    "warm_no_records",
    "DATA_LOSS: a file that holds no records is told.",
    r".*Please verify your warmup data is in TFRecord format\.",
)
_failing(
    "warm-up-1000-records",
    "warm_too_many",
    "There may be 1000 records.",
    _CODE + r"Number of warmup records exceeds the maximum \(1000\) at ",
)
_failing(
    "warm-up-other-logs",
    "warm_other_log",
    "UNIMPLEMENTED: a session_run_log is not replayed.",
    _CODE + "Unsupported log_type for warmup: ",
)


@section.case("no-warm-up", setup="once")
def no_warm_up(server):
    """With --enable_model_warmup=false a version serves whose warm-up file would fail its load."""
    same("states of tagged", server.states("tagged"), {1: (AVAILABLE, 0)})
