"""Decide what a task instance's next try does, from its record: pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from airflow_provider_runcomfy.record import Outcome, Record, Submission

OnUnknownSubmission = Literal["fail", "resubmit"]
OnClear = Literal["reuse", "resubmit"]


class Fate(StrEnum):
    """What RunComfy says of the latest request when a try starts."""

    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MODERATED = "moderated"
    CANCELLED = "cancelled"
    GONE = "gone"


@dataclass(frozen=True)
class Attempt:
    """
    What a try that starts brings along.

    :param inputs_hash: of its inputs; None while they are not known, and :func:`compares_inputs` says no.
    :param waits: whether it waits for the result; one that does not asks for no state when it is retried.
    """

    model_id: str
    conn_id: str
    inputs_hash: str | None
    max_tries: int
    try_number: int
    on_unknown_submission: OnUnknownSubmission = "fail"
    on_clear: OnClear = "reuse"
    resubmit_failed: bool = False
    waits: bool = True


@dataclass(frozen=True)
class Submit:
    """Submit anew; ``replaces`` is cancelled first, if it is still queued."""

    note: str = ""
    replaces: str | None = None


@dataclass(frozen=True)
class Attach:
    """Wait for the latest request; after a clear with a new budget of time."""

    note: str = ""
    new_budget: bool = False


@dataclass(frozen=True)
class Use:
    """Use the latest request's result."""

    note: str = ""


class Refusal(StrEnum):
    """Why a try is refused."""

    UNKNOWN_SUBMISSION = "unknown_submission"
    FAILED = "failed"
    MODERATED = "moderated"
    FAILED_WILL_RESUBMIT = "failed_will_resubmit"
    GONE = "gone"
    CHANGED = "changed"


@dataclass(frozen=True)
class Refuse:
    """Fail."""

    refusal: Refusal


Decision = Submit | Attach | Use | Refuse


def was_cleared(record: Record, attempt: Attempt) -> bool:
    """Return whether a person has cleared the task since the record was last used."""
    return record.max_tries != attempt.max_tries


def look_at(record: Record, attempt: Attempt) -> str | None:
    """Return the request whose fate :func:`decide` needs to know; None where the record says enough."""
    last = record.last
    if last is None or last.request_id is None or last.conn_id != attempt.conn_id:
        return None
    # A success may have expired since, and with another token a request is there again.
    if last.outcome not in (None, Outcome.SUCCEEDED, Outcome.GONE):
        return None
    return last.request_id if attempt.waits or was_cleared(record, attempt) else None


def compares_inputs(record: Record, attempt: Attempt, fate: Fate | None = None) -> bool:
    """
    Return whether :func:`decide` needs to know the inputs of this try: what it does depends on them.

    Only what a person clears while it goes on or after it has succeeded is a question of the inputs. What is adopted is
    not: the clear was for that request.
    """
    last = record.last
    if last is None or last.is_unknown or last.is_adopted or not was_cleared(record, attempt):
        return False
    same = (last.model_id, last.conn_id) == (attempt.model_id, attempt.conn_id)
    fate = _known(last, fate)
    # With "resubmit" a success is submitted anew, whatever the inputs are.
    return same and (fate is Fate.WAITING or (fate is Fate.SUCCEEDED and attempt.on_clear == "reuse"))


def decide(record: Record, attempt: Attempt, fate: Fate | None = None) -> Decision:
    """
    Return what a try does: the decision table.

    :param record: what was submitted so far.
    :param attempt: what this try brings along.
    :param fate: what RunComfy says of the request that :func:`look_at` named.
    """
    last = record.last
    if last is None:
        return Submit()
    fate = _known(last, fate)
    # An adopted id that RunComfy does not know may be mistyped, and then settles nothing.
    if last.is_unknown or (last.is_adopted and fate is Fate.GONE):
        return _decide_unknown(attempt)
    if was_cleared(record, attempt):
        return _decide_cleared(last, attempt, fate)
    return _decide_retried(last, attempt, fate)


def _known(last: Submission, fate: Fate | None) -> Fate | None:
    return fate or (Fate(last.outcome) if last.outcome else None)


