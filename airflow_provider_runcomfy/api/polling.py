"""
When to poll again and when to give up: pure, the clock passed in, used by every loop that waits.

A loop asks for the first :class:`Step`, does what it says, and hands the answer or the error back; until it
gets an :class:`Ending`. It never sees a failed poll: those only make the next step come later.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_runcomfy.api.errors import (
    AuthenticationError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RunComfyError,
)
from airflow_provider_runcomfy.api.moderation import is_moderation
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState, RequestStatus

# A request may be unknown to the server that is asked, right after another one took it.
NOT_FOUND_GRACE_SECONDS = 60.0
# The polls' pace: a tenth of the time that it has been waiting or running already, within the two intervals.
_PACE = 0.1
# And while it waits, so many seconds for each request ahead: it cannot end before those have started.
_SECONDS_PER_POSITION = 1.0
_JITTER = 0.1
_LONGEST_BACKOFF_SECONDS = 60.0
# By how much a loop may wake too early: clocks round, and differ.
_EARLY_SECONDS = 1.0
# Whatever interval is asked for: RunComfy is not to be asked without a pause.
_SHORTEST_INTERVAL_SECONDS = 0.1
# A token that was refused may be about to be replaced.
_REREAD_SECONDS = 5.0
# How often `/result` is asked after a `/status` that says failed, before that is believed.
_LOOKS_AT_A_FAILURE = 3


class Ask(StrEnum):
    """Which call to make."""

    STATUS = "status"
    RESULT = "result"


@dataclass(frozen=True)
class Step:
    """
    What to do next: wait, then ask.

    :param ask: the call to make.
    :param delay: seconds to wait before it.
    :param reread_connection: read the connection anew after the wait and before the call: the token was refused and
        may be replaced meanwhile.
    """

    ask: Ask
    delay: float
    reread_connection: bool = False


class End(StrEnum):
    """How a wait ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    UNAUTHENTICATED = "unauthenticated"


@dataclass(frozen=True)
class Ending:
    """
    The end of a wait.

    :param end: how it ended.
    :param result: the result, for a success, and for a failure with its reason.
    :param reason: the last thing that went wrong, in words; for a success an error that RunComfy named beside it.
    :param running_since: when a poll first saw it running (seconds since the epoch); None if none did.
    """

    end: End
    result: GenerationResult | None = None
    reason: str = ""
    running_since: float | None = None

    @property
    def is_moderated(self) -> bool:
        """Whether content moderation refused it."""
        return self.end is End.FAILED and is_moderation(self.reason)


