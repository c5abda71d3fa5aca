"""What a task says when it ends without a result: which request, the money, what to do; and what Airflow retries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_runcomfy import exceptions as ours
from airflow_provider_runcomfy import failures
from airflow_provider_runcomfy.api import errors
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
            failures.unknown_submission(INTENT, "model/a", "Do so."),
            ours.UnknownSubmissionError,
            "An earlier try began to submit to model/a at 2026-11-05T12:00:00.000+00:00, and its request id was not "
            "recorded. RunComfy may have taken it and charge it, so it is not submitted again. Do so.",
            id="an intent without an id",
        ),
        pytest.param(
            failures.unknown_submission(ADOPTED, "model/a", "Do so."),
            ours.UnknownSubmissionError,
            "An earlier try began to submit to model/a at 2026-11-05T12:00:00.000+00:00, and RunComfy does not have "
            "request r1, whose id was written into the record. RunComfy may have taken it and charge it, so it is not "
            "submitted again. Do so.",
            id="a wrong id adopted",
        ),
        pytest.param(
            failures.submit_unanswered(UNANSWERED, INTENT, "Do so.", will_resubmit=False),
            ours.UnknownSubmissionError,
            "Submit to model/a: ReadTimeout. It may have been charged. It was sent at 2026-11-05T12:00:00.000+00:00. "
            "Do so.",
            id="no answer",
        ),
        pytest.param(
            failures.submit_unanswered(UNANSWERED, INTENT, "Do so.", will_resubmit=True),
            ours.RunComfyRetryableError,
            "Submit to model/a: ReadTimeout. It may have been charged. A retry, if one is left, submits again, which "
            "may pay twice, because on_unknown_submission is 'resubmit'.",
            id="no answer, resubmit",
        ),
        pytest.param(
            failures.submission_not_recorded(OSError("Not written."), TAKEN, "Do so."),
            ours.UnknownSubmissionError,
            "Not written. RunComfy has taken request r1, sent at 2026-11-05T12:00:00.000+00:00, and charges it, but no "
            "later try knows of it. Do so.",
            id="an id that was not recorded",
        ),
        pytest.param(
            failures.submission_changed(TAKEN, "model/b", "account_a"),
            ours.SubmissionChangedError,
            "An earlier try submitted request r1 to model/a through connection 'account_a'; now the task says model/b "
            "and 'account_a'. The request was paid for and is left alone. Change the task back to use it, or clear the "
            "task to pay anew.",
            id="another model",
        ),
        pytest.param(
            failures.request_gone("r1", "model/a"),
            ours.RequestNotAvailableError,
            "RunComfy no longer has request r1 for model/a, or it is another account's. It was paid for. Copies that "
            "were made of its result are still there; clear the task that submitted it to pay anew.",
            id="gone",
        ),
        pytest.param(
            failures.generation_failed("r1", "out of memory", "model/a"),
            ours.GenerationFailedError,
            "Request r1 for model/a failed: out of memory. No retry submits it again. Clear the task to pay anew, or "
            f"set resubmit_failed=True to have retries do so. {CHARGED}",
            id="failed",
        ),
        pytest.param(
            failures.generation_failed("r1", "", "model/a", will_resubmit=True),
            ours.GenerationFailedRetryableError,
            "Request r1 for model/a failed: no reason given. A retry, if one is left, submits it again and pays anew "
            f"(resubmit_failed). {CHARGED}",
            id="failed, resubmit_failed",
        ),
        pytest.param(
            failures.generation_failed("r1", "NSFW content", will_resubmit=True),
            ours.GenerationModeratedError,
            "Request r1 failed: NSFW content. It reads like a refusal by content moderation, so the same inputs would "
            f"be refused again and no retry submits them. Change the inputs and clear the task. {CHARGED}",
            id="moderated, resubmit_failed",
        ),
        pytest.param(
            failures.generation_cancelled("r1"),
            ours.GenerationCancelledError,
            "Request r1 was cancelled by somebody while it was queued; nothing is charged for it. Clear the task to "
            "submit anew.",
            id="cancelled",
        ),
        pytest.param(
            failures.generation_timed_out("r1", "HTTP 503"),
            ours.GenerationTimeoutError,
            "Request r1 did not end in time. The last poll failed: HTTP 503 Unless it was cancelled it goes on and is "
            "charged: clear the task to wait for it again with a new budget of time, which submits and pays nothing. "
            "If it was cancelled, a clear submits anew.",
            id="timed out",
        ),
    ],
)
def test_each_end_says_what_became_of_request_and_money_and_what_to_do(
    error: AirflowException, kind: type[AirflowException], message: str
) -> None:
    assert type(error) is kind
    assert str(error) == message


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


RETRIED = {ours.RunComfyRetryableError, ours.RunComfyDownloadError, ours.GenerationFailedRetryableError}
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
    ],
)
def test_each_error_of_the_api_has_its_own_in_airflow(
    error: type[errors.RunComfyError], kind: type[AirflowException]
) -> None:
    with pytest.raises(kind) as caught, ours.airflow_errors():
        raise error("what happened")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
