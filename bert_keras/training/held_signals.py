"""SIGTERM and Ctrl-C that wait until it is convenient."""

import signal
import threading


class HeldSignals:
    """While it is entered, the first SIGTERM or Ctrl-C is noted, and a second one acts as it always did.

    Outside the main thread, where Python lets nobody handle signals, nothing is held.

    Attributes:
        told: whether one was noted.
    """

    NUMBERS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self):
        self._noted, self._before = None, {}

    @property
    def told(self):
        return self._noted is not None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            # None is a handler that was not set from Python, which cannot be set again.
            self._before = {number: signal.signal(number, self._note) or signal.SIG_DFL for number in self.NUMBERS}
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def release(self):
        """Lets the signal act that was noted, if any: by the handler that was there before."""
        self.__exit__()
        if self._noted is not None:
            signal.raise_signal(self._noted)

    def _note(self, number, frame):
        self._noted = number
        self.__exit__()
