"""Let a crowd of tasks on one event loop make their calls one after the other, at a throttle's pace."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from airflow_provider_runcomfy.triggers.throttle import Throttle


class Turns:
    """
    A queue in front of a server; nobody is held back while there is no limit.

    :param throttle: the pace.
    """

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, *, until: float, urgent: bool = False) -> None:
        """
        Wait for one's turn.

        :param until: when it is no use to wait any longer, in seconds since the epoch: then the turn comes anyway.
        :param urgent: whether to go before all others.
        """
        now = self._loop.time()
        if not self._waiting and self._throttle.delay(now) <= 0:
            self._throttle.sent(now)
            return
        turn = self._loop.create_future()
        if urgent:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        self._throttle.held(now)
        self.hurry()
        patience = until - time.time()
        try:
            await asyncio.wait([turn], timeout=None if patience == float("inf") else max(patience, 0.0))
        finally:
            turn.cancel()

    def hurry(self) -> None:
        """Look anew who may go, since the pace may have changed."""
        if self._waiting:
            self._wake_in(0.0)

    def close(self) -> None:
        """Let nobody go any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake_in(self, seconds: float) -> None:
        self.close()
        self._timer = self._loop.call_later(seconds, self._let_go)

    def _let_go(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
                continue
            if (delay := self._throttle.delay(now)) > 0:
                self._throttle.held(now)
                self._wake_in(delay)
                return
            self._throttle.sent(now)
            self._waiting.popleft().set_result(None)
