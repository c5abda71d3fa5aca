"""Let a crowd of tasks on one event loop make their calls a few at a time, and at a throttle's pace."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from airflow_provider_runcomfy.triggers.throttle import Throttle


class Turns:
    """
    A queue in front of a server.

    Whoever waits, waits here and nowhere behind: a limit that begins holds back all who are not under way.

    :param throttle: the pace.
    :param at_once: how many calls may be under way together.
    """

    def __init__(self, throttle: Throttle, *, at_once: int) -> None:
        self._throttle = throttle
        self._at_once = at_once
        self._under_way = 0
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, *, until: float, urgent: bool = False) -> None:
        """
        Wait for one's turn; it ends with :meth:`give_back`.

        :param until: when it is no use to wait any longer, in seconds since the epoch: then the turn comes anyway.
        :param urgent: whether to go before all others.
        """
        if not self._waiting and self._may_go(now := self._loop.time()):
            self._go(now)
            return
        turn = self._loop.create_future()
        if urgent:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        self.hurry()
        try:
            await asyncio.wait([turn], timeout=_left(until))
        except asyncio.CancelledError:
            if turn.done():
                self.give_back()
            raise
        finally:
            if not turn.done():
                turn.cancel()
        if turn.cancelled():
            self._under_way += 1

    def give_back(self) -> None:
        """Take note that a call has ended."""
        self._under_way -= 1
        self.hurry()

    def hurry(self) -> None:
        """Look anew who may go, since something has changed."""
        if self._waiting:
            self._wake_in(0.0)

    def close(self) -> None:
        """Let nobody go any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _may_go(self, now: float) -> bool:
        return self._under_way < self._at_once and self._throttle.delay(now) <= 0

    def _go(self, now: float) -> None:
        self._under_way += 1
        self._throttle.sent(now)

    def _wake_in(self, seconds: float) -> None:
        self.close()
        self._timer = self._loop.call_later(seconds, self._let_go)

    def _let_go(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
            elif self._may_go(now):
                self._go(now)
                self._waiting.popleft().set_result(None)
            else:
                break
        if self._waiting and self._under_way < self._at_once:
            self._throttle.held(now)
            self._wake_in(self._throttle.delay(now))


def _left(until: float) -> float | None:
    return None if until == float("inf") else max(until - time.time(), 0.0)
