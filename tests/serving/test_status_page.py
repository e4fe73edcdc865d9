"""The status page: what it says, that names cannot do anything in it, and how a real browser shows it."""

import html.parser
import json
import math
import shutil
import subprocess

import numpy as np
import pytest

from serving.server.extensions.status_page import latencies, percentile
from serving.server.metrics import Distribution
from tests.serving.endpoint import predict_request
from tests.serving.until import until

PREDICT = "PredictionService/Predict"
EVIL = "<script>document.title='evil'</script><img src=x onerror=\"document.title='evil'\">"


@pytest.fixture
def shown(start_server, settings_of, put_version, zoo_path, tmp_path):
    """A server with a model of two versions, one of them labelled, one that fails to load, and one of an evil name."""
    for name in ("m", "broken"):
        (tmp_path / name).mkdir()
    put_version(tmp_path / "m", 1)
    put_version(tmp_path / "m", 2)
    put_version(tmp_path / "broken", 1)
    server, endpoint = start_server(
        settings_of("m", tmp_path / "m", latest=2),
        settings_of("broken", tmp_path / "broken"),
        settings_of(EVIL, zoo_path),
        ext_status_page=True,
        enable_batching=True,
        max_num_load_retries=0,
    )
    (tmp_path / "broken" / "2").mkdir()
    (tmp_path / "broken" / "2" / "saved_model.pb").write_bytes(b"no graph")
    until(lambda: any(record.error for record in server.manager.records("broken")))
    labelled = [
        settings_of("m", tmp_path / "m", latest=2, labels={"stable": 1}),
        settings_of("broken", tmp_path / "broken"),
        settings_of(EVIL, zoo_path),
    ]
    server.core.reload(labelled)
    for _ in range(3):
        endpoint.call(PREDICT, predict_request("m", inputs={"x": np.float32([1.0])}))
    endpoint.refusal(PREDICT, predict_request(EVIL + "2", inputs={"x": np.float32([1.0])}))
    return server, endpoint


# === As JSON ===


