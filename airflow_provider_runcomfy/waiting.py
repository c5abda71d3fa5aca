"""Wait on a worker: the poll decisions of :mod:`api.polling` with a client and a clock, and how a wait ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_runcomfy import failures
from airflow_provider_runcomfy.api.errors import RunComfyError
from airflow_provider_runcomfy.api.polling import Ask, End, Ending, Poller, Step
from airflow_provider_runcomfy.api.types import RequestState, RequestStatus
from airflow_provider_runcomfy.exceptions import RunComfyConnectionError

if TYPE_CHECKING:
    from airflow.sdk.exceptions import AirflowException
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook


class Progress:
    """Log what changes while one waits: the state and the place in the queue; and when polls begin to fail."""

    def __init__(self, request_id: str, log: Logger) -> None:
        self._request_id = request_id
        self._log = log
        self._said = ""

    def status(self, status: RequestStatus) -> None:
        """Take note of an answer."""
        place = "" if status.queue_position is None else f", position {status.queue_position}"
        state = "has ended" if status.state is RequestState.COMPLETED else f"is {status.state.value}{place}"
        self._say(f"Request {self._request_id} {state}.")

    def failed_poll(self, error: RunComfyError) -> None:
        """Take note of a poll that failed: it does not end the wait."""
        self._say(f"Polling goes on: {error}")

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._log.info("%s", text)


def look_once(hook: RunComfyHook, request_id: str, poller: Poller, progress: Progress) -> Step | Ending:
    """Ask for the result once, free of charge; a refused token is read once more from the connection."""
    step = _take(hook, request_id, Step(Ask.RESULT, 0.0), poller, progress)
    if isinstance(step, Step) and step.reread_connection:
        return _take(hook, request_id, step, poller, progress)
    return step


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
    return step


def _take(hook: RunComfyHook, request_id: str, step: Step, poller: Poller, progress: Progress) -> Step | Ending:
    try:
        if step.reread_connection:
            hook.forget_connection()
        if step.ask is Ask.RESULT:
            return poller.on_result(hook.client.get_result(request_id), time.time())
        status = hook.client.get_status(request_id)
        progress.status(status)
        return poller.on_status(status, time.time())
    except RunComfyError as error:
        progress.failed_poll(error)
        return poller.on_error(error, step.ask, time.time())


def failure_of(request_id: str, ending: Ending) -> AirflowException:
    """Return the error for a wait that ended without a success."""
    match ending.end:
        case End.FAILED:
            return failures.generation_failed(request_id, ending.reason)
        case End.CANCELLED:
            return failures.generation_cancelled(request_id)
        case End.TIMED_OUT:
            return failures.generation_timed_out(request_id, ending.reason)
        case End.UNAUTHENTICATED:
            return RunComfyConnectionError(
                f"{ending.reason} Request {request_id} goes on and is charged. Mend the connection, then clear the "
                "task: it waits for the same request and pays nothing."
            )
        case _:
            return failures.request_gone(request_id)
