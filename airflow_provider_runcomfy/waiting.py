"""Wait on a worker: the poll decisions of :mod:`api.polling` with a client and a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_runcomfy.api.errors import RunComfyError
from airflow_provider_runcomfy.api.polling import Ask, End, Ending, Poller, Step
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState, RequestStatus

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook

# A trigger that fires sooner can burn a retry: Airflow's scheduler still counts the task as queued.
SHORTEST_DEFERRAL_SECONDS = 5.0

Note = Callable[[RequestStatus], None]

_ENDED = {
    RequestState.SUCCEEDED: "has succeeded",
    RequestState.FAILED: "has failed",
    RequestState.CANCELLED: "was cancelled",
}


class Progress:
    """
    Log what changes while one waits: the state and the place in the queue; and when polls begin to fail.

    :param note: is told, besides, where a request that has not ended stands.
    """

    def __init__(self, request_id: str, log: Logger, note: Note | None = None) -> None:
        self._request_id = request_id
        self._log = log
        self._note = note
        self._said = ""
        self._said_held_back = False

    def status(self, status: RequestStatus) -> None:
        """Take note of an answer."""
        place = "" if status.queue_position is None else f", position {status.queue_position}"
        state = "has ended" if status.state is RequestState.COMPLETED else f"is {status.state.value}{place}"
        self._say(f"Request {self._request_id} {state}.")
        if self._note:
            self._note(status)

    def result(self, result: GenerationResult) -> None:
        """Take note of an answer of `/result`, which knows no place in the queue, and tells one end from another."""
        self._say(f"Request {self._request_id} {_ENDED.get(result.state, f'is {result.state.value}')}.")
        if self._note and result.state not in _ENDED:
            self._note(RequestStatus(self._request_id, result.state))

    def failed_poll(self, error: RunComfyError) -> None:
        """Take note of a poll that failed: it does not end the wait."""
        self._say(f"Polling goes on: {error}")

    def held_back(self, seconds: float) -> None:
        """Take note of a poll that came late, since all are held back; said once."""
        if not self._said_held_back:
            self._said_held_back = True
            self._log.info(
                "A poll of request %s came %.0f s late: all who wait through its connection are held back while "
                "RunComfy limits the calls (HTTP 429) or cannot be asked. The wait goes on.",
                self._request_id,
                seconds,
            )

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._log.info("%s", text)


class Lookout:
    """
    Look at requests now and then, free of charge: for a sensor, which keeps its own time.

    :param since: since when the sensor waits, in seconds since the epoch.
    :param note: is told where requests that have not ended stand.
    """

    def __init__(self, hook: RunComfyHook, since: float, log: Logger, note: Note | None = None) -> None:
        self._hook = hook
        self._since = since
        self._log = log
        self._note = note
        self._pollers: dict[str, Poller] = {}
        self._progress: dict[str, Progress] = {}
        self._endings: dict[str, Ending] = {}
        self._running_since: dict[str, float] = {}

    def ending_of(self, request_id: str) -> Ending | None:
        """Return how a request ended; None while it has not, and where the look failed: that ends nothing."""
        if request_id in self._endings:
            return self._endings[request_id]
        poller = self._pollers.setdefault(request_id, self._poller())
        progress = self._progress.setdefault(request_id, Progress(request_id, self._log, self._told))
        step = _take(self._hook, request_id, Step(Ask.RESULT, 0.0), poller, progress)
        if isinstance(step, Step) and step.reread_connection:
            step = _take(self._hook, request_id, step, poller, progress)
        if isinstance(step, Step):
            return None
        self._endings[request_id] = step
        return step

    def timed_out(self, request_id: str) -> Ending:
        """Return what is known of a request that did not end in the sensor's time."""
        poller = self._pollers.get(request_id)
        reason = poller.last_error if poller else ""
        return Ending(End.TIMED_OUT, reason=reason, running_since=self._running_since.get(request_id))

    def _told(self, status: RequestStatus) -> None:
        if status.state is RequestState.IN_PROGRESS:
            self._running_since.setdefault(status.request_id, time.time())
        if self._note:
            self._note(status)

    def _poller(self) -> Poller:
        # When to look again is the sensor's own business, so this has neither a pace nor an end.
        return Poller(
            now=time.time(), deadline=float("inf"), poll_interval=1.0, max_poll_interval=1.0, submitted_at=self._since
        )


def wait_on_worker(
    hook: RunComfyHook,
    request_id: str,
    poller: Poller,
    progress: Progress,
    sleep: Callable[[float], None] = time.sleep,
) -> Ending:
    """Poll until the wait ends, holding the worker."""
    step: Step | Ending = poller.first(time.time())
    while isinstance(step, Step):
        sleep(step.delay)
        step = _take(hook, request_id, step, poller, progress)
    return replace(step, running_since=poller.running_since)


def _take(hook: RunComfyHook, request_id: str, step: Step, poller: Poller, progress: Progress) -> Step | Ending:
    try:
        if step.reread_connection:
            hook.forget_connection()
        if step.ask is Ask.RESULT:
            result = hook.client.get_result(request_id)
            progress.result(result)
            return poller.on_result(result, time.time())
        status = hook.client.get_status(request_id)
        progress.status(status)
        return poller.on_status(status, time.time())
    except RunComfyError as error:
        progress.failed_poll(error)
        return poller.on_error(error, step.ask, time.time())