class Poller:
    """
    Decide, from each answer, what a loop does next.

    :param now: the time, in seconds since the epoch.
    :param deadline: when to give up, in seconds since the epoch; then `/result` is looked at once more.
    :param poll_interval: seconds between the first polls, a tenth of a second at least.
    :param max_poll_interval: seconds between polls at most; they spread as the wait goes on.
    :param submitted_at: when it was submitted, where that is known; else the waiting counts from ``now``.
    :param spread: a number between 0 and 1, by which the polls of many waiters are spread.
    """

    def __init__(
        self,
        *,
        now: float,
        deadline: float,
        poll_interval: float,
        max_poll_interval: float,
        submitted_at: float | None = None,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._started = now if submitted_at is None else min(submitted_at, now)
        self._since = self._started
        self._was_queued = False
        self._running_since: float | None = None
        self._ahead = 0
        self._deadline = deadline
        self._poll_interval = max(_SHORTEST_INTERVAL_SECONDS, poll_interval)
        self._max_poll_interval = max(self._poll_interval, max_poll_interval)
        self._spread = spread
        self._failures = 0
        self._reread = False
        self._last_look = False
        self._last_error = ""
        self._failed_status = False
        self._looks_at_failure = 0

    @property
    def running_since(self) -> float | None:
        """When a poll first saw the request running, in seconds since the epoch; None if none did."""
        return self._running_since

    @property
    def last_error(self) -> str:
        """What the last call failed with; empty where it was answered."""
        return self._last_error

    def first(self, now: float, *, delay: float = 0.0) -> Step:
        """
        Return the first step, or the last look where the deadline comes before it.

        :param delay: seconds to wait before it at least. Waiters that begin together, as all do after a restart,
            are spread over one interval more; without a delay the first step is at once.
        """
        delay += self._spread() * self._interval(now) if delay else 0.0
        left = self._deadline - now
        return Step(Ask.STATUS, delay) if delay < left else self._look_once_more(left)

    def on_status(self, status: RequestStatus, now: float) -> Step | Ending:
        """Decide after an answer of `/status`; it never tells of success, so for an ended request ask `/result`."""
        self._answered()
        if status.state is RequestState.CANCELLED:
            return Ending(End.CANCELLED)
        self._note_place(status, now)
        self._failed_status = status.state is RequestState.FAILED
        if self._failed_status or status.state in (RequestState.COMPLETED, RequestState.SUCCEEDED):
            return self._step(Ask.RESULT, 0.0, now)
        return self._step(Ask.STATUS, self._pace(now), now)

    def on_result(self, result: GenerationResult, now: float) -> Step | Ending:
        """Decide after an answer of `/result`."""
        self._answered()
        if result.state is RequestState.SUCCEEDED:
            return Ending(End.SUCCEEDED, result, result.error or "")
        if result.state is RequestState.FAILED:
            return Ending(End.FAILED, result, result.error or "")
        if result.state is RequestState.CANCELLED:
            return Ending(End.CANCELLED)
        if self._failed_status:
            return self._look_at_failure(result, now)
        return self._step(Ask.STATUS, self._pace(now), now)

    def _look_at_failure(self, result: GenerationResult, now: float) -> Step | Ending:
        """Ask `/result` again, which may lag behind the `/status` that said failed; a few times only."""
        self._looks_at_failure += 1
        again = self._step(Ask.RESULT, self._pace(now), now)
        if self._looks_at_failure < _LOOKS_AT_A_FAILURE and isinstance(again, Step):
            return again
        return Ending(End.FAILED, result, "RunComfy gave no reason")

    def on_error(self, error: RunComfyError, ask: Ask, now: float) -> Step | Ending:
        """Decide after a call that failed; only a certain 401, 403 or 404 ends the wait before its deadline."""
        self._last_error = str(error)
        if isinstance(error, AuthenticationError):
            if self._reread:
                return Ending(End.UNAUTHENTICATED, reason=str(error))
            self._reread = True
            left = max(self._deadline - now, 0.0)
            return Step(ask, min(max(self._poll_interval, _REREAD_SECONDS), left), reread_connection=True)
        if isinstance(error, ForbiddenError):
            return Ending(End.FORBIDDEN, reason=str(error))
        if isinstance(error, NotFoundError) and self._waited(now) >= NOT_FOUND_GRACE_SECONDS:
            return Ending(End.NOT_FOUND, reason=str(error))
        self._failures += 1
        return self._step(ask, self._backoff(error), now)

    def _answered(self) -> None:
        self._failures = 0
        self._reread = False
        self._last_error = ""

    def _note_place(self, status: RequestStatus, now: float) -> None:
        is_queued = status.state is RequestState.IN_QUEUE
        if self._was_queued and not is_queued:
            # A run that begins after a long wait may be a short one.
            self._since = now
        self._was_queued = is_queued
        if status.state is RequestState.IN_PROGRESS and self._running_since is None:
            self._running_since = now
        self._ahead = (status.queue_position or 0) if is_queued else 0

    def _waited(self, now: float) -> float:
        # A clock that is set back begins the count anew.
        self._started = min(self._started, now)
        return now - self._started

    def _interval(self, now: float) -> float:
        self._since = min(self._since, now)
        pace = max(_PACE * (now - self._since), _SECONDS_PER_POSITION * self._ahead)
        return min(max(self._poll_interval, pace), self._max_poll_interval)

    def _pace(self, now: float) -> float:
        return self._interval(now) * (1 + _JITTER * (2 * self._spread() - 1))

    def _backoff(self, error: RunComfyError) -> float:
        """Return how long to leave RunComfy alone: twice as long each time, and spread, so that no crowd comes back."""
        if isinstance(error, RateLimitedError) and error.retry_after is not None:
            # At least the usual interval: "at once" is no way out of a crowd.
            return max(error.retry_after, self._poll_interval) * (1 + _JITTER * self._spread())
        longest = max(self._max_poll_interval, _LONGEST_BACKOFF_SECONDS)
        ceiling = min(self._poll_interval * 2.0 ** min(self._failures, 16), longest)
        return ceiling * (0.5 + 0.5 * self._spread())

    def _step(self, ask: Ask, delay: float, now: float) -> Step | Ending:
        left = self._deadline - now
        if delay < left:
            return Step(ask, delay)
        # A clock that was set back since makes the last look one too early.
        if self._last_look and left < _EARLY_SECONDS:
            return Ending(End.TIMED_OUT, reason=self._last_error)
        return self._look_once_more(left)

    def _look_once_more(self, left: float) -> Step:
        self._last_look = True
        return Step(Ask.RESULT, max(left, 0.0))
