"""A line in the log now and then, for copies that take long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

MIB = 1024 * 1024
#: Seconds between two lines about the same file.
EVERY = 15.0

log = logging.getLogger(__name__)


class Progress:
    """
    Tells how far a file is; called with how many bytes have come so far, as often as one likes.

    :param name: the file, for the log.
    :param size: how many bytes it has; None where nobody knows.
    :param clock: seconds, from any start.
    """

    def __init__(self, name: str, size: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._size, self._clock = name, size, clock
        self._told_at, self._told = clock(), 0

    def __call__(self, bytes_read: int) -> None:
        """Log how far the file is, if it is time to."""
        now = self._clock()
        seconds = now - self._told_at
        if seconds < EVERY:
            return
        rate = (bytes_read - self._told) / MIB / seconds
        self._told_at, self._told = now, bytes_read
        log.info("%s: %s, %.1f MiB/s.", self._name, self._share(bytes_read), rate)

    def _share(self, bytes_read: int) -> str:
        if not self._size:
            return f"{bytes_read / MIB:.0f} MiB"
        return f"{100 * bytes_read // self._size} % of {self._size / MIB:.0f} MiB"
