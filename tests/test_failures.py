"""What a task says when it ends without a result: which request, the money, what to do; and what Airflow retries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy import exceptions as ours
from airflow_provider_runcomfy import failures, submit_failures
from airflow_provider_runcomfy.api import errors
from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import CancelOutcome
from airflow_provider_runcomfy.compat import AirflowFailException
from airflow_provider_runcomfy.record import Submission
from airflow_provider_runcomfy.store import NoStore, TaskStateStore

INTENT = Submission("2026-11-05T12:00:00.000+00:00", 1, "model/a", "account_a", {}, "hash")
TAKEN = Submission("2026-11-05T12:00:00.000+00:00", 1, "model/a", "account_a", {}, "hash", "r1", 1000.0, 4600.0)
ADOPTED = Submission("2026-11-05T12:00:00.000+00:00", 1, "model/a", "account_a", {}, "hash", "r1")
UNANSWERED = errors.SubmissionUnknownError("Submit to model/a: ReadTimeout. It may have been charged.")
CHARGED = "RunComfy's billing page tells what was charged."


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        pytest.param(
            submit_failures.unknown_submission(INTENT, "model/a", "Do so."),
            ours.UnknownSubmissionError,
            "An earlier try began to submit to model/a at 2026-11-05T12:00:00.000+00:00, and its request id was not "
            "recorded. RunComfy may have taken it and charge it, so it is not submitted again. Do so.",
            id="an intent without an id",
        ),
        pytest.param(
            submit_failures.unknown_submission(ADOPTED, "model/a", "Do so."),
            ours.UnknownSubmissionError,
            "An earlier try began to submit to model/a at 2026-11-05T12:00:00.000+00:00, and RunComfy does not have "
            "request r1, whose id was written into the record. RunComfy may have taken it and charge it, so it is not "
            "submitted again. Do so.",
            id="a wrong id adopted",
        ),
        pytest.param(
            submit_failures.submit_unanswered(UNANSWERED, INTENT, "Do so.", will_resubmit=False),
            ours.UnknownSubmissionError,
            "Submit to model/a: ReadTimeout. It may have been charged. It was sent at 2026-11-05T12:00:00.000+00:00. "
            "Do so.",
            id="no answer",
        ),
        pytest.param(
            submit_failures.submit_unanswered(UNANSWERED, INTENT, "Do so.", will_resubmit=True),
            ours.RunComfyRetryableError,
            "Submit to model/a: ReadTimeout. It may have been charged. A retry, if one is left, submits again, which "
            "may pay twice, because on_unknown_submission is 'resubmit'.",
            id="no answer, resubmit",
        ),
        pytest.param(
            submit_failures.submission_not_recorded(OSError("Not written."), TAKEN, "Do so."),
            ours.UnknownSubmissionError,
            "Not written. RunComfy has taken request r1, sent at 2026-11-05T12:00:00.000+00:00, and charges it, but no "
            "later try knows of it. Do so.",
            id="an id that was not recorded",
        ),
        pytest.param(
            submit_failures.submission_changed(TAKEN, "model/b", "account_a"),
            ours.SubmissionChangedError,
            "An earlier try submitted request r1 to model/a through connection 'account_a'; now the task says model/b "
            "and 'account_a'. The request was paid for and is left alone. Change the task back to use it, or clear the "
            "task to pay anew.",
            id="another model",
        ),
    ],
)
def test_each_stop_before_the_wait_says_what_became_of_request_and_money_and_what_to_do(
    error: AirflowException, kind: type[AirflowException], message: str
) -> None:
    assert type(error) is kind
    assert str(error) == message


SUBMITTER, WITHOUT, WAITER = failures.SUBMITTER, failures.SUBMITTER_WITHOUT_RECORD, failures.WAITER
NO_LATER_TRY = "(before Airflow 3.3 no later try of this task knows of the request)"
CLEAR_THE_OTHER = "lear the task that submitted it (before Airflow 3.3: start a new Dag run)"


@pytest.mark.parametrize(
    ("context", "asker"),
    [({"task_state_store": object()}, SUBMITTER), ({}, WITHOUT), ({"task_state_store": None}, WITHOUT)],
    ids=["3.3", "3.2", "no store"],
)
def test_who_submits_remembers_where_there_is_a_store(context: Any, asker: failures.Asker) -> None:
    assert failures.submitter(context) is asker


FAILED, MODERATED = Ending(End.FAILED, reason="out of memory."), Ending(End.FAILED, reason="NSFW content")
UNAUTHENTICATED = Ending(End.UNAUTHENTICATED, reason="HTTP 401.")
TIMED_OUT = Ending(End.TIMED_OUT, reason="HTTP 503")


@pytest.mark.parametrize(
    ("ending", "asker", "kind", "message"),
    [
        pytest.param(
            Ending(End.NOT_FOUND), SUBMITTER, ours.RequestNotAvailableError,
            "RunComfy no longer has request r1 for model/a, or it is another account's. It was paid for. Copies that "
            "were made of its result are still there; clear the task to pay anew.",
            id="gone",
        ),
        pytest.param(
            Ending(End.FORBIDDEN), WITHOUT, ours.RequestNotAvailableError,
            "RunComfy no longer has request r1 for model/a, or it is another account's. It was paid for. Copies that "
            f"were made of its result are still there; start a new Dag run {NO_LATER_TRY} to pay anew.",
            id="gone, no record",
        ),
        pytest.param(
            Ending(End.NOT_FOUND), WAITER, ours.RequestNotAvailableError,
            "RunComfy no longer has request r1 for model/a, or it is another account's. It was paid for. Copies that "
            f"were made of its result are still there; c{CLEAR_THE_OTHER} to pay anew.",
            id="gone, another task's",
        ),
        pytest.param(
            FAILED, SUBMITTER, ours.GenerationFailedError,
            "Request r1 for model/a failed: out of memory. No retry submits it again. Clear the task to pay anew, or "
            f"set resubmit_failed=True to have retries do so. {CHARGED}",
            id="failed",
        ),
        pytest.param(
            FAILED, WITHOUT, ours.GenerationFailedError,
            f"Request r1 for model/a failed: out of memory. No retry submits it again. Start a new Dag run "
            f"{NO_LATER_TRY} to pay anew. {CHARGED}",
            id="failed, no record",
        ),
        pytest.param(
            FAILED, WAITER, ours.GenerationFailedError,
            f"Request r1 for model/a failed: out of memory. No retry submits it again. C{CLEAR_THE_OTHER} to pay "
            f"anew. {CHARGED}",
            id="failed, another task's",
        ),
        pytest.param(
            MODERATED, SUBMITTER, ours.GenerationModeratedError,
            "Request r1 for model/a failed: NSFW content. It reads like a refusal by content moderation, so the same "
            "inputs would be refused again and no retry submits them. Change the inputs and clear the task. "
            f"{CHARGED}",
            id="moderated",
        ),
        pytest.param(
            MODERATED, WAITER, ours.GenerationModeratedError,
            "Request r1 for model/a failed: NSFW content. It reads like a refusal by content moderation, so the same "
            f"inputs would be refused again and no retry submits them. Change the inputs and c{CLEAR_THE_OTHER}. "
            f"{CHARGED}",
            id="moderated, another task's",
        ),
        pytest.param(
            Ending(End.CANCELLED), SUBMITTER, ours.GenerationCancelledError,
            "Request r1 for model/a was cancelled by somebody while it was queued; nothing is charged for it. Clear "
            "the task to submit anew.",
            id="cancelled",
        ),
        pytest.param(
            Ending(End.CANCELLED), WAITER, ours.GenerationCancelledError,
            "Request r1 for model/a was cancelled by somebody while it was queued; nothing is charged for it. "
            f"C{CLEAR_THE_OTHER} to submit anew.",
            id="cancelled, another task's",
        ),
        pytest.param(
            UNAUTHENTICATED, SUBMITTER, ours.RunComfyConnectionError,
            "HTTP 401. Request r1 for model/a goes on and is charged. Mend the connection, then clear the task to "
            "wait for it again, with a new budget of time, which pays nothing.",
            id="bad token",
        ),
        pytest.param(
            UNAUTHENTICATED, WITHOUT, ours.RunComfyConnectionError,
            "HTTP 401. Request r1 for model/a goes on and is charged. Mend the connection, then wait for it with a "
            f"RunComfyRequestSensor, which pays nothing {NO_LATER_TRY}.",
            id="bad token, no record",
        ),
        pytest.param(
            UNAUTHENTICATED, WAITER, ours.RunComfyConnectionError,
            "HTTP 401. Request r1 for model/a goes on and is charged. Mend the connection, then clear this task to "
            "wait for it again, which pays nothing.",
            id="bad token, another task's",
        ),
        pytest.param(
            TIMED_OUT, SUBMITTER, ours.GenerationTimeoutError,
            "Request r1 for model/a did not end in time. No status told that it runs: while it is queued, a cancel "
            "saves its cost. The last poll failed: HTTP 503. It goes on and is charged. Clear the task to wait for "
            "it again, with a new budget of time, which pays nothing.",
            id="timed out",
        ),
        pytest.param(
            Ending(End.TIMED_OUT), WITHOUT, ours.GenerationTimeoutError,
            "Request r1 for model/a did not end in time. No status told that it runs: while it is queued, a cancel "
            "saves its cost. It goes on and is charged. Wait for it with a RunComfyRequestSensor, "
            f"which pays nothing {NO_LATER_TRY}.",
            id="timed out, no record",
        ),
        pytest.param(
            Ending(End.TIMED_OUT), WAITER, ours.GenerationTimeoutError,
            "Request r1 for model/a did not end in time. No status told that it runs: while it is queued, a cancel "
            "saves its cost. It goes on and is charged. Clear this task to wait for it again, which "
            "pays nothing.",
            id="timed out, another task's",
        ),
        pytest.param(
            replace(TIMED_OUT, running_since=1795687230.75), SUBMITTER, ours.GenerationTimeoutError,
            "Request r1 for model/a did not end in time. A poll first saw it running at 2026-11-26T10:00:30+00:00. The "
            "last poll failed: HTTP 503. It goes on and is charged. Clear the task to wait for it again, with a new "
            "budget of time, which pays nothing.",
            id="timed out while it ran",
        ),
    ],
)  # fmt: skip
def test_each_end_says_what_became_of_request_and_money_and_what_the_one_who_asks_can_do(
    ending: Ending, asker: failures.Asker, kind: type[AirflowException], message: str
) -> None:
    error = failures.without_result("r1", ending, asker, model_id="model/a")
    assert type(error) is kind
    assert str(error) == message


@pytest.mark.parametrize(
    ("cancel", "asker", "told"),
    [
        pytest.param(
            CancelOutcome.CANCELLED, SUBMITTER,
            "It was cancelled while it was queued; nothing is charged for it. Clear the task to submit anew.",
            id="cancelled",
        ),
        pytest.param(
            CancelOutcome.CANCELLED, WITHOUT,
            f"It was cancelled while it was queued; nothing is charged for it. Start a new Dag run {NO_LATER_TRY} to "
            "submit anew.",
            id="cancelled, no record",
        ),
        pytest.param(
            CancelOutcome.NOT_CANCELLABLE, SUBMITTER,
            "It could not be cancelled: it runs or has ended, and is charged. Clear the task to wait for it again, "
            "with a new budget of time, which pays nothing.",
            id="running",
        ),
        pytest.param(
            CancelOutcome.UNKNOWN, SUBMITTER,
            "It may or may not have been cancelled; whether it is charged is not known. Clear the task to wait for it "
            "again, with a new budget of time, which pays nothing; if it was cancelled, clear the task to submit anew.",
            id="not known",
        ),
    ],
)  # fmt: skip
def test_a_time_out_says_what_became_of_the_cancel(cancel: CancelOutcome, asker: failures.Asker, told: str) -> None:
    error = failures.without_result("r1", Ending(End.TIMED_OUT), asker, cancel=cancel)
    assert str(error) == f"Request r1 did not end in time. {told}"


def test_a_time_out_that_was_too_late_for_a_cancel_tells_since_when_it_ran() -> None:
    ran = Ending(End.TIMED_OUT, running_since=1795687230.75)
    error = failures.without_result("r1", ran, SUBMITTER, cancel=CancelOutcome.NOT_CANCELLABLE)
    assert str(error).startswith(
        "Request r1 did not end in time. A poll first saw it running at 2026-11-26T10:00:30+00:00. It could not be "
        "cancelled: it runs or has ended, and is charged."
    )


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (End.NOT_FOUND, "request r1, or"),
        (End.FAILED, "Request r1 failed"),
        (End.CANCELLED, "Request r1 was cancelled"),
        (End.UNAUTHENTICATED, "Request r1 goes on"),
        (End.TIMED_OUT, "Request r1 did not end"),
    ],
)
def test_a_model_that_is_not_known_is_left_out(end: End, said: str) -> None:
    assert said in str(failures.without_result("r1", Ending(end, reason="No."), WAITER))


@pytest.mark.parametrize(
    ("asker", "proviso"),
    [(SUBMITTER, ""), (WITHOUT, ", but before Airflow 3.3 only with on_unknown_submission='resubmit'")],
    ids=["record", "no record"],
)
def test_what_a_retry_pays_anew_before_airflow_3_3_depends(asker: failures.Asker, proviso: str) -> None:
    failed = failures.without_result("r1", Ending(End.FAILED), asker, will_resubmit=True)
    killed = failures.cancelled_by_kill("r1", asker)
    assert type(failed) is ours.GenerationFailedRetryableError
    assert str(failed) == (
        "Request r1 failed: no reason given. A retry, if one is left, submits it again and pays anew "
        f"(resubmit_failed){proviso}. {CHARGED}"
    )
    assert type(killed) is ours.RunComfyRetryableError
    assert str(killed) == (
        "The task was killed, and request r1 was cancelled while it was queued (cancel_on_kill): nothing is charged "
        f"for it. A retry submits anew{proviso}."
    )


@pytest.mark.parametrize(
    ("ending", "is_moderated"),
    [
        (FAILED, False),
        (MODERATED, True),
        (Ending(End.FAILED), False),
        # What a success or a time-out tells beside it is no refusal.
        (Ending(End.SUCCEEDED, reason="NSFW content"), False),
        (Ending(End.TIMED_OUT, reason="NSFW content"), False),
    ],
)
def test_only_a_failure_is_a_refusal_by_moderation(ending: Ending, is_moderated: bool) -> None:
    assert ending.is_moderated is is_moderated


def test_moderation_is_never_retried() -> None:
    error = failures.without_result("r1", MODERATED, SUBMITTER, will_resubmit=True)
    assert type(error) is ours.GenerationModeratedError


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("told to.", "told to. No"),
        ("told to", "told to. No"),
        ("told to... ", "told to. No"),
        ("told to!", "told to! No"),
        ("why?", "why? No"),
    ],
)
def test_what_runcomfy_says_ends_with_one_full_stop(reason: str, said: str) -> None:
    assert f"failed: {said} retry" in str(failures.generation_failed("r1", reason, is_moderated=False))


@pytest.mark.parametrize(
    ("asker", "kind", "told"),
    [
        (SUBMITTER, ours.RunComfyRetryableError, "a retry asks for it again and pays nothing."),
        (WAITER, ours.RunComfyRetryableError, "a retry asks for it again and pays nothing."),
        (
            WITHOUT,
            ours.RunComfyFailError,
            "the id is in this task's log and in its XCom 'request_id': wait for it with a RunComfyRequestSensor, "
            f"which pays nothing {NO_LATER_TRY}.",
        ),
    ],
    ids=["submitter", "waiter", "no record"],
)
@pytest.mark.parametrize(
    ("named", "which"), [([], "Its request"), (["r1"], "Request r1"), (["r1", "r2"], "Request r1, r2")]
)
def test_a_strange_event_is_retried_only_where_that_pays_nothing(
    asker: failures.Asker, kind: type[AirflowException], told: str, named: list[str], which: str
) -> None:
    error = failures.wrong_event("it has no end", asker, named)
    assert type(error) is kind
    assert str(error) == (
        "The task was resumed with an event that is not its trigger's, or that of a later version (it has no end). "
        "Where the triggerers have a later version of this package than the workers, upgrade the workers. "
        f"{which} was paid for and is left alone; {told}"
    )


def test_the_two_ways_out_of_an_unknown_submission_are_told() -> None:
    assert TaskStateStore.how_to_settle == (
        "Look in your RunComfy account for a request of that time. If it is there, adopt it: in the task instance's "
        "Task State Store tab, edit the key 'runcomfy' and write its id as the \"request_id\" of the submission with "
        "that \"intent_at\". If it is not, delete the key 'runcomfy' to pay anew. Then clear the task."
    )
    assert NoStore.how_to_settle == (
        "Before Airflow 3.3 nothing of a try outlives it, so no further try of this task instance can know. Look in "
        "your RunComfy account for a request of the earlier try, and use its id where you need it; or pay anew by a "
        "new Dag run, or with on_unknown_submission='resubmit'."
    )


RETRIED = {
    ours.RunComfyRetryableError,
    ours.RunComfyDownloadError,
    ours.UrlRefusedError,
    ours.GenerationFailedRetryableError,
}
CLASSES = [kind for kind in vars(ours).values() if isinstance(kind, type) and issubclass(kind, AirflowException)]


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind.__module__ == ours.__name__])
def test_airflow_retries_only_what_may_end_otherwise(kind: type[AirflowException]) -> None:
    assert issubclass(kind, AirflowFailException) is (kind not in RETRIED)


def api_errors(of: type[errors.RunComfyError] = errors.RunComfyError) -> list[type[errors.RunComfyError]]:
    return [of, *(kind for direct in of.__subclasses__() for kind in api_errors(direct))]


@pytest.mark.parametrize("kind", api_errors())
def test_what_the_api_calls_retryable_airflow_retries(kind: Callable[[str], errors.RunComfyError]) -> None:
    error = kind("what happened")
    seen = ours.to_airflow(error)
    assert str(seen) == "what happened"
    assert isinstance(seen, ours.RunComfyRetryableError) is error.retryable
    assert isinstance(seen, ours.RunComfyFailError) is not error.retryable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(errors.InvalidInputError, ours.InvalidInputsError, id="inputs"),
        pytest.param(errors.InvalidSettingsError, ours.RunComfyConnectionError, id="settings"),
        pytest.param(errors.AuthenticationError, ours.RunComfyConnectionError, id="token"),
        pytest.param(errors.InsufficientBalanceError, ours.InsufficientBalanceError, id="balance"),
        pytest.param(errors.RefusedError, ours.SubmissionRefusedError, id="refused"),
        pytest.param(errors.ForbiddenError, ours.RequestNotAvailableError, id="somebody else's"),
        pytest.param(errors.NotFoundError, ours.RequestNotAvailableError, id="expired"),
        pytest.param(errors.SubmissionUnknownError, ours.UnknownSubmissionError, id="unknown submission"),
        pytest.param(errors.RateLimitedError, ours.RunComfyRetryableError, id="429"),
        pytest.param(errors.NotSentError, ours.RunComfyRetryableError, id="not sent"),
        pytest.param(errors.DownloadRefusedError, ours.DownloadRefusedError, id="download refused"),
        pytest.param(errors.DownloadFailedError, ours.RunComfyDownloadError, id="download failed"),
        pytest.param(errors.UrlRefusedError, ours.UrlRefusedError, id="URL refused"),
        pytest.param(errors.FileGoneError, ours.FileGoneError, id="file gone"),
    ],
)
def test_each_error_of_the_api_has_its_own_in_airflow(
    error: type[errors.RunComfyError], kind: type[AirflowException]
) -> None:
    with pytest.raises(kind) as caught, ours.airflow_errors():
        raise error("what happened")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
