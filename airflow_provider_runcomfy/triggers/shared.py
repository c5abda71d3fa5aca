"""What the triggers of one triggerer share per connection: one session, one reading, and patience."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from airflow_provider_runcomfy.api.errors import (
    InvalidSettingsError,
    RateLimitedError,
    RunComfyError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.polling import Ask
from airflow_provider_runcomfy.api.types import GenerationResult, RequestStatus
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyAsyncHook

_FIRST_PAUSE_SECONDS = 1.0
# One poll or two end each pause, whatever the crowd: that can be borne often, and an outage's end is seen soon.
_LONGEST_PAUSE_SECONDS = 10.0
# How fast a crowd that was held back may come again.
_RESUMED_PER_SECOND = 10.0


class SharedConnection:
    """
    One connection's session, used by every trigger that waits through it.

    A 429, an outage or an unusable connection that one of them meets holds all of them back, and then they come back
    one by one.
    """

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id
        self._hook = RunComfyAsyncHook(conn_id)
        self._retired: list[RunComfyAsyncHook] = []
        self._resume_at = 0.0
        self._pauses = 0
        self.generation = 0
        self.users = 0

    async def ask(self, request_id: str, ask: Ask, *, until: float = math.inf) -> RequestStatus | GenerationResult:
        """
        Make one call, when it is time to.

        :param until: in seconds since the epoch; then the call is made even if all are held back.
        :raises RunComfyError: as the call does.
        """
        await self._turn(until)
        hook = self._hook
        try:
            answer = await (hook.get_status(request_id) if ask is Ask.STATUS else hook.get_result(request_id))
        except RunComfyError as error:
            self._hold_back(error)
            raise
        self._pauses = 0
        return answer

    def renew(self, generation: int) -> None:
        """Have the connection read anew, once for all who met a refused token in the same ``generation``."""
        if generation == self.generation:
            self.generation += 1
            # Calls that are under way keep the session that they have.
            self._retired.append(self._hook)
            self._hook = RunComfyAsyncHook(self._conn_id)

    async def close(self) -> None:
        """Close every session."""
        for hook in (self._hook, *self._retired):
            await hook.close()

    async def _turn(self, until: float) -> None:
        while (left := self._resume_at - _now()) > 0 and (patience := until - time.time()) > 0:
            spread = random.random() * self.users / _RESUMED_PER_SECOND  # noqa: S311
            await asyncio.sleep(min(left + spread, patience))

    def _hold_back(self, error: RunComfyError) -> None:
        # Those that were under way when it began say nothing new.
        if not isinstance(error, UnavailableError | InvalidSettingsError) or self._resume_at > _now():
            return
        pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(self._pauses, 10), _LONGEST_PAUSE_SECONDS)
        if isinstance(error, RateLimitedError) and error.retry_after is not None:
            pause = max(error.retry_after, _FIRST_PAUSE_SECONDS)
        self._pauses += 1
        self._resume_at = _now() + pause


_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedConnection]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_connection(conn_id: str) -> AsyncIterator[SharedConnection]:
    """Join the other users of a connection on this event loop; the last one who leaves closes it."""
    connections = _connections.setdefault(asyncio.get_running_loop(), {})
    shared = connections.setdefault(conn_id, SharedConnection(conn_id))
    shared.users += 1
    try:
        yield shared
    finally:
        shared.users -= 1
        if shared.users == 0:
            del connections[conn_id]
            await shared.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
