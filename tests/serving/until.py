"""Waiting for what another thread or process does."""

import time


def until(condition, seconds=30.0):
    """Returns when the condition holds; fails when it does not within a time that nothing takes here."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.005)
