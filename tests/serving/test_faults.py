"""The faults of `faults.py`, small; as a program it runs them large."""

import pytest

from tests.serving import faults, large
from tests.serving.process import Process


@pytest.fixture(scope="module")
def start():
    running = []

    def start(*arguments, ports=None):
        running.append(Process(*arguments, ports=ports))
        return running[-1]

    yield start
    for process in running:
        process.stop()


@pytest.fixture(scope="module")
def flags(zoo_path):
    return "--model_name=zoo", f"--model_base_path={zoo_path}"


@pytest.fixture(scope="module")
def server(start, flags):
    server = start(*flags)
    server.wait_for_port()
    return server


@pytest.mark.slow
def test_silent_and_endless_connections_hold_up_nobody(server):
    assert faults.connections(server, 150)["refused"] == 0


@pytest.mark.slow
def test_deadlines_of_a_millisecond_are_exceeded_and_hold_up_nobody(server):
    assert faults.short_deadlines(server, 50)["DEADLINE_EXCEEDED"] == 50


@pytest.mark.slow
def test_callers_that_go_away_hold_up_nobody(server):
    faults.broken_off(server, 20)


@pytest.mark.slow
def test_large_and_deep_bodies_have_their_answers_within_bounds(server):
    measured = list(large.ask_all(server, megabytes=2))
    assert [str(one) for one in measured if not one.as_expected] == []
    assert len(measured) == len(large.BODIES) + 1
    faults.answered_meanwhile(server)


@pytest.mark.slow
def test_memory_stays_under_load(server):
    figures = faults.soak(server, seconds=6)
    assert figures["grpc"] > 20 and figures["rest"] > 5


@pytest.mark.slow
def test_sigterm_loses_none_of_many_requests(server):
    figures = faults.sigterm(server, 300)
    assert figures["OK"] + figures.get("UNAVAILABLE", 0) == 300


@pytest.mark.slow
def test_a_server_that_was_killed_answers_its_callers_when_it_is_back(start, flags):
    faults.sigkill(start, flags)