def _decide_unknown(attempt: Attempt) -> Decision:
    if attempt.on_unknown_submission == "resubmit":
        return Submit(
            "An earlier try died around its POST, so it is not known whether RunComfy took it. Submitting again, "
            "which may pay twice, because on_unknown_submission is 'resubmit'."
        )
    return Refuse(Refusal.UNKNOWN_SUBMISSION)


def _decide_retried(last: Submission, attempt: Attempt, fate: Fate | None) -> Decision:
    if last.model_id != attempt.model_id or last.conn_id != attempt.conn_id:
        return Refuse(Refusal.CHANGED)
    note = "" if attempt.inputs_hash in (None, last.inputs_hash) else _OTHER_INPUTS_STAND
    match fate:
        case Fate.SUCCEEDED if attempt.waits:
            return Use(note)
        case Fate.FAILED if attempt.waits:
            return _decide_failed(last, attempt)
        case Fate.MODERATED if attempt.waits:
            return Refuse(Refusal.MODERATED)
        case Fate.CANCELLED:
            return Submit("The earlier request was cancelled while it was queued, so nothing was charged for it.")
        case Fate.GONE if attempt.waits:
            return Refuse(Refusal.GONE)
        case _:
            return Attach(note)


def _decide_failed(last: Submission, attempt: Attempt) -> Decision:
    if not attempt.resubmit_failed:
        return Refuse(Refusal.FAILED)
    # One submission a try, so that `retries` bounds what is paid.
    if attempt.try_number > last.try_number:
        return Submit("The earlier generation failed; submitting again, because resubmit_failed is set.")
    return Refuse(Refusal.FAILED_WILL_RESUBMIT)


def _decide_cleared(last: Submission, attempt: Attempt, fate: Fate | None) -> Decision:
    if last.conn_id != attempt.conn_id:
        return Submit(
            f"The task was cleared, and request {last.request_id} was submitted through connection {last.conn_id!r}: "
            f"submitting anew through {attempt.conn_id!r}. The earlier request is left alone, and charged if it runs."
        )
    changed = "for another model" if last.model_id != attempt.model_id else "with other inputs"
    same = last.model_id == attempt.model_id and last.inputs_hash == attempt.inputs_hash
    match fate:
        case Fate.WAITING if last.is_adopted and last.model_id == attempt.model_id:
            return Attach(_adopted(last, "still goes on and is attached to", attempt), True)
        case Fate.SUCCEEDED if last.is_adopted and last.model_id == attempt.model_id:
            return Use(_adopted(last, "has succeeded and is used", attempt))
        case Fate.WAITING if same:
            return Attach(f"The task was cleared; request {last.request_id} still goes on and is attached to.", True)
        case Fate.SUCCEEDED if same and attempt.on_clear == "reuse":
            return Use(
                f"The task was cleared with the same inputs: request {last.request_id} is used again, nothing is paid. "
                "For a new result change the inputs, or clear with on_clear='resubmit'."
            )
        case Fate.WAITING:
            return Submit(
                f"The task was cleared {changed}: submitting anew, in place of request {last.request_id}.",
                last.request_id,
            )
        case Fate.GONE:
            return Submit(
                f"The task was cleared; RunComfy no longer has request {last.request_id}, or it is another account's: "
                "submitting anew."
            )
        case _:
            return Submit(f"The task was cleared; request {last.request_id} {fate or 'ended'}: submitting anew.")


def _adopted(last: Submission, what: str, attempt: Attempt) -> str:
    """Return what the try after an adoption does: the clear was for the request, whatever the inputs are now."""
    said = f"The task was cleared, and request {last.request_id}, whose id was written into the record, {what}."
    if attempt.inputs_hash in (None, last.inputs_hash):
        return said
    return f"{said} It was submitted with other inputs than those of now; clear the task once more to submit these."


_OTHER_INPUTS_STAND = (
    "The inputs have changed since they were submitted. This is a retry, so the inputs of the try that paid stand; "
    "clear the task to submit the new ones."
)
