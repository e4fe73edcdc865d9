"""What the server counts, as Prometheus reads it."""

import shutil

import numpy as np
import pytest

from serving.protos import classification_pb2, model_management_pb2, prediction_log_pb2
from serving.server.metrics import Counter, Distribution, Metrics, exponential
from tests.serving.endpoint import fill_spec, predict_request
from tests.serving.warmup_file import write_warmup

PREDICT = "PredictionService/Predict"
PATH = "/monitoring/prometheus/metrics"


def test_a_counter_keeps_its_name_without_an_ending():
    counter = Counter("/tensorflow/serving/request_count", "model_name", "status")
    counter.add("m", "OK")
    counter.add("m", "OK", by=2)
    counter.add("m", "NOT_FOUND")
    assert counter.lines() == [
        "# TYPE :tensorflow:serving:request_count counter",
        ':tensorflow:serving:request_count{model_name="m",status="NOT_FOUND"} 1',
        ':tensorflow:serving:request_count{model_name="m",status="OK"} 3',
    ]


def test_a_distribution_counts_cumulatively_and_a_limit_belongs_to_the_range_above_it():
    sizes = Distribution("/a/size", "model", limits=[1, 2.5])
    for value in (0.5, 1, 2, 40):
        sizes.observe(value, 'a"\\b')
    labels = r'model="a\"\\b"'
    assert sizes.lines() == [
        "# TYPE :a:size histogram",
        f':a:size_bucket{{{labels},le="1"}} 1',
        f':a:size_bucket{{{labels},le="2.5"}} 3',
        f':a:size_bucket{{{labels},le="+Inf"}} 4',
        f":a:size_sum{{{labels}}} 43.5",
        f":a:size_count{{{labels}}} 4",
    ]


def test_a_distribution_without_labels():
    sizes = Distribution("/a", limits=[1])
    sizes.observe(3)
    assert sizes.lines()[1:] == [':a_bucket{le="1"} 0', ':a_bucket{le="+Inf"} 1', ":a_sum{} 3", ":a_count{} 1"]


def test_the_limits_of_latencies_are_those_that_dashboards_name():
    metrics = Metrics()
    metrics.request_latency.observe(1, "m", "Predict", "GRPC")
    edges = [line.split('le="')[1].split('"')[0] for line in metrics.request_latency.lines() if "_bucket" in line]
    assert edges[:5] == ["10", "18", "32.4", "58.32", "104.976"]
    assert (edges[19], len(edges), edges[-1]) == ("708235", 34, "+Inf")
    assert exponential(1, 2, 15)[-1] == 2**14


def test_every_metric_has_its_type_before_anything_is_counted():
    types = [line.split()[2:] for line in Metrics().text().splitlines() if line.startswith("# TYPE")]
    assert types == [
        [":tensorflow:serving:batching_session:input_batch_size", "histogram"],
        [":tensorflow:serving:batching_session:padding_size", "histogram"],
        [":tensorflow:serving:batching_session:processed_batch_size", "histogram"],
        [":tensorflow:serving:batching_session:queuing_latency", "histogram"],
        [":tensorflow:serving:batching_session:wrapped_run_count", "counter"],
        [":tensorflow:serving:model_warmup_latency", "histogram"],
        [":tensorflow:serving:request_count", "counter"],
        [":tensorflow:serving:request_example_count_total", "counter"],
        [":tensorflow:serving:request_example_counts", "histogram"],
        [":tensorflow:serving:request_latency", "histogram"],
        [":tensorflow:serving:runtime_latency", "histogram"],
    ]


# === Over HTTP ===


@pytest.fixture
def monitored(start_server, settings_of, zoo_path, tmp_path):
    """`monitored("path: '/numbers'")`: a server with the zoo that shows its metrics."""

    def start(more=""):
        config = tmp_path / "monitoring.config"
        config.write_text(f"prometheus_config {{ enable: true {more} }}")
        return start_server(settings_of("zoo", zoo_path), monitoring_config_file=str(config))

    return start


def counted(endpoint, path=PATH):
    """{line without its value: value}"""
    status, text = endpoint.http(path)
    assert status == 200
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def classify_request():
    request = classification_pb2.ClassificationRequest()
    fill_spec(request.model_spec, "zoo", "classify")
    request.input.example_list.examples.add()
    request.input.example_list.examples.add()
    return request


