"""What a task that waited does at the end: hand over the result, or say what became of request and money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy import failures
from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import CancelOutcome, GenerationResult
from airflow_provider_runcomfy.exceptions import RunComfyFailError, RunComfyRetryableError
from airflow_provider_runcomfy.purse import CountingStore, note_cost
from airflow_provider_runcomfy.record import Outcome
from airflow_provider_runcomfy.store import record_store

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.exceptions import AirflowException
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook

_BECAME = {End.CANCELLED: Outcome.CANCELLED, End.NOT_FOUND: Outcome.GONE, End.FORBIDDEN: Outcome.GONE}


def hand_over(
    result: GenerationResult, model_id: str, context: Context, log: Logger, *, remark: str = ""
) -> dict[str, Any]:
    """Return a success as the task's XCom, with the XCom ``url`` of its first file; ``remark`` is RunComfy's."""
    if remark:
        log.warning("Request %s has succeeded, and RunComfy remarks: %s", result.request_id, remark)
    _note(context, result.request_id, Outcome.SUCCEEDED, log, model_id=model_id, cost_usd=result.cost_usd)
    if result.media:
        context["ti"].xcom_push(key="url", value=result.media[0].url)
    else:
        log.warning(
            "Request %s has succeeded, and is charged, without any file. Its output: %s",
            result.request_id,
            result.output,
        )
    return result.as_dict(model_id)


def failure(
    request_id: str,
    ending: Ending,
    model_id: str,
    context: Context,
    log: Logger,
    *,
    will_resubmit: bool,
    cancel: CancelOutcome | None = None,
) -> AirflowException:
    """Return the error for a wait that ended otherwise, after it was noted in the record."""
    if ending.end is End.FAILED:
        outcome = Outcome.MODERATED if ending.is_moderated else Outcome.FAILED
        cost_usd = ending.result.cost_usd if ending.result else None
        _note(context, request_id, outcome, log, model_id=model_id, detail=ending.reason, cost_usd=cost_usd)
    elif ending.end in _BECAME:
        _note(context, request_id, _BECAME[ending.end], log, detail=ending.reason or None)
    elif ending.end is End.TIMED_OUT and _has_succeeded(context, request_id):
        return failures.success_out_of_reach(request_id, ending.reason)
    return failures.without_result(
        request_id,
        ending,
        failures.submitter(context),
        model_id=model_id,
        will_resubmit=will_resubmit,
        cancel=cancel,
    )


def cancelled_by_kill(request_id: str, context: Context, log: Logger) -> AirflowException:
    """Return the error for a request that the task's own ``on_kill`` cancelled under it, after noting that."""
    _note(context, request_id, Outcome.CANCELLED, log, detail="cancelled when the task was killed")
    return failures.cancelled_by_kill(request_id, failures.submitter(context))


def cancel_after_timeout(request_id: str, hook: RunComfyHook, context: Context, log: Logger) -> CancelOutcome:
    """Cancel a request that did not end in time, if it is still queued, and return what became of it."""
    try:
        outcome = hook.cancel(request_id)
    except (RunComfyRetryableError, RunComfyFailError) as error:
        log.warning("Whether request %s was cancelled is not known: %s", request_id, error)
        return CancelOutcome.UNKNOWN
    log.info("Request %s %s.", request_id, outcome.meaning)
    if outcome is CancelOutcome.CANCELLED:
        _note(context, request_id, Outcome.CANCELLED, log, detail="cancelled at the time-out")
    return outcome


def _has_succeeded(context: Context, request_id: str) -> bool:
    """Return whether an earlier try has seen the success, of which an outage now keeps the result."""
    try:
        submissions = record_store(context).read().submissions
    except (RunComfyRetryableError, RunComfyFailError):
        return False
    return any(s.request_id == request_id and s.outcome is Outcome.SUCCEEDED for s in submissions)


def _note(
    context: Context,
    request_id: str,
    outcome: Outcome,
    log: Logger,
    *,
    model_id: str | None = None,
    detail: str | None = None,
    cost_usd: float | None = None,
) -> None:
    """Write into the record what became of a request; a failure only warns, since the next try asks RunComfy."""
    store = CountingStore(record_store(context), context, log)
    try:
        record = store.read()
        store.write(record.ended(request_id, outcome, detail=detail, cost_usd=cost_usd))
        is_told = any(s.request_id == request_id for s in record.submissions)
    except (RunComfyRetryableError, RunComfyFailError) as error:
        log.warning("%s The record does not show what became of request %s: %s.", error, request_id, outcome)
        is_told = False
    if not is_told:
        # Before Airflow 3.3, and where the store fails, nothing is there to tell the cost once: but once it is told.
        note_cost(context, model_id, request_id, cost_usd, log)
