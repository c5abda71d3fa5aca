"""What the triggers of one triggerer share per connection: one session, one reading of it, and patience."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from airflow_provider_runcomfy.api.aio import CONNECTIONS
from airflow_provider_runcomfy.api.errors import (
    InvalidSettingsError,
    RateLimitedError,
    RunComfyError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.polling import Ask
from airflow_provider_runcomfy.api.types import GenerationResult, RequestStatus
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyAsyncHook
from airflow_provider_runcomfy.triggers.sleepers import Sleepers
from airflow_provider_runcomfy.triggers.throttle import Throttle
from airflow_provider_runcomfy.triggers.turns import Turns
from airflow_provider_runcomfy.triggers.undisturbed import undisturbed

log = logging.getLogger(__name__)

# A connection that was changed is seen after so long, also where its token is not refused.
_READING_SECONDS = 300.0
# One supervisor makes Airflow's calls for all triggers, one after the other.
_TOLD_PER_SECOND = 10.0
# Golden section: however many there are, each next one falls into the largest gap that the others leave.
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass
class _Session:
    """A session, and how many calls are under way on it: once it is retired, the last one closes it."""

    hook: RunComfyAsyncHook
    read_at: float
    calls: int = 0
    is_retired: bool = False

    async def close_if_retired(self) -> None:
        if self.is_retired and not self.calls:
            await undisturbed(self.hook.close())


class SharedConnection:
    """
    One connection's session, used by every trigger that waits through it.

    A 429, an outage or an unusable connection that one of them meets slows all of them down, and then they come back
    together.
    """

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self._loop = asyncio.get_running_loop()
        self._session = self._new_session()
        self._sleepers = Sleepers()
        self._throttle = Throttle()
        self._turns = Turns(self._throttle, at_once=CONNECTIONS)
        # Triggerers are not to move in step.
        self._phase = random.random()  # noqa: S311
        self._said_limited = False
        self._tell_at = 0.0
        self.generation = 0
        self.users = 0

    def spread(self) -> float:
        """Return a number between 0 and 1, another one each time, which together cover all between evenly."""
        self._phase = (self._phase + _GOLDEN) % 1
        return self._phase

    def may_tell(self) -> bool:
        """Return whether Airflow may be told of something now: a few times a second for all together."""
        now = self._loop.time()
        if now < self._tell_at:
            return False
        self._tell_at = now + 1 / _TOLD_PER_SECOND
        return True

    def sleep(self, seconds: float) -> asyncio.Future[None]:
        """Return a future that is done after so many seconds: as a timer, and cheaper for many."""
        return self._sleepers.sleep(seconds)

    async def ask(
        self,
        request_id: str,
        ask: Ask,
        *,
        until: float = math.inf,
        held: Callable[[float], None] | None = None,
    ) -> RequestStatus | GenerationResult:
        """
        Make one call, when it is time to.

        :param until: in seconds since the epoch; then the call is made even if all are held back.
        :param held: told for how many seconds a limit held the call back.
        :raises RunComfyError: as the call does.
        """
        was_free, began = self._throttle.is_free, self._loop.time()
        await self._turns.take(until=until, urgent=ask is Ask.RESULT)
        try:
            if not was_free and held is not None:
                held(self._loop.time() - began)
            return await self._answer(request_id, ask)
        finally:
            self._turns.give_back()

    async def renew(self, generation: int) -> None:
        """Have the connection read anew, once for all who met a refused token in the same ``generation``."""
        if generation == self.generation:
            self.generation += 1
            # Calls that are under way keep the session that they have.
            retired, self._session = self._session, self._new_session()
            retired.is_retired = True
            await retired.close_if_retired()

    async def close(self) -> None:
        """Close the session; a retired one is closed by its last call."""
        self._sleepers.close()
        self._turns.close()
        await self._session.hook.close()

    async def _answer(self, request_id: str, ask: Ask) -> RequestStatus | GenerationResult:
        session = await self._fresh_session()
        session.calls += 1
        try:
            hook = session.hook
            answer = await (hook.get_status(request_id) if ask is Ask.STATUS else hook.get_result(request_id))
        except RunComfyError as error:
            self._slow_down(error)
            raise
        finally:
            session.calls -= 1
            if session.is_retired:
                await session.close_if_retired()
        now = self._loop.time()
        self._throttle.answered(now)
        if self._throttle.is_over(now):
            self._say_no_longer_limited()
        return answer

    def _new_session(self) -> _Session:
        return _Session(RunComfyAsyncHook(self.conn_id), self._loop.time())

    async def _fresh_session(self) -> _Session:
        """Return the session, with the connection read anew when that was done long ago."""
        session, now = self._session, self._loop.time()
        if now - session.read_at > _READING_SECONDS:
            # Whoever comes meanwhile goes on with what there is; and where it cannot be read, so does this one.
            session.read_at = now
            generation = self.generation
            with suppress(RunComfyError):
                if await session.hook.is_outdated():
                    await self.renew(generation)
        return self._session

    def _slow_down(self, error: RunComfyError) -> None:
        now = self._loop.time()
        if isinstance(error, RateLimitedError):
            if self._throttle.refused(now, error.retry_after):
                self._say_limited(now)
        elif isinstance(error, UnavailableError | InvalidSettingsError):
            self._throttle.failed(now, self.users, for_all=isinstance(error, InvalidSettingsError))
        else:
            # A refusal is an answer, too.
            self._throttle.answered(now)

    def _say_limited(self, now: float) -> None:
        if self._said_limited:
            return
        self._said_limited = True
        rate = self._throttle.rate(now)
        log.warning(
            "RunComfy limits the calls through connection %r (HTTP 429): the %d tasks that wait here are polled %.1f "
            "times a second in all for now, each of them every %.0f s or so, which may exceed their max_poll_interval. "
            "None fails by this, and the pace follows what RunComfy takes.",
            self.conn_id,
            self.users,
            rate,
            self.users / rate,
        )

    def _say_no_longer_limited(self) -> None:
        if self._said_limited:
            self._said_limited = False
            log.info("RunComfy no longer limits the calls through connection %r.", self.conn_id)


_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedConnection]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_connection(conn_id: str) -> AsyncIterator[SharedConnection]:
    """Join the other users of a connection on this event loop; the last one who leaves closes it."""
    connections = _connections.setdefault(asyncio.get_running_loop(), {})
    shared = connections.get(conn_id)
    if shared is None:
        shared = connections[conn_id] = SharedConnection(conn_id)
    shared.users += 1
    try:
        yield shared
    finally:
        shared.users -= 1
        if shared.users == 0:
            del connections[conn_id]
            await undisturbed(shared.close())
