"""One trigger's wait for one request: the poll decisions, the calls that it shares with others, what it tells."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_runcomfy import waiting
from airflow_provider_runcomfy.api.errors import RunComfyError
from airflow_provider_runcomfy.api.polling import Ending, Poller, Step
from airflow_provider_runcomfy.api.types import RequestStatus
from airflow_provider_runcomfy.triggers.progress_xcom import ProgressXCom
from airflow_provider_runcomfy.triggers.shared import SharedConnection

if TYPE_CHECKING:
    from airflow.sdk.types import Logger


class Wait:
    """
    A wait for one request.

    :param poller: decides when to ask for what.
    :param until: when it ends at the latest, in seconds since the epoch.
    :param patience: after how many seconds a poll that was held back counts as late.
    :param shared: the connection.
    :param told: where people are told how it stands.
    """

    def __init__(
        self,
        request_id: str,
        poller: Poller,
        shared: SharedConnection,
        told: ProgressXCom,
        log: Logger,
        *,
        until: float,
        patience: float,
    ) -> None:
        self._request_id = request_id
        self._poller = poller
        self._shared = shared
        self._told = told
        self._log = log
        self._progress = waiting.Progress(request_id, shared.conn_id, log)
        self._until = until
        self._patience = patience
        self._generation = shared.generation

    async def ending(self) -> Ending:
        """Poll until the wait has ended."""
        step: Step | Ending = self._poller.first(time.time(), delay=waiting.SHORTEST_DEFERRAL_SECONDS)
        while isinstance(step, Step):
            await self._shared.sleep(step.delay)
            if step.reread_connection:
                await self._shared.renew(self._generation)
            step = await self._take(step)
        return replace(step, running_since=self._poller.running_since)

    def _held(self, seconds: float) -> None:
        if seconds > self._patience:
            self._progress.held_back(seconds)

    async def _take(self, step: Step) -> Step | Ending:
        self._generation = self._shared.generation
        try:
            answer = await self._shared.ask(self._request_id, step.ask, until=self._until, held=self._held)
        except RunComfyError as error:
            # In here, and not kept: an error that the frame holds would hold the frame until the next collection.
            return waiting.next_step(error, step.ask, self._poller, self._progress)
        if isinstance(answer, RequestStatus) and self._told.note(answer):
            await self._told.write()
        return waiting.next_step(answer, step.ask, self._poller, self._progress)