def test_the_document_says_what_is_served_and_how_it_went(shown):
    status, text, headers = shown[1].http_with_headers("/ext/status.json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    document = json.loads(text)
    models = {model["name"]: model for model in document["models"]}
    assert list(models) == [EVIL, "broken", "m"]
    available = {"state": "AVAILABLE", "failures": 0, "error": None, "under_way": 0}
    waiting = {"queued_requests": 0, "queued_rows": 0}
    assert models["m"]["versions"] == [{"version": n, **available, **waiting} for n in (1, 2)]
    assert (models["m"]["policy"], models["m"]["labels"]) == ("the newest 2", {"stable": 1})
    failed = models["broken"]["versions"][1]
    assert (failed["state"], failed["failures"], failed["queued_rows"]) == ("END", 1, None)
    assert failed["error"].startswith("DATA_LOSS: Can't parse ")
    assert {"model": "m", "status": "OK", "count": 3} in document["requests"]
    (latency,) = document["latencies"]
    assert [latency[name] for name in ("model", "call", "entrypoint", "count")] == ["m", "Predict", "GRPC", 3]
    assert 0 < latency["p50_ms"] <= latency["p95_ms"] <= latency["p99_ms"]
    assert sum(one["count"] for one in latency["histogram"]) == 3


def test_what_is_under_way_and_waits_is_counted(start_server, settings_of, zoo_path, tmp_path):
    (tmp_path / "batching").write_text("batch_timeout_micros { value: 1500000 }")
    _, endpoint = start_server(
        settings_of("zoo", zoo_path),
        ext_status_page=True,
        enable_batching=True,
        batching_parameters_file=str(tmp_path / "batching"),
    )

    def version():
        return json.loads(endpoint.http("/ext/status.json")[1])["models"][0]["versions"][0]

    import threading

    caller = threading.Thread(
        target=endpoint.call, args=(PREDICT, predict_request("zoo", inputs={"x": np.float32([1.0, 2.0])}))
    )
    caller.start()
    until(lambda: version()["queued_rows"] == 2)
    assert version()["under_way"] == 1
    caller.join()
    assert (version()["queued_requests"], version()["under_way"]) == (0, 0)


def test_percentiles_lie_between_the_limits_of_their_range():
    edges = [0.0, 10.0, 20.0, 40.0, math.inf]
    assert percentile(edges, [2, 2, 0, 0], 0.5) == 10.0
    assert percentile(edges, [2, 2, 0, 0], 0.75) == 15.0
    assert percentile(edges, [0, 0, 4, 0], 0.5) == 30.0
    assert percentile(edges, [1, 0, 0, 9], 0.5) == 40.0


def test_a_histogram_is_cut_to_what_holds_something():
    times = Distribution("/a", "model", "API", "entrypoint", limits=[1000, 2000, 4000, 8000])
    for value in (1500, 1500, 5000):
        times.observe(value, "m", "Predict", "REST")
    (found,) = latencies(times)
    assert found["histogram"] == [
        {"from_ms": 1.0, "to_ms": 2.0, "count": 2},
        {"from_ms": 2.0, "to_ms": 4.0, "count": 0},
        {"from_ms": 4.0, "to_ms": 8.0, "count": 1},
    ]
    assert (found["mean_ms"], found["p50_ms"]) == (2.667, 1.75)
    times.observe(10**9, "m", "Predict", "REST")
    assert latencies(times)[0]["histogram"][-1] == {"from_ms": 8.0, "to_ms": None, "count": 1}


def test_without_the_flag_there_is_no_page(endpoint):
    for path in ("/ext/status", "/ext/status.json"):
        assert endpoint.http(path)[0] == 404


def test_a_page_behind_a_token_lets_a_browser_ask_for_it(serve_zoo, tmp_path):
    (tmp_path / "tokens").write_text("anna anna-secret-0123456789\n")
    _, endpoint = serve_zoo(ext_status_page=True, ext_auth_token_file=str(tmp_path / "tokens"))
    status, _, headers = endpoint.http_with_headers("/ext/status")
    assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="bert-keras", Basic realm="bert-keras"')
    basic = {"Authorization": "Basic YW5uYTphbm5hLXNlY3JldC0wMTIzNDU2Nzg5"}  # anna:anna-secret-0123456789
    assert endpoint.http("/ext/status", headers=basic)[0] == 200
    assert endpoint.http("/v1/models/zoo", headers=basic)[0] == 401


# === As a page ===


class Parsed(html.parser.HTMLParser):
    """Elements by name, and all that can be read."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.title, self._in = [], "", "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._in.append(tag)

    def handle_data(self, data):
        if self._in and self._in[-1] == "title" and not self.title:
            self.title = data
        if not (self._in and self._in[-1] == "style"):
            self.text += data + "\n"

    def named(self, *tags):
        return [attributes for tag, attributes in self.elements if tag in tags]


def is_as_expected(page):
    assert page.title == "Model server: status"
    assert page.named("script", "img", "iframe", "link") == []
    assert not any(name.startswith("on") or name in ("src", "href") for _, given in page.elements for name in given)
    for text in ("Model m", "stable", "the newest 2", "AVAILABLE", "DATA_LOSS", EVIL, EVIL + "2", "NOT_FOUND"):
        assert text in page.text, text
    assert "Latency: Predict of m, GRPC" in page.text and "3 answers, mean" in page.text
    assert page.named("rect")


def test_the_page_says_it_all_escapes_names_and_asks_anew(shown):
    status, text, headers = shown[1].http_with_headers("/ext/status")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = Parsed(text)
    is_as_expected(page)
    assert {"http-equiv": "refresh", "content": "5"} in page.named("meta")


@pytest.mark.slow
def test_a_browser_shows_it(shown, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("needs a browser: apt-get install chromium")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"),
            *(f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={tmp_path / 'page.png'}"),
            *("--window-size=1000,1100", shown[1].rest + "/ext/status"),
        ],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    is_as_expected(Parsed(done.stdout))
    # What scripts in names would have done.
    assert "<title>evil" not in done.stdout
