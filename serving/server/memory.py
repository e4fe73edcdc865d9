"""Memory that was freed, and that the allocator keeps for later."""

import ctypes

_libc = ctypes.CDLL(None)


def return_memory() -> None:
    """Gives it back to the system. Takes milliseconds."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
