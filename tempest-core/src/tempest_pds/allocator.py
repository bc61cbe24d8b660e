"""The C library's allocator, told to give memory back."""

from __future__ import annotations

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 2 * 1024 * 1024


def give_memory_back() -> None:
    """Let what is freed beyond two MiB go back to the system, where the C library is glibc.

    Left alone, glibc takes each large block that is freed for a sign of more to come, and from then on keeps up to
    twice its size: one password hash costs the process 12 MiB for good.
    https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
