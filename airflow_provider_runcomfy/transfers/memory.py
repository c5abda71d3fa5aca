"""Give large blocks of memory back when they are freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD = -3
_MIB = 1024 * 1024


def give_back_large_blocks() -> None:
    """
    Tell the C library to return each freed block of 1 MiB and more to the system at once.

    glibc, once it has freed a part of a file, would keep several such parts for each of the threads that copy: 139 MiB
    in place of 45 for four files at once. Other C libraries know no such setting, and need none.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MIB)
