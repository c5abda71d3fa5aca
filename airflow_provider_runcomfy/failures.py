"""What a task says when it ends without a result: what happened, to which request, the money, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import CancelOutcome
from airflow_provider_runcomfy.exceptions import (
    GenerationCancelledError,
    GenerationFailedError,
    GenerationFailedRetryableError,
    GenerationModeratedError,
    GenerationTimeoutError,
    RequestNotAvailableError,
    RunComfyConnectionError,
    RunComfyFailError,
    RunComfyRetryableError,
)

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.exceptions import AirflowException


@dataclass(frozen=True)
class Asker:
    """
    A task that is told how a request ended: what a person does next depends on who submitted it, and who remembers.

    :param anew: what has the generation submitted once more.
    :param again: what has the same request waited for once more.
    :param retry_pays: what a retry needs, besides what its parameters say, to submit once more.
    """

    anew: str
    again: str
    retry_pays: str = ""


#: A task that submitted the request, and whose later tries know of it.
SUBMITTER = Asker(
    anew="clear the task",
    again="clear the task to wait for it again, with a new budget of time, which pays nothing",
)
#: A task that submitted the request before Airflow 3.3, where nothing of a try outlives it.
SUBMITTER_WITHOUT_RECORD = Asker(
    anew="start a new Dag run (before Airflow 3.3 no later try of this task knows of the request)",
    again=(
        "wait for it with a RunComfyRequestSensor, which pays nothing (before Airflow 3.3 no later try of this task "
        "knows of the request)"
    ),
    retry_pays=", but before Airflow 3.3 only with on_unknown_submission='resubmit'",
)
#: A task that got the request from another one, and only waits for it or copies its result.
WAITER = Asker(
    anew="clear the task that submitted it (before Airflow 3.3: start a new Dag run)",
    again="clear this task to wait for it again, which pays nothing",
)


def submitter(context: Context) -> Asker:
    """Return who a running task is that submits."""
    return SUBMITTER_WITHOUT_RECORD if context.get("task_state_store") is None else SUBMITTER


def without_result(
    request_id: str,
    ending: Ending,
    asker: Asker,
    *,
    model_id: str | None = None,
    will_resubmit: bool = False,
    cancel: CancelOutcome | None = None,
) -> AirflowException:
    """
    Return the error for a wait that ended without a success.

    :param will_resubmit: whether a retry submits a failed generation again.
    :param cancel: what became of the cancel after a time-out; None where nobody tried.
    """
    match ending.end:
        case End.FAILED:
            return generation_failed(
                request_id,
                ending.reason,
                model_id,
                is_moderated=ending.is_moderated,
                will_resubmit=will_resubmit,
                asker=asker,
            )
        case End.CANCELLED:
            return generation_cancelled(request_id, asker, model_id)
        case End.TIMED_OUT:
            seen = _seen_running(ending.running_since, cancel)
            return generation_timed_out(request_id, ending.reason, asker, cancel, model_id=model_id, seen=seen)
        case End.UNAUTHENTICATED:
            return RunComfyConnectionError(
                f"{sentence(ending.reason)} Request {request_id}{_for(model_id)} goes on and is charged. Mend the "
                f"connection, then {asker.again}."
            )
        case _:
            return request_gone(request_id, model_id, asker)


def request_gone(request_id: str, model_id: str | None = None, asker: Asker = SUBMITTER) -> RequestNotAvailableError:
    """Return the error for a request that has expired, or is another account's."""
    return RequestNotAvailableError(
        f"RunComfy no longer has request {request_id}{_for(model_id)}, or it is another account's. It was paid for. "
        f"Copies that were made of its result are still there; {asker.anew} to pay anew."
    )


def generation_failed(
    request_id: str,
    reason: str,
    model_id: str | None = None,
    *,
    is_moderated: bool,
    will_resubmit: bool = False,
    asker: Asker = SUBMITTER,
) -> GenerationFailedError | GenerationFailedRetryableError:
    """Return the error for a failed generation; one that moderation refused is never submitted again by itself."""
    said = f"Request {request_id}{_for(model_id)} failed: {sentence(reason or 'no reason given')}"
    charged = "RunComfy's billing page tells what was charged."
    if is_moderated:
        return GenerationModeratedError(
            f"{said} It reads like a refusal by content moderation, so the same inputs would be refused again and no "
            f"retry submits them. Change the inputs and {asker.anew}. {charged}"
        )
    if will_resubmit:
        return GenerationFailedRetryableError(
            f"{said} A retry, if one is left, submits it again and pays anew (resubmit_failed){asker.retry_pays}. "
            f"{charged}"
        )
    or_else = ", or set resubmit_failed=True to have retries do so" if asker is SUBMITTER else ""
    return GenerationFailedError(
        f"{said} No retry submits it again. {_capital(asker.anew)} to pay anew{or_else}. {charged}"
    )


