"""The command line's arguments, kept away from libraries that look for flags of theirs in them."""

import sys
from unittest import mock


def without_arguments():
    """A context in which `sys.argv` holds the program's name alone: TFX and Beam read what stands behind it."""
    return mock.patch.object(sys, "argv", sys.argv[:1])
