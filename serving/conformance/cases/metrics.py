"""1.5: what Prometheus reads on the REST port."""

import numpy as np

from serving.conformance.case import Case, Section, same
from serving.conformance.cases.classify_regress import classify_request
from serving.conformance.subject import CLASSIFY, PREDICT
from serving.conformance.wire import predict_request

CASES: list[Case] = []
section = Section(CASES, "1.5", "flags", "rest")
batching = Section(CASES, "1.5", "batching", "rest")

PATH = "/monitoring/prometheus/metrics"
_NAME = ":tensorflow:serving:"
X = {"x": np.float32([1.0])}


def counted(server, path: str = PATH) -> dict[str, float]:
    """Value by line, without comments."""
    answer = server.http(path)
    same(f"status of {path}", answer.status, 200)
    lines = (line.rsplit(" ", 1) for line in answer.text.splitlines() if line.strip() and not line.startswith("#"))
    return {line: float(value) for line, value in lines}


@section.case("metrics-page:path")
def metrics_page(server):
    """With a monitoring config the metrics are text/plain at /monitoring/prometheus/metrics."""
    answer = server.http(PATH)
    same(PATH, (answer.status, answer.headers["Content-Type"].partition(";")[0]), (200, "text/plain"))


@section.case("metrics-page:off", setup="plain")
def no_metrics_page(server):
    """Without a monitoring config there is nothing at that path: 404."""
    same(PATH, server.http(PATH).status, 404)


@batching.case("metrics-page:other-path")
def other_metrics_page(server):
    """The monitoring config may name another path."""
    same("the path named, the usual one", [server.http(path).status for path in ("/numbers", PATH)], [200, 404])


@section.case("metrics:request-count")
def request_count(server):
    """request_count counts calls by model_name and status; a counter's name has no ending."""
    lines = {
        status: f'{_NAME}request_count{{model_name="ops",status="{status}"}}'
        for status in ("OK", "FAILED_PRECONDITION")
    }
    before = counted(server)
    server.call(PREDICT, predict_request("ops", inputs=X))
    server.call(PREDICT, predict_request("ops", inputs=X))
    server.refused(PREDICT, predict_request("ops", "none", X), "FAILED_PRECONDITION", _NONE)
    after = counted(server)
    got = {status: after.get(line, 0) - before.get(line, 0) for status, line in lines.items()}
    same("request_count of ops", got, {"OK": 2, "FAILED_PRECONDITION": 1})


_NONE = 'Serving signature key "none" not found.'


@section.case("metrics:latencies")
def latencies(server):
    """request_latency {model_name,API,entrypoint} and runtime_latency {model_name,API,runtime} count the answers."""
    lines = [
        f'{_NAME}request_latency_count{{model_name="ops",API="Predict",entrypoint="GRPC"}}',
        f'{_NAME}runtime_latency_count{{model_name="ops",API="Predict",runtime="TF1"}}',
    ]
    before = counted(server)
    server.call(PREDICT, predict_request("ops", inputs=X))
    after = counted(server)
    same(" and ".join(lines), [after.get(line, 0) - before.get(line, 0) for line in lines], [1, 1])


@section.case("metrics:entrypoint-rest")
def entrypoint_rest(server):
    """A REST predict counts in request_latency with entrypoint REST."""
    server.http("/v1/models/ops:predict", {"instances": [1.0]})
    lines = [line for line in counted(server) if line.startswith(f"{_NAME}request_latency_count")]
    same("request_latency with entrypoint REST", any('entrypoint="REST"' in line for line in lines), True)


@section.case("metrics:limits")
def limits(server):
    """Latency histograms have 33 limits from 10 us, each 1.8 times the one before, and +Inf."""
    server.call(PREDICT, predict_request("ops", inputs=X))
    labels = 'model_name="ops",API="Predict",entrypoint="GRPC"'
    head = f'{_NAME}request_latency_bucket{{{labels},le="'
    edges = [line.removeprefix(head).rstrip('"}') for line in counted(server) if line.startswith(head)]
    same(
        "number of limits, first, last", (len(edges), edges[:4], edges[-1]), (34, ["10", "18", "32.4", "58.32"], "+Inf")
    )
    ratios = [float(b) / float(a) for a, b in zip(edges, edges[1:-1])]
    same("each limit is 1.8 times the one before", all(abs(ratio - 1.8) < 0.001 for ratio in ratios), True)


@section.case("metrics:examples")
def examples(server):
    """request_example_counts and request_example_count_total count the examples of a model."""
    lines = [
        f'{_NAME}request_example_count_total{{model="ops"}}',
        f'{_NAME}request_example_counts_count{{model="ops"}}',
    ]
    before = counted(server)
    request = classify_request(model="ops")
    server.call(CLASSIFY, request)
    after = counted(server)
    same(" and ".join(lines), [after.get(line, 0) - before.get(line, 0) for line in lines], [2, 1])


@section.case("metrics:warm-up")
def warm_up(server):
    """model_warmup_latency {model_path,status} has one value for a version that was warmed up."""
    lines = [
        line for line in counted(server) if line.startswith(f"{_NAME}model_warmup_latency_count") and "warm" in line
    ]
    same("lines of warm", len(lines), 1)


@batching.case("metrics-batching")
def metrics_of_batching(server):
    """batching_session has queuing_latency, wrapped_run_count, input_batch_size, processed_batch_size, padding_size."""
    name = f"{_NAME}batching_session:"
    before = counted(server, "/numbers")
    server.call(PREDICT, predict_request("allowed", inputs={"x": np.float32([1.0, 2.0, 3.0])}))
    after = counted(server, "/numbers")

    def grew(metric: str) -> float:
        lines = [line for line in after if line.startswith(name + metric + "{")]
        return sum(after[line] - before.get(line, 0) for line in lines)

    same("wrapped_run_count", grew("wrapped_run_count"), 1)
    for metric, total in (("input_batch_size", 3), ("processed_batch_size", 4), ("padding_size", 1)):
        same(f"{metric}: values, their sum", (grew(f"{metric}_count"), grew(f"{metric}_sum")), (1, total))
    same("queuing_latency: values", grew("queuing_latency_count"), 1)
