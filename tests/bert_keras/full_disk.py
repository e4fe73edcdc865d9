"""A disk that becomes full in the middle of a write, as far as this process can tell."""

import contextlib
import resource


@contextlib.contextmanager
def files_up_to(size):
    """No file that this process writes may grow beyond `size` bytes: what is too much fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
