"""Warnings of Keras that mean nothing here."""

import contextlib
import warnings


@contextlib.contextmanager
def pooler_may_rest():
    """Keeps Keras quiet about a head that reads every token and leaves the pooler alone, which is as it should be."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Gradients do not exist for variables \['pooler/")
        yield


@contextlib.contextmanager
def inputs_in_any_order():
    """Keeps Keras quiet where a trace sorts the inputs by name: it warns of another order."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The structure of `inputs`")
        yield
