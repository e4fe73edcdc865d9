"""The load test: what it sends, counts and reports."""

import pytest

from serving import client as serving_client
from serving.client import Client, LoadReport, load_test


@pytest.fixture
def client(proxy):
    with Client(proxy.target, "zoo", timeout=60, retries=0) as one:
        yield one


def test_as_many_requests_are_sent_as_asked_for_and_one_before_them(client, proxy):
    report = load_test(client, [1.0, 2.0, 3.0], batch_size=2, concurrency=3, count=7)
    assert proxy.calls.count("Predict") == 8
    assert (report.requests, report.failed, len(report.latencies)) == (7, 0, 7)
    assert 0 < min(report.latencies) <= max(report.latencies) <= report.seconds


def test_the_concurrency_is_reached_and_kept(client, proxy):
    client.metadata()
    proxy.meet(3, after=1)  # the first request is the one before the test
    load_test(client, [1.0], concurrency=3, count=9)
    assert proxy.most_at_once == 3


def test_failures_are_counted_by_code_and_do_not_end_it(client, proxy):
    proxy.refusals = [None, ("INTERNAL", "a"), ("UNAVAILABLE", "b"), None, ("INTERNAL", "c")]
    report = load_test(client, ["good"], count=6, signature="sentiment")
    assert report.errors == {"INTERNAL": 2, "UNAVAILABLE": 1}
    assert (report.requests, report.failed, len(report.latencies)) == (6, 3, 3)


def test_a_time_ends_it(client):
    report = load_test(client, [1.0], concurrency=2, seconds=0.3)
    assert report.requests >= 2
    assert report.seconds >= 0.3


def test_what_cannot_be_asked_at_all_is_an_error_and_no_report(client):
    with pytest.raises(serving_client.SignatureNotFound):
        load_test(client, [1.0], count=5, signature="none")


@pytest.mark.parametrize(
    "options", [{}, {"count": 1, "seconds": 1}, {"count": 0}, {"count": 1, "concurrency": 0}, {"seconds": -1}]
)
def test_arguments_that_cannot_be_meant(client, options):
    with pytest.raises(ValueError, match="^a load test needs"):
        load_test(client, [1.0], **options)


def test_the_report_by_value():
    # Percentiles by nearest rank: of 100 latencies the 50th, the 90th and so on.
    report = LoadReport(4.0, 8, tuple(n / 1000 for n in range(100, 0, -1)), {"UNAVAILABLE": 2})
    assert report.as_dict() == {
        "requests": 102,
        "answered": 100,
        "seconds": 4.0,
        "requests_per_second": 25.0,
        "rows_per_second": 200.0,
        "latency_ms": {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "max": 100.0},
        "errors": {"UNAVAILABLE": 2},
    }


def test_a_report_of_nothing_but_failures_has_no_latencies():
    found = LoadReport(1.0, 1, (), {"UNAVAILABLE": 3}).as_dict()
    assert found["latency_ms"] == {"p50": None, "p90": None, "p95": None, "p99": None, "max": None}
    assert (found["requests"], found["answered"], found["requests_per_second"]) == (3, 0, 0.0)
