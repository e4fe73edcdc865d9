"""Signals that wait: noted once, let act later, and not held a second time."""

import signal

import pytest

from bert_keras.training.held_signals import HeldSignals


class Acted(Exception):
    """What the handler that was there before raises."""


@pytest.fixture
def handler():
    def act(*_):
        raise Acted

    before = signal.signal(signal.SIGTERM, act)
    yield act
    signal.signal(signal.SIGTERM, before)


def test_a_signal_waits_until_it_is_released(handler):
    with HeldSignals() as signals:
        assert not signals.told
        signal.raise_signal(signal.SIGTERM)
        assert signals.told
        with pytest.raises(Acted):
            signals.release()
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_second_signal_acts_at_once(handler):
    with pytest.raises(Acted):
        with HeldSignals():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_ctrl_c_is_held_too():
    # A job in the background of a shell begins with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            with HeldSignals() as signals:
                signal.raise_signal(signal.SIGINT)
                assert signals.told
                signals.release()
    finally:
        signal.signal(signal.SIGINT, before)


def test_without_a_signal_a_release_does_nothing(handler):
    with HeldSignals() as signals:
        signals.release()
    assert signal.getsignal(signal.SIGTERM) is handler
