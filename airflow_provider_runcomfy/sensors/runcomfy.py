"""Wait for requests that another task has submitted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from airflow_provider_runcomfy.links.runcomfy import ResultPageLink
from airflow_provider_runcomfy.parameters import (
    DEFAULT_CONN_ID,
    DEFAULT_MAX_POLL_INTERVAL,
    DEFAULT_POLL_INTERVAL,
    require_positive,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_runcomfy.api.polling import Ending
    from airflow_provider_runcomfy.waiting import Lookout

# Of a look that fails with one of these Airflow makes a skip where soft_fail is set, and silent_fail lets none pass.
_FINAL = (AirflowSensorTimeout, AirflowTaskTimeout, AirflowFailException)


class RunComfyRequestSensor(BaseSensorOperator):
    """
    Wait for requests that another task has submitted, without holding a worker, and return the result.

    It only looks: it costs nothing, a retry or a clear of it costs nothing, and it never cancels.

    :param request_id: an id, a result, or a list of either, which are waited for together. (templated)
    :param runcomfy_conn_id: the connection, ``runcomfy_default`` by default. (templated)
    :param deferrable: wait in the triggerer, True by default; False waits as ``mode`` says.
    :param poke_interval: seconds between the first polls, 5 by default; between all of them if not deferrable.
    :param max_poll_interval: seconds between polls at most while deferred, 30 by default.
    :param timeout: seconds to wait, counted from the sensor's start; ``[sensors] default_timeout`` by default.
    :param mode: ``poke`` (default) or ``reschedule``, for a sensor that is not deferrable.
    :param soft_fail: skip instead of failing for good, False by default; the log says why. A look that failed by what a
        retry may mend is retried.
    :returns: the result, as of
        :class:`~airflow_provider_runcomfy.operators.runcomfy.RunComfyGenerateOperator`; a list for a list.
    :raises AirflowSensorTimeout: if a request did not end in time; it goes on and is charged. Not retried.
    :raises InvalidInputsError: if ``request_id`` names no request. Not retried.
    :raises RunComfyConnectionError: if the connection is missing or unusable, or its token is refused. Not retried.
    :raises GenerationFailedError: if a generation failed, ``GenerationModeratedError`` if content moderation refused
        it. Not retried.
    :raises GenerationCancelledError: if a request was cancelled. Not retried.
    :raises RequestNotAvailableError: if a request has expired or is another account's. Not retried.
    :raises RunComfyRetryableError: if Airflow could not be asked for the connection.
    """

    template_fields: Sequence[str] = ("request_id", "runcomfy_conn_id")
    operator_extra_links = (ResultPageLink(),)
    ui_color = "#efe7fb"

    def __init__(
        self,
        *,
        request_id: Any,
        runcomfy_conn_id: str = DEFAULT_CONN_ID,
        deferrable: bool = True,
        poke_interval: Any = DEFAULT_POLL_INTERVAL,
        max_poll_interval: float = DEFAULT_MAX_POLL_INTERVAL,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        if deferrable:
            require_positive("poke_interval", self.poke_interval)
            require_positive("max_poll_interval", max_poll_interval)
        self.request_id = request_id
        self.runcomfy_conn_id = runcomfy_conn_id
        self.deferrable = deferrable
        self.max_poll_interval = max_poll_interval
        self._lookout: Lookout | None = None
        # The first that had not ended at the last look, and those after it.
        self._open: list[str] = []

    def execute(self, context: Context) -> Any:
        """Look once; then wait."""
        from airflow_provider_runcomfy import waiting

        if not self.deferrable or self.timeout < waiting.SHORTEST_DEFERRAL_SECONDS:
            return self._wait_on_worker(context)
        seen = self._first_look(context)
        return seen.xcom_value if seen else self._defer()

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the requests one after the other, up to the first that has not ended."""
        from airflow_provider_runcomfy.request_ids import request_ids

        with self._telling_why_it_skips(self._skips):
            endings = {}
            ids = request_ids(self.request_id)
            for place, request_id in enumerate(ids):
                self._open = ids[place:]
                ending = self._look(request_id, context)
                if ending is None:
                    return PokeReturnValue(is_done=False)
                endings[request_id] = ending
            self._open = []
            return PokeReturnValue(is_done=True, xcom_value=self._results(endings, context))

    def execute_complete(self, context: Context, event: Any) -> Any:
        """Resume when the trigger has seen the end."""
        from airflow_provider_runcomfy.failures import WAITER
        from airflow_provider_runcomfy.triggers.events import from_event

        with self._telling_why_it_skips(self._skips_on_resume):
            return self._results(from_event(event, WAITER), context)

    def _wait_on_worker(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except (AirflowSensorTimeout, AirflowSkipException) as error:
            # That of Airflow's time-out names neither request nor money; a skip that a look has led to has a cause.
            if error.__cause__ is not None or not self._open:
                raise
            said = self._timed_out(self._open)
            if isinstance(error, AirflowSkipException):
                self.log.warning("Skipping instead of failing: %s", said)
            raise type(error)(said) from None

    def _timed_out(self, request_ids: Sequence[str]) -> str:
        from airflow_provider_runcomfy.api.polling import End, Ending
        from airflow_provider_runcomfy.failures import WAITER, without_result
        from airflow_provider_runcomfy.request_ids import given_requests

        first, *others = request_ids
        ending = self._lookout.timed_out(first) if self._lookout else Ending(End.TIMED_OUT)
        model_ids = {given.request_id: given.model_id for given in given_requests(self.request_id)}
        said = str(without_result(first, ending, WAITER, model_id=model_ids.get(first)))
        return f"{said} After it these were not looked at: {', '.join(others)}." if others else said

    def _first_look(self, context: Context) -> PokeReturnValue:
        """Look, and make of an error what Airflow's own loop would, which a sensor that defers does not enter."""
        try:
            return self.poke(context)
        except AirflowSkipException:
            raise
        except (Exception, AirflowTaskTimeout) as error:
            if self._skips(error):
                raise AirflowSkipException("Skipping instead of failing.") from error
            if self.silent_fail and not isinstance(error, _FINAL):
                self.log.exception("The first look failed; the sensor waits (silent_fail).")
                return PokeReturnValue(is_done=False)
            raise

    def _skips(self, error: BaseException) -> bool:
        """Return whether a look that fails becomes a skip, as in Airflow's loop."""
        if isinstance(error, _FINAL):
            return self.soft_fail or self.never_fail
        return self.never_fail and not self.silent_fail

    def _skips_on_resume(self, error: BaseException) -> bool:
        """Return whether a resume that fails becomes a skip, which Airflow decides otherwise."""
        return isinstance(error, AirflowException) and (self.soft_fail or self.never_fail)

    @contextmanager
    def _telling_why_it_skips(self, skips: Callable[[BaseException], bool]) -> Iterator[None]:
        # Where Airflow makes a skip of an error, its log has no word of what the error said.
        try:
            yield
        except AirflowSkipException:
            # So that it is not taken for a time-out.
            self._open = []
            raise
        except (Exception, AirflowTaskTimeout) as error:
            if skips(error):
                self.log.warning("Skipping instead of failing: %s", error)
            raise

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

    def _look(self, request_id: str, context: Context) -> Ending | None:
        if self._lookout is None:
            from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
            from airflow_provider_runcomfy.progress import ProgressOnWorker
            from airflow_provider_runcomfy.waiting import Lookout

            hook = RunComfyHook(self.runcomfy_conn_id)
            hook.get_conn()
            # Of one that is about to defer, the trigger tells.
            note = None if self.deferrable else ProgressOnWorker(context, self.log).note
            self._lookout = Lookout(hook, self._started_at(context), self.log, note)
        return self._lookout.ending_of(request_id)

    def _started_at(self, context: Context) -> float:
        ti = context["ti"]
        first = ti.get_first_reschedule_date(context) if self.reschedule else None
        started = first or ti.start_date
        return started.timestamp() if started else time.time()

    def _results(self, endings: dict[str, Ending], context: Context) -> Any:
        from airflow_provider_runcomfy.api.polling import End
        from airflow_provider_runcomfy.failures import WAITER, without_result
        from airflow_provider_runcomfy.progress import tell_ends
        from airflow_provider_runcomfy.purse import note_costs_once
        from airflow_provider_runcomfy.request_ids import given_requests, is_one_request

        tell_ends(endings, context, self.log)
        requests = given_requests(self.request_id)
        note_costs_once(context, requests, endings, self.log)
        model_ids = {given.request_id: given.model_id for given in requests}
        results = []
        for request_id, ending in endings.items():
            model_id = model_ids.get(request_id)
            if ending.end is not End.SUCCEEDED or ending.result is None:
                error = without_result(request_id, ending, WAITER, model_id=model_id)
                raise AirflowSensorTimeout(str(error)) if ending.end is End.TIMED_OUT else error
            results.append(ending.result.as_dict(model_id))
        return results[0] if is_one_request(self.request_id) else results
