"""Wait for requests that another task has submitted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.compat import AirflowSensorTimeout, AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_runcomfy.api.polling import Ending, Step
    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook


class RunComfyRequestSensor(BaseSensorOperator):
    """
    Wait for requests that another task has submitted, without holding a worker, and return the result.

    It only looks: it costs nothing, a retry or a clear of it costs nothing, and it never cancels.

    :param request_id: an id, a result, or a list of either, which are waited for together (templated).
    :param runcomfy_conn_id: the connection, ``runcomfy_default`` by default (templated).
    :param deferrable: wait in the triggerer, True by default; False waits as ``mode`` says.
    :param poke_interval: seconds between the first polls, 5 by default.
    :param max_poll_interval: seconds between polls at most while deferred, 30 by default.
    :param timeout: seconds to wait, counted from the sensor's start; ``[sensors] default_timeout`` by default.
    :param mode: ``poke`` or ``reschedule``, for a sensor that is not deferrable.
    :param soft_fail: skip instead of failing.
    :returns: the result, as of
        :class:`~airflow_provider_runcomfy.operators.runcomfy.RunComfyGenerateOperator`; a list for a list.
    :raises AirflowSensorTimeout: if a request did not end in time; it goes on and is charged. Not retried.
    :raises GenerationFailedError: if a generation failed. Not retried.
    :raises GenerationCancelledError: if a request was cancelled. Not retried.
    :raises RequestNotAvailableError: if a request has expired or is another account's. Not retried.
    """

    template_fields: Sequence[str] = ("request_id", "runcomfy_conn_id")
    ui_color = "#efe7fb"

    def __init__(
        self,
        *,
        request_id: Any,
        runcomfy_conn_id: str = "runcomfy_default",
        deferrable: bool = True,
        poke_interval: Any = 5.0,
        max_poll_interval: float = 30.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.request_id = request_id
        self.runcomfy_conn_id = runcomfy_conn_id
        self.deferrable = deferrable
        self.max_poll_interval = max_poll_interval

    def execute(self, context: Context) -> Any:
        """Look once; then wait."""
        if not self.deferrable:
            return super().execute(context)
        try:
            seen = self.poke(context)
        except AirflowException as error:
            # On resume Airflow does this by itself; here it has to be asked.
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(f"Skipping instead of failing: {error}") from None
            raise
        return seen.xcom_value if seen else self._defer()

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once at every request."""
        seen = self._look(context)
        ended = {request_id: ending for request_id, ending in seen.items() if ending is not None}
        if len(ended) < len(seen):
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._results(ended))

    def execute_complete(self, context: Context, event: Any) -> Any:
        """Resume when the trigger has seen the end."""
        from airflow_provider_runcomfy.triggers.events import from_event

        return self._results(from_event(event))

    def _defer(self) -> NoReturn:
        from airflow_provider_runcomfy.request_ids import request_ids
        from airflow_provider_runcomfy.triggers.runcomfy import RunComfyRequestTrigger

        ids = request_ids(self.request_id)
        self.defer(
            trigger=RunComfyRequestTrigger(
                request_id=ids[0] if len(ids) == 1 else ids,
                runcomfy_conn_id=self.runcomfy_conn_id,
                poll_interval=self.poke_interval,
                max_poll_interval=self.max_poll_interval,
                end_time=time.time() + self.timeout,
            ),
            method_name="execute_complete",
        )

    def _look(self, context: Context) -> dict[str, Ending | None]:
        """Return how each request ended, None for those that have not; a failed poll ends nothing."""
        from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
        from airflow_provider_runcomfy.request_ids import request_ids

        hook = RunComfyHook(self.runcomfy_conn_id)
        hook.get_conn()
        started = self._started_at(context)
        return {request_id: self._look_at(hook, request_id, started) for request_id in request_ids(self.request_id)}

    def _look_at(self, hook: RunComfyHook, request_id: str, started: float) -> Ending | None:
        from airflow_provider_runcomfy.api.polling import Ending, Poller
        from airflow_provider_runcomfy.waiting import Progress, look_once

        poller = Poller(
            now=time.time(),
            deadline=float("inf"),
            poll_interval=self.poke_interval,
            max_poll_interval=self.max_poll_interval,
            submitted_at=started,
        )
        step: Step | Ending = look_once(hook, request_id, poller, Progress(request_id, self.log))
        return step if isinstance(step, Ending) else None

    def _started_at(self, context: Context) -> float:
        ti = context["ti"]
        first = ti.get_first_reschedule_date(context) if self.reschedule else None
        started = first or ti.start_date
        return started.timestamp() if started else time.time()

    def _results(self, endings: dict[str, Ending]) -> Any:
        from airflow_provider_runcomfy.api.polling import End
        from airflow_provider_runcomfy.request_ids import is_one_request
        from airflow_provider_runcomfy.waiting import failure_of

        results = []
        for request_id, ending in endings.items():
            if ending.end is End.TIMED_OUT:
                raise AirflowSensorTimeout(str(failure_of(request_id, ending)))
            if ending.end is not End.SUCCEEDED or ending.result is None:
                raise failure_of(request_id, ending)
            results.append(ending.result.as_dict(None))
        return results[0] if is_one_request(self.request_id) else results
