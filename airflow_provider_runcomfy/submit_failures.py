"""What a try says that submits nothing, or nothing that is known: what happened, the money, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_runcomfy.api.types import CancelOutcome
from airflow_provider_runcomfy.exceptions import (
    RunComfyConnectionError,
    RunComfyRetryableError,
    SubmissionChangedError,
    UnknownSubmissionError,
)
from airflow_provider_runcomfy.failures import SUBMITTER, sentence

if TYPE_CHECKING:
    from airflow.sdk.exceptions import AirflowException

    from airflow_provider_runcomfy.api.errors import SubmissionUnknownError
    from airflow_provider_runcomfy.record import Submission

_GO_BACK = "Clear the task with the model and inputs of then to wait for it, which pays nothing"


def unknown_submission(last: Submission, model_id: str, how_to_settle: str) -> UnknownSubmissionError:
    """Return the error for an intent without an id, or with one that a person wrote and RunComfy does not know."""
    known = (
        f"RunComfy does not have request {last.request_id}, whose id was written into the record"
        if last.is_adopted
        else "its request id was not recorded"
    )
    return UnknownSubmissionError(
        f"An earlier try began to submit to {last.model_id or model_id} at {last.intent_at}, and {known}. RunComfy may "
        f"have taken it and charge it, so it is not submitted again. {how_to_settle}"
    )


def submit_unanswered(
    error: SubmissionUnknownError, intent: Submission, how_to_settle: str, *, will_resubmit: bool
) -> UnknownSubmissionError | RunComfyRetryableError:
    """Return the error for a submit of this try that RunComfy may have taken."""
    if will_resubmit:
        return RunComfyRetryableError(
            f"{error} A retry, if one is left, submits again, which may pay twice, because on_unknown_submission is "
            "'resubmit'."
        )
    return UnknownSubmissionError(f"{error} It was sent at {intent.intent_at}. {how_to_settle}")


def intent_not_recorded(error: Exception, intent: Submission, *, taken_back: bool) -> RunComfyRetryableError:
    """Return the error for a submit that was not sent because the store did not say that it kept the intent."""
    if taken_back:
        return RunComfyRetryableError(f"{error} Nothing was submitted; a retry tries again.")
    return RunComfyRetryableError(
        f"{error} Nothing was submitted; a retry tries again. If it stops with an unknown submission of "
        f"{intent.intent_at}, that one was certainly not sent."
    )


def submission_not_recorded(error: Exception, taken: Submission, how_to_settle: str) -> UnknownSubmissionError:
    """Return the error for a request of this try whose id the store did not take."""
    return UnknownSubmissionError(
        f"{error} RunComfy has taken request {taken.request_id}, sent at {taken.intent_at}, and charges it, but no "
        f"later try knows of it. {how_to_settle}"
    )


def submission_changed(last: Submission, model_id: str, conn_id: str) -> SubmissionChangedError:
    """Return the error for a retry whose model or connection is not the one that was paid for."""
    return SubmissionChangedError(
        f"An earlier try submitted request {last.request_id} to {last.model_id} through connection {last.conn_id!r}; "
        f"now the task says {model_id} and {conn_id!r}. The request was paid for and is left alone. Change the task "
        "back to use it, or clear the task to pay anew."
    )


def cannot_be_asked_for(last: Submission, error: Exception) -> RunComfyConnectionError:
    """Return the error for a request that was paid for, and a connection that does not serve to ask for it."""
    # True of this call, and misread beside a request that is charged.
    reason = str(error).removesuffix(" Nothing was sent, nothing was charged.")
    return RunComfyConnectionError(
        f"This try could not ask for request {last.request_id}, which try {last.try_number} submitted: it goes on and "
        f"is charged. {sentence(reason)} Mend the connection, then {SUBMITTER.again}."
    )


def clear_not_decided(last: Submission, error: Exception) -> RunComfyRetryableError:
    """Return the error for a cleared task that cannot know yet what became of its request."""
    return RunComfyRetryableError(
        f"{sentence(str(error))} The task was cleared, and what that does depends on what became of request "
        f"{last.request_id}, which try {last.try_number} submitted and which is charged. Nothing was submitted; a "
        "retry asks again."
    )


def not_replaced(error: AirflowException, request_id: str | None) -> AirflowException:
    """Return the error for a submit that came to nothing before it; ``request_id`` is what it was to replace."""
    if request_id is None:
        return error
    return type(error)(
        f"{error}\nThe earlier request {request_id} is not replaced: it goes on and is charged. {_GO_BACK}."
    )


def not_submitted_in_place(
    error: AirflowException, request_id: str, cancel: CancelOutcome, *, is_refused: bool
) -> AirflowException:
    """
    Return the error for a submit that was refused or is not known, with what became of the one that it was to replace.

    :param request_id: the one that it was to replace.
    :param cancel: what became of its cancel.
    :param is_refused: whether the record says that the submit was certainly not taken: only then a clear may go back.
    """
    said = f"{error} The earlier request {request_id}, which this submit was to replace, {cancel.meaning}."
    if cancel is CancelOutcome.CANCELLED:
        return type(error)(said)
    if not is_refused:
        return type(error)(f"{said} A RunComfyRequestSensor can wait for it, which pays nothing.")
    or_else = "" if cancel is CancelOutcome.NOT_CANCELLABLE else "; if it was cancelled, that submits them anew"
    return type(error)(f"{said} {_GO_BACK}{or_else}.")
