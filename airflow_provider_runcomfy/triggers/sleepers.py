"""Let a crowd of tasks on one event loop sleep on one timer."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count


class Sleepers:
    """
    Who sleeps until when.

    A timer of the event loop for each would be as exact. But each is several objects that outlive a young collection,
    and with ten thousand sleepers it is the garbage collector, with all of Airflow to look at, that polls pay most for.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._numbers = count()
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def sleep(self, seconds: float) -> asyncio.Future[None]:
        """Return a future that is done after so many seconds; who is cancelled meanwhile simply leaves."""
        awake = self._loop.create_future()
        heappush(self._sleeping, (self._loop.time() + seconds, next(self._numbers), awake))
        if self._sleeping[0][2] is awake:
            self._set_timer()
        return awake

    def close(self) -> None:
        """Wake nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        self.close()
        if self._sleeping:
            self._timer = self._loop.call_at(self._sleeping[0][0], self._wake)

    def _wake(self) -> None:
        now = self._loop.time()
        while self._sleeping and self._sleeping[0][0] <= now:
            awake = heappop(self._sleeping)[2]
            if not awake.done():
                awake.set_result(None)
        self._set_timer()
