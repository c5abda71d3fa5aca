"""What the page says where money was, or may have been, spent and nobody has been given anything for it."""

from __future__ import annotations

from airflow_provider_runcomfy.record import Outcome, Submission
from airflow_provider_runcomfy.store import KEY

_NOTHING_PAID = (Outcome.REFUSED, Outcome.CANCELLED)
# These have an error of their own, and nothing that could be handed over.
_ENDED_BADLY = (Outcome.FAILED, Outcome.MODERATED)


def not_handed_over(submission: Submission, *, is_last: bool) -> str | None:
    """
    Return what to say of a request that no task hands over, or waits for; None where nothing has to be said.

    :param is_last: whether the task instance's next try would take it up.
    """
    if submission.outcome in (*_NOTHING_PAID, *_ENDED_BADLY):
        return None
    if submission.outcome is Outcome.GONE:
        return "Paid for, and not handed over: RunComfy does not have it any more."
    if not is_last:
        return (
            "Paid for, and replaced by a later submit of this task: no task of this run has its result now, although "
            "it may have been handed over before."
        )
    if submission.outcome is Outcome.SUCCEEDED:
        return (
            "Paid for, and not handed over: it has succeeded, and no task of this run has its result. Clear the task "
            "to take it up; with the same inputs that pays nothing."
        )
    return (
        "Submitted, and not handed over: no task waits for it any more. It goes on at RunComfy, and is charged unless "
        "it was cancelled. Clear the task to take it up; with the same inputs that pays nothing."
    )


def unknown_submission(submission: Submission) -> str:
    """Return what to say of a submit that RunComfy may have taken."""
    return (
        f"A try began to submit at {submission.intent_at}, and nobody knows whether RunComfy has taken it: it may have "
        f"been charged. The error in the task's log says how to settle it, by the key '{KEY}' of its task state store."
    )


def unreadable(reason: str) -> str:
    """Return what to say of a record that cannot be read."""
    return (
        f"What this task has submitted is not known: the key '{KEY}' of its task state store cannot be read ({reason})."
    )