def generation_cancelled(request_id: str, asker: Asker, model_id: str | None = None) -> GenerationCancelledError:
    """Return the error for a request that somebody cancelled under the task that waited for it."""
    return GenerationCancelledError(
        f"Request {request_id}{_for(model_id)} was cancelled by somebody while it was queued; nothing is charged for "
        f"it. {_capital(asker.anew)} to submit anew."
    )


def cancelled_by_kill(request_id: str, asker: Asker) -> RunComfyRetryableError:
    """Return the error for a request that the task's own ``on_kill`` cancelled under it."""
    return RunComfyRetryableError(
        f"The task was killed, and request {request_id} was cancelled while it was queued (cancel_on_kill): nothing is "
        f"charged for it. A retry submits anew{asker.retry_pays}."
    )


def generation_timed_out(
    request_id: str,
    last_error: str,
    asker: Asker,
    cancel: CancelOutcome | None = None,
    *,
    model_id: str | None = None,
    seen: str = "",
) -> GenerationTimeoutError:
    """
    Return the error for a request that did not end in time, with what became of its cancel if there was one.

    :param seen: whether it was seen running, in a sentence.
    """
    trouble = f" The last poll failed: {sentence(last_error)}" if last_error else ""
    became = "goes on and is charged" if cancel is None else cancel.meaning
    again = _capital(asker.again)
    if cancel is CancelOutcome.CANCELLED:
        next_step = f"{_capital(asker.anew)} to submit anew"
    elif cancel in (None, CancelOutcome.NOT_CANCELLABLE):
        next_step = again
    else:
        next_step = f"{again}; if it was cancelled, {asker.anew} to submit anew"
    said = f"Request {request_id}{_for(model_id)} did not end in time.{seen and ' '}{seen}{trouble}"
    return GenerationTimeoutError(f"{said} It {became}. {next_step}.")


def _seen_running(since: float | None, cancel: CancelOutcome | None) -> str:
    """Return what decides whether a cancel could save the money, as long as that is open."""
    if since is not None:
        return f"A poll first saw it running at {datetime.fromtimestamp(since, UTC).isoformat(timespec='seconds')}."
    return "No status told that it runs: while it is queued, a cancel saves its cost." if cancel is None else ""


def success_out_of_reach(request_id: str, last_error: str) -> RunComfyRetryableError:
    """Return the error for a request that is recorded as succeeded, and whose result cannot be had in time."""
    trouble = f" The last poll failed: {sentence(last_error)}" if last_error else ""
    return RunComfyRetryableError(
        f"Request {request_id} has succeeded and is charged, but its result cannot be had now.{trouble} A retry asks "
        "again and pays nothing."
    )


def wrong_event(
    reason: str, asker: Asker, request_ids: Sequence[str] = ()
) -> RunComfyRetryableError | RunComfyFailError:
    """
    Return the error for an event that no trigger of this version sends; it is retried only where that is free.

    :param request_ids: the requests that it names.
    """
    said = (
        f"The task was resumed with an event that is not its trigger's, or that of a later version ({reason}). Where "
        "the triggerers have a later version of this package than the workers, upgrade the workers."
    )
    which = f"Request {', '.join(request_ids)}" if request_ids else "Its request"
    if asker is SUBMITTER_WITHOUT_RECORD:
        return RunComfyFailError(
            f"{said} {which} was paid for and is left alone; the id is in this task's log and in its XCom "
            f"'request_id': {asker.again}."
        )
    return RunComfyRetryableError(
        f"{said} {which} was paid for and is left alone; a retry asks for it again and pays nothing."
    )


def _for(model_id: str | None) -> str:
    return f" for {model_id}" if model_id else ""


def sentence(text: str) -> str:
    """Return what somebody else has written as a sentence that another can follow."""
    text = text.rstrip()
    return text if text.endswith(("!", "?")) else f"{text.rstrip('.')}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
