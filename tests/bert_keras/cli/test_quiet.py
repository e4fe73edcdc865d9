"""While TensorFlow starts, the garbage collector rests; afterwards it is as it was."""

import gc
import sys

import pytest

from bert_keras.cli.quiet import garbage_left_alone, starting_tensorflow


@pytest.fixture(autouse=True)
def collector_as_it_was():
    was_on = gc.isenabled()
    yield
    gc.enable() if was_on else gc.disable()


def test_the_collector_is_off_within_and_on_again_behind():
    gc.enable()
    with garbage_left_alone():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_on_again_when_the_import_fails():
    gc.enable()
    with pytest.raises(ImportError), garbage_left_alone():
        raise ImportError("no such library")
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    with garbage_left_alone():
        pass
    assert not gc.isenabled()


@pytest.mark.parametrize("debug", [False, True])
def test_it_is_off_while_tensorflow_starts(monkeypatch, debug):
    monkeypatch.setattr("bert_keras.cli.quiet._debug", lambda: debug)
    monkeypatch.setattr("bert_keras.cli.quiet.silence", lambda: None)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    gc.enable()
    with starting_tensorflow():
        assert not gc.isenabled()
    assert gc.isenabled()
