"""What a run says: everything of TFX, Beam and TensorFlow into a file, our own lines to the user as well."""

import logging
from collections.abc import Callable
from pathlib import Path

# The logger whose messages are for the user.
OURS = "pipelines"
_THEIRS = ("absl", "tensorflow", "apache_beam")


class RunLog:
    """Takes over all logging, and Python's warnings, while it is open.

    Args:
        path: the file.
        say: takes the messages of `pipelines`, a line each.
    """

    def __init__(self, path: Path, say: Callable[[str], None]):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = logging.FileHandler(path, encoding="utf-8")
        self._file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._lines = _Lines(say)
        self._before = []

    def __enter__(self):
        loggers = [logging.getLogger(), *map(logging.getLogger, (*_THEIRS, OURS))]
        logging.captureWarnings(True)
        self._before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
        self.listen()
        return self

    def __exit__(self, *_):
        for logger, handlers, level, propagate in self._before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
        logging.captureWarnings(False)
        self._file.close()

    def listen(self):
        """Sets levels and handlers, once more after somebody else did."""
        for logger, *_ in self._before:
            logger.handlers, logger.propagate = [], True
            logger.setLevel(logging.INFO)
        logging.getLogger().handlers = [self._file]
        logging.getLogger(OURS).handlers = [self._lines]


class _Lines(logging.Handler):
    def __init__(self, say):
        super().__init__()
        self._say = say

    def emit(self, record):
        self._say(f"      {record.getMessage()}")