def test_calls_are_counted_by_model_call_way_and_outcome(monitored):
    server, endpoint = monitored()
    endpoint.call(PREDICT, predict_request("zoo", inputs={"x": np.float32([1.0])}))
    endpoint.refusal(PREDICT, predict_request("zoo", "none"))
    endpoint.call("PredictionService/Classify", classify_request())
    endpoint.http("/v1/models/zoo:predict", {"instances": [1.0]})
    endpoint.http("/v1/models/nobody:predict", {"instances": [1.0]})
    found = counted(endpoint)
    name = ":tensorflow:serving:"
    assert {line: value for line, value in found.items() if line.startswith(name + "request_count")} == {
        name + 'request_count{model_name="zoo",status="OK"}': "3",
        name + 'request_count{model_name="zoo",status="FAILED_PRECONDITION"}': "1",
        name + 'request_count{model_name="nobody",status="NOT_FOUND"}': "1",
    }
    assert {line: value for line, value in found.items() if "_latency_count" in line} == {
        name + 'request_latency_count{model_name="zoo",API="Predict",entrypoint="GRPC"}': "1",
        name + 'request_latency_count{model_name="zoo",API="Classify",entrypoint="GRPC"}': "1",
        name + 'request_latency_count{model_name="zoo",API="predict",entrypoint="REST"}': "1",
        name + 'runtime_latency_count{model_name="zoo",API="Predict",runtime="TF1"}': "2",
        name + 'runtime_latency_count{model_name="zoo",API="Classify",runtime="TF1"}': "1",
    }
    assert found[name + 'request_example_count_total{model="zoo"}'] == "2"
    assert found[name + 'request_example_counts_bucket{model="zoo",le="2"}'] == "0"
    assert found[name + 'request_example_counts_bucket{model="zoo",le="4"}'] == "1"
    # Times by value: in microseconds, and the model's part of a call takes no longer than the call.
    total = server.metrics.request_latency.total("zoo", "Classify", "GRPC")
    assert 1 < server.metrics.runtime_latency.total("zoo", "Classify", "TF1") < total < 20e6


def test_the_page_says_which_server_it_is_and_is_plain_text(monitored):
    status, text, headers = monitored()[1].http_with_headers(PATH)
    assert (status, headers["Content-Type"]) == (200, "text/plain")
    assert text.splitlines()[0] == "# bert-keras embedded server, not TensorFlow Serving"
    assert text.endswith("\n")


def test_the_path_can_be_named_and_the_usual_one_is_nothing_then(monitored):
    _, endpoint = monitored('path: "/numbers"')
    assert counted(endpoint, "/numbers")[":tensorflow:serving:batching_session:wrapped_run_count{}"] == "0"
    assert endpoint.http(PATH)[0] == 404


def test_without_a_monitoring_config_there_are_no_metrics(endpoint):
    assert endpoint.http(PATH)[0] == 404


def test_a_reload_tells_by_how_much_counters_grew(start_server, settings_of, put_version, zoo_path, tmp_path):
    (tmp_path / "m").mkdir()
    put_version(tmp_path / "m", 1)
    server, endpoint = start_server(settings_of("m", tmp_path / "m"))
    server.metrics.count_examples("m", 5)  # before the reload: not its doing
    log = prediction_log_pb2.PredictionLog()
    log.classify_log.request.CopyFrom(classify_request())
    write_warmup(shutil.copytree(zoo_path, tmp_path / "zoo") / "1", log)
    total, unknown = "/tensorflow/serving/request_example_count_total", "/tensorflow/serving/no_such_metric"
    request = model_management_pb2.ReloadConfigRequest(metric_names=[total, unknown])
    for name in ("a", "m"):
        path = str(tmp_path / ("zoo" if name == "a" else "m"))
        request.config.model_config_list.config.add(name=name, base_path=path, model_platform="tensorflow")
    response = endpoint.call("ModelService/HandleReloadConfigRequest", request)
    # TensorFlow Serving looks at the first cell alone: before it was m's 5, after it is a's 2.
    assert {m.name: m.int64_value_increase for m in response.metric} == {total: 2 - 5, unknown: 0}
    assert response.status.error_code == 0
