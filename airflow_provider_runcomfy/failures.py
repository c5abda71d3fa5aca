"""What a task says when it ends without a result: what happened, to which request, the money, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_runcomfy.api.moderation import is_moderation
from airflow_provider_runcomfy.exceptions import (
    GenerationCancelledError,
    GenerationFailedError,
    GenerationFailedRetryableError,
    GenerationModeratedError,
    GenerationTimeoutError,
    RequestNotAvailableError,
    RunComfyRetryableError,
    SubmissionChangedError,
    UnknownSubmissionError,
)

if TYPE_CHECKING:
    from airflow_provider_runcomfy.api.errors import SubmissionUnknownError
    from airflow_provider_runcomfy.record import Submission


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


def request_gone(request_id: str, model_id: str | None = None) -> RequestNotAvailableError:
    """Return the error for a request that has expired, or is another account's."""
    of_model = f" for {model_id}" if model_id else ""
    return RequestNotAvailableError(
        f"RunComfy no longer has request {request_id}{of_model}, or it is another account's. It was paid for. Copies "
        "that were made of its result are still there; clear the task that submitted it to pay anew."
    )


def generation_failed(
    request_id: str, reason: str, model_id: str | None = None, *, will_resubmit: bool = False
) -> GenerationFailedError | GenerationFailedRetryableError:
    """Return the error for a failed generation; one that moderation refused is never submitted again by itself."""
    said = f"Request {request_id}{f' for {model_id}' if model_id else ''} failed: {reason or 'no reason given'}."
    charged = "RunComfy's billing page tells what was charged."
    if is_moderation(reason):
        return GenerationModeratedError(
            f"{said} It reads like a refusal by content moderation, so the same inputs would be refused again and no "
            f"retry submits them. Change the inputs and clear the task. {charged}"
        )
    if will_resubmit:
        return GenerationFailedRetryableError(
            f"{said} A retry, if one is left, submits it again and pays anew (resubmit_failed). {charged}"
        )
    return GenerationFailedError(
        f"{said} No retry submits it again. Clear the task to pay anew, or set resubmit_failed=True to have retries "
        f"do so. {charged}"
    )


def generation_cancelled(request_id: str) -> GenerationCancelledError:
    """Return the error for a request that somebody cancelled under the task that waited for it."""
    return GenerationCancelledError(
        f"Request {request_id} was cancelled by somebody while it was queued; nothing is charged for it. "
        "Clear the task to submit anew."
    )


def generation_timed_out(request_id: str, last_error: str = "") -> GenerationTimeoutError:
    """Return the error for a request that did not end in time."""
    trouble = f" The last poll failed: {last_error}" if last_error else ""
    return GenerationTimeoutError(
        f"Request {request_id} did not end in time.{trouble} Unless it was cancelled it goes on and is charged: clear "
        "the task to wait for it again with a new budget of time, which submits and pays nothing. If it was cancelled, "
        "a clear submits anew."
    )
