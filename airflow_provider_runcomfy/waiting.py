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

    :param conn_id: the connection that is asked.
    :param note: is told, besides, where a request that has not ended stands.
    """

    def __init__(self, request_id: str, conn_id: str, log: Logger, note: Note | None = None) -> None:
        self._request_id = request_id
        self._conn_id = conn_id
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

    def failed_poll(self, error: RunComfyError, step: Step) -> None:
        """Take note of a poll that failed and does not end the wait, and of what comes next."""
        if not step.reread_connection:
            self._say(f"Polling goes on: {error}")
            return
        self._log.warning(
            "%s Connection %r is read anew before the next call, since its token may have been replaced; if that is "
            "refused, too, the wait ends.",
            error,
            self._conn_id,
        )

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
        progress = self._progress.setdefault(request_id, self._progress_of(request_id))
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

    def _progress_of(self, request_id: str) -> Progress:
        return Progress(request_id, self._hook.runcomfy_conn_id, self._log, self._told)

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


def next_step(
    answer: RequestStatus | GenerationResult | RunComfyError, ask: Ask, poller: Poller, progress: Progress
) -> Step | Ending:
    """Take note of what a call came to, and return what is next: the same on a worker and in the triggerer."""
    now = time.time()
    if isinstance(answer, RequestStatus):
        progress.status(answer)
        return poller.on_status(answer, now)
    if isinstance(answer, GenerationResult):
        progress.result(answer)
        return poller.on_result(answer, now)
    step = poller.on_error(answer, ask, now)
    if isinstance(step, Step):
        progress.failed_poll(answer, step)
    return step


def _take(hook: RunComfyHook, request_id: str, step: Step, poller: Poller, progress: Progress) -> Step | Ending:
    answer: RequestStatus | GenerationResult
    try:
        if step.reread_connection:
            hook.forget_connection()
        client = hook.client
        answer = client.get_result(request_id) if step.ask is Ask.RESULT else client.get_status(request_id)
    except RunComfyError as error:
        return next_step(error, step.ask, poller, progress)
    return next_step(answer, step.ask, poller, progress)
