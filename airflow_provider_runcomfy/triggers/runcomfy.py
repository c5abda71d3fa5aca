"""Wait for requests without a worker: this trigger polls, and nothing else; it never submits, never downloads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_runcomfy.api.errors import RunComfyError
from airflow_provider_runcomfy.api.polling import Ending, Poller
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyAsyncHook
from airflow_provider_runcomfy.parameters import DEFAULT_CONN_ID, DEFAULT_MAX_POLL_INTERVAL, DEFAULT_POLL_INTERVAL
from airflow_provider_runcomfy.triggers.events import to_event
from airflow_provider_runcomfy.triggers.progress_xcom import ProgressXCom
from airflow_provider_runcomfy.triggers.shared import SharedConnection, shared_connection
from airflow_provider_runcomfy.triggers.task_state import state_of
from airflow_provider_runcomfy.triggers.undisturbed import undisturbed
from airflow_provider_runcomfy.triggers.wait import Wait

# The task is over for good; in every other state somebody may still be waiting for the request.
_ENDED = frozenset({"failed", "success", "skipped", "removed"})


class RunComfyRequestTrigger(BaseTrigger):
    """
    Poll requests until each has ended, then send exactly one event.

    All arguments are plain JSON and none is a secret; those that come later have defaults, so that a deferred
    task survives an upgrade. Those that a later version has given, where workers were upgraded before the triggerer,
    are left out, kept for whoever reads them next, and named in the log.

    :param request_id: the request, or a list of requests that are waited for together.
    :param runcomfy_conn_id: the connection, ``runcomfy_default`` by default.
    :param poll_interval: seconds between the first polls, 5 by default; they spread as the wait goes on.
    :param max_poll_interval: seconds between polls at most, 30 by default.
    :param end_time: when to give up, in seconds since the epoch; then the result is looked at once more.
    :param cancel_on_kill: cancel the request when a person ends the waiting task (Airflow 3.3 or later). Only a
        queued request can be cancelled.
    :param submitted_at: when it was submitted, in seconds since the epoch, where that is known.
    """

    def __init__(
        self,
        *,
        request_id: str | list[str],
        end_time: float,
        runcomfy_conn_id: str = DEFAULT_CONN_ID,
        poll_interval: float = DEFAULT_POLL_INTERVAL,
        max_poll_interval: float = DEFAULT_MAX_POLL_INTERVAL,
        cancel_on_kill: bool = False,
        submitted_at: float | None = None,
        **later: Any,
    ) -> None:
        super().__init__()
        self.request_id = request_id
        self.end_time = end_time
        self.runcomfy_conn_id = runcomfy_conn_id
        self.poll_interval = poll_interval
        self.max_poll_interval = max_poll_interval
        self.cancel_on_kill = cancel_on_kill
        self.submitted_at = submitted_at
        self._later = later

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores of the trigger."""
        return (
            "airflow_provider_runcomfy.triggers.runcomfy.RunComfyRequestTrigger",
            {
                "request_id": self.request_id,
                "end_time": self.end_time,
                "runcomfy_conn_id": self.runcomfy_conn_id,
                "poll_interval": self.poll_interval,
                "max_poll_interval": self.max_poll_interval,
                "cancel_on_kill": self.cancel_on_kill,
                "submitted_at": self.submitted_at,
                **self._later,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and send the event."""
        ids = self._request_ids
        if self._later:
            self.log.warning(
                "A later version of this package has deferred this task; what it says of %s is left out, and the wait "
                "goes on. Upgrade the package in the triggerer.",
                ", ".join(sorted(self._later)),
            )
        async with shared_connection(self.runcomfy_conn_id) as shared:
            told = ProgressXCom(self.task_instance, shared, self.log)
            try:
                # Also one request has a task of its own: in the trigger's, Airflow's portal makes every poll dearer.
                async with asyncio.TaskGroup() as group:
                    waits = [group.create_task(self._ending(request_id, shared, told)) for request_id in ids]
            except ExceptionGroup as errors:
                # What people read last is what went wrong, not that it went wrong in a group.
                error = errors.exceptions[0]
                raise error from error.__cause__
            endings = [wait.result() for wait in waits]
        yield TriggerEvent(to_event(dict(zip(ids, endings, strict=True))))

    async def on_kill(self) -> None:
        """
        Cancel what is still queued, if the task is over for good.

        Airflow also calls this for a cleared task, whose next try attaches to the request, and for one that another
        triggerer has taken over; so without certainty the request is left alone.
        """
        await undisturbed(self._cancel_if_over())

    async def _cancel_if_over(self) -> None:
        if not self.cancel_on_kill:
            self.log.info("Left alone, and charged if it runs (cancel_on_kill is off): %s.", self._named)
            return
        state = await self._task_state()
        if state not in _ENDED:
            self.log.info("Left alone, since the task is %s, not ended: %s.", state or "in no known state", self._named)
            return
        async with RunComfyAsyncHook(self.runcomfy_conn_id) as hook:
            for request_id in self._request_ids:
                await self._cancel(hook, request_id)

    @property
    def _request_ids(self) -> list[str]:
        return [self.request_id] if isinstance(self.request_id, str) else self.request_id

    @property
    def _named(self) -> str:
        return f"request {', '.join(self._request_ids)}"

    async def _ending(self, request_id: str, shared: SharedConnection, told: ProgressXCom) -> Ending:
        poller = Poller(
            now=time.time(),
            deadline=self.end_time,
            poll_interval=self.poll_interval,
            max_poll_interval=self.max_poll_interval,
            submitted_at=self.submitted_at,
            spread=shared.spread,
        )
        wait = Wait(request_id, poller, shared, told, self.log, until=self.end_time, patience=self.max_poll_interval)
        return await wait.ending()

    async def _task_state(self) -> str | None:
        if self.task_instance is None:
            return None
        return await state_of(self.task_instance)

    async def _cancel(self, hook: RunComfyAsyncHook, request_id: str) -> None:
        try:
            outcome = await hook.cancel(request_id)
        except RunComfyError as error:
            self.log.warning("Whether request %s was cancelled is not known: %s", request_id, error)
            return
        self.log.info("Request %s %s.", request_id, outcome.meaning)
