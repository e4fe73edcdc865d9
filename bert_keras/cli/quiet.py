"""TensorFlow's start-up: silenced for users of the command line, and only where a command needs it."""

import logging
import os
import warnings

import click

from bert_keras.cli.contract import is_debug
from bert_keras.cli.progress import working


def prepare_tensorflow() -> None:
    """Call before anything imports TensorFlow: chooses Keras' backend and, unless --debug, silences the start-up.

    What the user set in the environment stays.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    context = click.get_current_context(silent=True)
    if context is not None and is_debug(context):
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")
    for name in ("absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)


def load_task(directory: str):
    """The fine-tuned task in a directory."""
    prepare_tensorflow()
    with working("starting TensorFlow", plain=False):
        from bert_keras.tasks import load_task

        return load_task(directory)
