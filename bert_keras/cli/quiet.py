"""TensorFlow's start-up: silenced for users of the command line, and only where a command needs it."""

import contextlib
import gc
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO

import click

from bert_keras.cli.contract import is_debug
from bert_keras.cli.progress import working
from bert_keras.errors import BadInput


def load_task(directory: str, name: str | None = None):
    """The one task in a directory; of several trained together that of a name, as --task gives it.

    Raises:
        BadInput: there is no such task, or several and none is named.
    """
    found = load_model(directory)
    several = getattr(found, "tasks", None)
    if several is None:
        if name is not None:
            raise BadInput(f"{directory} holds one task alone; expected no --task {name}")
        return found
    if name is None:
        raise BadInput(f"{directory} holds the tasks {', '.join(several)}; choose one with --task NAME")
    return found[name]


def load_model(directory: str):
    """What fine-tuning wrote to a directory, here or at Hugging Face: a task, or several over one encoder."""
    with starting_tensorflow():
        from bert_keras.tasks import get_task, load_task, task_names

        # The import of any task is what takes its time.
        get_task(task_names()[0])
    return load_task(directory)


@contextlib.contextmanager
def starting_tensorflow() -> Iterator[None]:
    """Goes around the first import of TensorFlow: `silence`, a spinner on a terminal, and less time."""
    silence()
    if "tensorflow" in sys.modules:
        yield
        return
    with contextlib.ExitStack() as stack:
        if not _debug():
            terminal = stack.enter_context(_without_stderr_of_c())
            stack.enter_context(working("starting TensorFlow", plain=False, stream=terminal))
        stack.enter_context(garbage_left_alone())
        yield


@contextlib.contextmanager
def garbage_left_alone() -> Iterator[None]:
    """Keeps the garbage collector off: what an import makes stays, and a look through it is a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def silence(level: int = logging.ERROR) -> None:
    """Chooses Keras' backend and, unless --debug was given, keeps start-up messages away from the user.

    Call it before anything imports TensorFlow. What the user set in the environment stays.

    Args:
        level: the level from which on what TensorFlow's Python logs is shown.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if _debug():
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")
    for name in ("absl", "tensorflow"):
        logging.getLogger(name).setLevel(level)


def silence_beam() -> None:
    """Unless --debug was given, keeps from the user the tracebacks that Beam logs of errors which it raises as well."""
    if not _debug():
        logging.getLogger("apache_beam.runners").setLevel(logging.CRITICAL)


def _debug() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and is_debug(context)


@contextlib.contextmanager
def _without_stderr_of_c() -> Iterator[TextIO]:
    """Sends file descriptor 2 nowhere, and gives a stream to what it was.

    TensorFlow 2.21 writes to it while it is imported, before it looks at its own log level.
    """
    try:
        kept = os.dup(2)
    except OSError:  # The process has no stderr.
        yield sys.stderr
        return
    sys.stderr.flush()
    with os.fdopen(kept, "w") as terminal, open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield terminal
        finally:
            os.dup2(kept, 2)
