"""Tell people where a request stands: an XCom, which whoever waits writes meanwhile, and the task at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import RequestState, RequestStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow.sdk import Context
    from airflow.sdk.types import Logger

#: A list with an entry for each request: ``request_id``, ``state``, ``queue_position``, and ``at``: when that was told.
#: At the end also ``running_since``: when a poll first saw it running, in seconds since the epoch, or None; ``error``:
#: why it did not succeed; and ``cost_usd``.
KEY = "progress"
# Each write is a call to Airflow's API by the one process that serves all triggers.
_LEAST_SECONDS = 30.0


class News:
    """What is to be told: a state or a place in the queue that has changed, and not too often."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[str, RequestStatus] = {}
        self._is_new = False
        self._told_at = float("-inf")

    def note(self, status: RequestStatus) -> bool:
        """Take note of an answer, and return whether there is something to tell now."""
        if self._seen.get(status.request_id) != status:
            self._seen[status.request_id] = status
            self._is_new = True
        return self._is_new and self._clock() - self._told_at >= _LEAST_SECONDS

    def told(self) -> list[dict[str, Any]]:
        """Return what is told now."""
        self._is_new, self._told_at = False, self._clock()
        at = pendulum.now("UTC").isoformat(timespec="seconds")
        return [_entry(status, at) for status in self._seen.values()]


class ProgressOnWorker:
    """The XCom ``progress`` of one task that waits on its worker."""

    def __init__(self, context: Context, log: Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._log = log
        self._news = News(clock)

    def note(self, status: RequestStatus) -> None:
        """Take note of an answer; write now or at a later one."""
        if self._news.note(status):
            _push(self._context, self._news.told(), self._log)


_STATES = {
    End.SUCCEEDED: RequestState.SUCCEEDED,
    End.FAILED: RequestState.FAILED,
    End.CANCELLED: RequestState.CANCELLED,
}


def tell_ends(endings: Mapping[str, Ending], context: Context, log: Logger) -> None:
    """Write how the requests of a task have ended, over what was told while it waited."""
    ended = {request_id: ending for request_id, ending in endings.items() if ending.end in _STATES}
    at = pendulum.now("UTC").isoformat(timespec="seconds")
    entries = [
        _entry(RequestStatus(request_id, _STATES[ending.end]), at) | _end(ending)
        for request_id, ending in ended.items()
    ]
    if entries:
        _push(context, entries, log)


def _end(ending: Ending) -> dict[str, Any]:
    return {
        "running_since": ending.running_since,
        "error": None if ending.end is End.SUCCEEDED else ending.reason or None,
        "cost_usd": ending.result.cost_usd if ending.result else None,
    }


def _push(context: Context, entries: list[dict[str, Any]], log: Logger) -> None:
    try:
        context["ti"].xcom_push(key=KEY, value=entries)
    except Exception as error:
        log.debug("The XCom %r could not be written: %s", KEY, type(error).__name__)


def _entry(status: RequestStatus, at: str) -> dict[str, Any]:
    return {
        "request_id": status.request_id,
        "state": status.state.value,
        "queue_position": status.queue_position,
        "at": at,
    }
