"""What a kill of a task on a worker does: cancel the request that the task obtains or waits for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.api.settings import Settings
    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook

# Everything else is imported when a task runs: Dag files import this by way of the operators.

_SECONDS = 1.5


class Kill:
    """
    What a kill of one try has to know, as plain values: it must not ask Airflow for anything.

    Airflow calls ``on_kill`` in a signal handler, and the code that it interrupted goes on for some seconds.
    """

    def __init__(self) -> None:
        self._waits_for: tuple[RunComfyHook, Settings, str] | None = None
        self._is_obtaining = False
        #: Whether the kill has come.
        self.has_come = False
        #: Whether it has cancelled the request.
        self.has_cancelled = False

    @contextmanager
    def obtaining(self) -> Iterator[None]:
        """Take note that a submit may be under way."""
        self._is_obtaining = True
        try:
            yield
        finally:
            self._is_obtaining = False

    def remember(self, hook: RunComfyHook, request_id: str, log: Logger, *, cancels: bool) -> None:
        """Take note of the request that the task has obtained; a kill that came before its id was known acts now."""
        from airflow_provider_runcomfy.api.errors import RunComfyError

        if self._waits_for is not None:
            return
        # Without a connection there is nothing that a kill could do.
        with suppress(RunComfyError):
            self._waits_for = (hook, hook.settings, request_id)
        if self.has_come and self._waits_for is not None:
            self._cancel(*self._waits_for, log, cancels)

    def come(self, log: Logger, *, cancels: bool) -> None:
        """Cancel the request, if ``cancels`` and it is still queued; what Airflow's ``on_kill`` calls."""
        self.has_come = True
        if self._waits_for is not None:
            self._cancel(*self._waits_for, log, cancels)
        elif self._is_obtaining:
            then = "cancelled once its id is known, if it is still queued, else" if cancels else "left alone:"
            log.warning("Killed while a submit may be under way; what RunComfy takes of it is %s charged.", then)

    def _cancel(self, hook: RunComfyHook, settings: Settings, request_id: str, log: Logger, cancels: bool) -> None:
        from airflow_provider_runcomfy.api.client import RunComfyClient
        from airflow_provider_runcomfy.api.errors import RunComfyError
        from airflow_provider_runcomfy.api.types import CancelOutcome

        if not cancels:
            log.info("Request %s is left alone, and charged if it runs (cancel_on_kill is off).", request_id)
            return
        # Another token may have been read during the wait; looked up without the hook, which would ask Airflow.
        settings = vars(hook).get("settings", settings)
        try:
            with RunComfyClient(settings, connect_seconds=_SECONDS, read_seconds=_SECONDS) as client:
                outcome = client.cancel(request_id)
        except RunComfyError as error:
            log.warning("Whether request %s was cancelled is not known: %s", request_id, error)
        else:
            self.has_cancelled = outcome is CancelOutcome.CANCELLED
            log.info("Request %s %s.", request_id, outcome.meaning)
