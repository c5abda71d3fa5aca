"""What a try does and says in the cases that a server cannot be brought to, or only slowly."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy import posting
from airflow_provider_runcomfy.api.types import CancelOutcome, RequestState
from airflow_provider_runcomfy.compat import AirflowFailException
from airflow_provider_runcomfy.exceptions import (
    GenerationFailedError,
    GenerationFailedRetryableError,
    GenerationModeratedError,
    InsufficientBalanceError,
    InvalidInputsError,
    RequestNotAvailableError,
    RunComfyConnectionError,
    RunComfyRetryableError,
    SubmissionChangedError,
    SubmissionRefusedError,
    UnknownSubmissionError,
    UnreadableRecordError,
)
from tests.submission.account import FAILED, MODERATED, Hook, resending
from tests.submission.task import KillError, Task


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    task = Task()
    monkeypatch.setattr(posting, "resending", resending(lambda: task.kill_at("pause")))
    monkeypatch.setattr("airflow_provider_runcomfy.looking.time.sleep", task.pauses.append)
    return task


def test_a_clear_whose_submit_was_refused_is_still_to_be_answered_by_the_retry(task: Task) -> None:
    task.run()
    task.becomes(RequestState.SUCCEEDED)
    task.ti.clear()
    task.fails(RunComfyRetryableError, "b", submit_ends="not sent")
    task.ti.retry()
    assert task.run("b").request_id == "request-2"
    assert task.outcomes == ["succeeded", "refused", None]
    task.ti.retry()
    assert task.run("b").request_id == "request-2"


def test_a_refused_submit_does_not_hide_what_was_paid_before_it(task: Task) -> None:
    task.run("a")
    task.becomes(RequestState.SUCCEEDED)
    task.ti.clear()
    task.fails(SubmissionRefusedError, "b", submit_ends="refused", model_id="model/b")
    task.ti.clear()
    assert task.run("a").request_id == "request-1"
    assert len(task.runcomfy.requests) == 1


def test_a_running_request_is_replaced_but_not_forgotten(task: Task) -> None:
    task.run("a")
    task.becomes(RequestState.IN_PROGRESS)
    task.ti.clear()
    task.fails(InsufficientBalanceError, "b", submit_ends="no balance")
    assert task.cancelled == ["request-1"]
    assert (
        "The earlier request request-1 is replaced; cancelling it: not_cancellable. Unless cancelled it goes on and is "
        "charged."
    ) in task.log.lines
    task.ti.clear()
    assert task.run("a").request_id == "request-1"
    assert len(task.runcomfy.requests) == 1


EARLIER = "The earlier request request-1, which this submit was to replace,"
RUNS = f"{EARLIER} could not be cancelled: it runs or has ended, and is charged."
CANCELLED = f"{EARLIER} was cancelled while it was queued; nothing is charged for it."
ASKED = f"{EARLIER} was asked to be cancelled; whether it is charged is not known."
NOT_KNOWN = f"{EARLIER} may or may not have been cancelled; whether it is charged is not known."
BY_CLEAR = "Clear the task with the model and inputs of then to wait for it, which pays nothing"
IF_CANCELLED = "; if it was cancelled, that submits them anew."
BY_SENSOR = "A RunComfyRequestSensor can wait for it, which pays nothing."
OUTAGE = RunComfyRetryableError("Cancel of request request-1: HTTP 503.")


@pytest.mark.parametrize(
    ("cancel", "submit_ends", "kind", "said"),
    [
        pytest.param(
            CancelOutcome.NOT_CANCELLABLE, "no balance", InsufficientBalanceError,
            f"the submit was no balance. {RUNS} {BY_CLEAR}.",
            id="no balance, the earlier runs",
        ),
        pytest.param(
            CancelOutcome.NOT_CANCELLABLE, "refused", SubmissionRefusedError,
            f"the submit was refused. {RUNS} {BY_CLEAR}.",
            id="refused, the earlier runs",
        ),
        pytest.param(
            CancelOutcome.NOT_CANCELLABLE, "not sent", RunComfyRetryableError,
            f"the submit was not sent. {RUNS} {BY_CLEAR}.",
            id="given up, the earlier runs",
        ),
        pytest.param(
            CancelOutcome.CANCELLED, "refused", SubmissionRefusedError,
            f"the submit was refused. {CANCELLED}",
            id="refused, the earlier is gone",
        ),
        pytest.param(
            CancelOutcome.CANCELLATION_REQUESTED, "refused", SubmissionRefusedError,
            f"the submit was refused. {ASKED} {BY_CLEAR}{IF_CANCELLED}",
            id="refused, a cancel was asked for",
        ),
        pytest.param(
            OUTAGE, "refused", SubmissionRefusedError,
            f"the submit was refused. {NOT_KNOWN} {BY_CLEAR}{IF_CANCELLED}",
            id="refused, the cancel failed",
        ),
        pytest.param(
            CancelOutcome.NOT_CANCELLABLE, "unanswered but taken", UnknownSubmissionError,
            f"Then clear the task. {RUNS} {BY_SENSOR}",
            id="not known, the earlier runs",
        ),
        pytest.param(
            CancelOutcome.NOT_CANCELLABLE, "not sent, then unanswered and not taken", UnknownSubmissionError,
            f"Then clear the task. {RUNS} {BY_SENSOR}",
            id="sent again and not known, the earlier runs",
        ),
        pytest.param(
            CancelOutcome.CANCELLED, "unanswered but taken", UnknownSubmissionError,
            f"Then clear the task. {CANCELLED}",
            id="not known, the earlier is gone",
        ),
    ],
)  # fmt: skip
def test_a_submit_that_comes_to_nothing_says_what_became_of_the_request_that_it_was_to_replace(
    task: Task,
    monkeypatch: pytest.MonkeyPatch,
    cancel: CancelOutcome | Exception,
    submit_ends: str,
    kind: type[AirflowException],
    said: str,
) -> None:
    def cancel_so(hook: Hook, request_id: str) -> CancelOutcome:
        if isinstance(cancel, Exception):
            raise cancel
        return cancel

    monkeypatch.setattr(Hook, "cancel", cancel_so)
    task.run("a")
    task.ti.clear()
    assert task.fails(kind, "b", submit_ends=submit_ends).endswith(said)


@pytest.mark.parametrize(
    ("writes", "kind", "submit_ends", "begins"),
    [
        pytest.param(0, RunComfyRetryableError, "taken", "The task state store could not be written", id="its intent"),
        pytest.param(1, UnknownSubmissionError, "taken", "The task state store could not be written", id="its id"),
        pytest.param(1, InsufficientBalanceError, "no balance", "the submit was no balance.", id="its refusal"),
    ],
)
def test_a_submit_that_the_store_does_not_keep_names_the_request_that_it_was_to_replace(
    task: Task, writes: int, kind: type[AirflowException], submit_ends: str, begins: str
) -> None:
    task.run("a")
    task.becomes(RequestState.IN_PROGRESS)
    task.ti.clear()
    task.writes_until_failure = writes
    said = task.fails(kind, "b", submit_ends=submit_ends)
    assert said.startswith(begins)
    # Not by a clear: what the store has kept may stand in its way.
    assert said.endswith(f" {RUNS} {BY_SENSOR}")


def test_a_request_that_invalid_inputs_cannot_replace_is_named(task: Task) -> None:
    task.run("a")
    task.ti.clear()
    said = task.fails(InvalidInputsError, "invalid")
    assert said.endswith(
        "The earlier request request-1 is not replaced: it goes on and is charged. Clear the task with the model and "
        "inputs of then to wait for it, which pays nothing."
    )
    assert task.cancelled == []
    task.ti.clear()
    assert task.run("a").request_id == "request-1"


def test_what_became_of_a_request_is_recorded_although_nothing_can_be_submitted_in_its_place(task: Task) -> None:
    task.run("a")
    task.becomes(RequestState.FAILED, FAILED, 0.1)
    task.ti.clear()
    task.fails(InvalidInputsError, "invalid")
    assert task.ends == [("failed", FAILED, 0.1)]


@pytest.mark.parametrize("state", [RequestState.IN_PROGRESS, RequestState.SUCCEEDED])
def test_an_adopted_request_is_taken_up_although_the_inputs_are_rendered_differently_at_the_clear(
    task: Task, state: RequestState
) -> None:
    task.fails(UnknownSubmissionError, "a at 12:00", submit_ends="unanswered but taken")
    task.becomes(state)
    task.adopt("request-1")
    task.ti.clear()
    assert task.run("a at 13:00").request_id == "request-1"
    assert "clear the task once more to submit these" in task.log.text
    task.ti.retry()
    assert task.run("a at 14:00").request_id == "request-1"
    assert len(task.runcomfy.requests) == 1
    task.ti.clear()
    assert task.run("a at 15:00").request_id == "request-2"


def test_an_adopted_request_that_expires_after_its_success_is_no_unknown_submission(task: Task) -> None:
    task.fails(UnknownSubmissionError, submit_ends="unanswered but taken")
    task.becomes(RequestState.SUCCEEDED)
    task.adopt("request-1")
    task.ti.clear()
    task.run()
    task.runcomfy.requests["request-1"].gone = True
    assert task.store is not None
    task.store.change_newest(submitted_at=1.0)
    task.ti.retry()
    task.fails(RequestNotAvailableError)
    task.ti.clear()
    assert task.run().request_id == "request-2"
    assert "RunComfy no longer has request request-1" in task.log.text


@pytest.mark.parametrize("intent_at", ["2026-11-05T12:00:00.000+00:00", "noon"])
def test_an_adopted_request_that_runs_and_expires_is_no_unknown_submission(task: Task, intent_at: str) -> None:
    task.fails(UnknownSubmissionError, submit_ends="unanswered but taken")
    task.adopt("request-1")
    assert task.store is not None
    task.store.change_newest(intent_at=intent_at)
    task.ti.clear()
    assert task.run().submitted_at == task.store.submissions[0]["submitted_at"]
    task.store.change_newest(submitted_at=1.0)
    task.runcomfy.requests["request-1"].gone = True
    task.ti.retry()
    task.fails(RequestNotAvailableError)


def test_a_clear_waits_for_an_outage_to_end_before_it_decides(task: Task) -> None:
    task.run()
    task.ti.clear()
    said = task.fails(RunComfyRetryableError, outage=True)
    assert said.endswith(
        "The task was cleared, and what that does depends on what became of request request-1, which try 1 submitted "
        "and which is charged. Nothing was submitted; a retry asks again."
    )
    task.ti.retry()
    assert task.run().request_id == "request-1"


def test_a_retry_bears_an_outage(task: Task) -> None:
    first = task.run()
    task.becomes(RequestState.SUCCEEDED)
    task.ti.retry()
    assert task.run(outage=True) == first


NO_CONNECTION = RunComfyConnectionError(
    "There is no Airflow connection 'account_a'. Nothing was sent, nothing was charged."
)
REFUSED_TOKEN = RunComfyConnectionError("Result of request request-1: no (HTTP 401).")
REFUSED_READS = [
    pytest.param(SubmissionRefusedError("Result of request request-1: what? (HTTP 422)."), id="422"),
    pytest.param(InsufficientBalanceError("Result of request request-1: no balance (HTTP 402)."), id="402"),
]


@pytest.mark.parametrize("how", ["retry", "clear"])
@pytest.mark.parametrize("trouble", [NO_CONNECTION, REFUSED_TOKEN], ids=["no connection", "refused token"])
def test_a_connection_that_does_not_serve_any_more_does_not_hide_what_was_paid(
    task: Task, trouble: Exception, how: str
) -> None:
    reason = str(trouble).removesuffix(" Nothing was sent, nothing was charged.")
    task.run()
    getattr(task.ti, how)()
    said = task.fails(RunComfyConnectionError, trouble=trouble)
    assert said == (
        "This try could not ask for request request-1, which try 1 submitted: it goes on and is charged. "
        f"{reason} Mend the connection, then clear the task to wait for it again, with a new budget of time, which "
        "pays nothing."
    )
    task.ti.clear()
    assert task.run().request_id == "request-1"
    assert len(task.runcomfy.requests) == 1


@pytest.mark.parametrize("how", ["retry", "clear"])
def test_a_token_that_was_replaced_meanwhile_is_read_once_more(task: Task, how: str) -> None:
    task.run()
    getattr(task.ti, how)()
    assert task.run(trouble=REFUSED_TOKEN, mended_at_read=1).request_id == "request-1"
    assert task.pauses == [5.0]


@pytest.mark.parametrize("trouble", REFUSED_READS)
def test_a_refused_look_does_not_end_a_wait_that_is_paid_for(task: Task, trouble: Exception) -> None:
    first = task.run()
    task.ti.retry()
    assert task.run(trouble=trouble) == first
    assert f"What became of request request-1 is not known now: {trouble}" in task.log.lines


@pytest.mark.parametrize("trouble", REFUSED_READS)
def test_a_clear_is_decided_when_a_look_is_not_refused_any_more(task: Task, trouble: Exception) -> None:
    task.run()
    task.ti.clear()
    said = task.fails(RunComfyRetryableError, "b", trouble=trouble)
    assert said.startswith(f"{trouble} The task was cleared")
    assert "request-1, which try 1 submitted and which is charged" in said
    assert len(task.runcomfy.requests) == 1


def test_a_cancel_that_cannot_be_asked_for_does_not_stop_a_clear(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def cancel(hook: Hook, request_id: str) -> None:
        raise SubmissionRefusedError("Cancel of request request-1: what? (HTTP 400).")

    monkeypatch.setattr(Hook, "cancel", cancel)
    task.run("a")
    task.ti.clear()
    assert task.run("b").request_id == "request-2"
    assert "cancelling it: not known: Cancel of request request-1: what? (HTTP 400)." in task.log.text
    assert task.store is not None
    assert task.store.submissions[0]["outcome"] is None


LEARNED = [
    pytest.param(RequestState.FAILED, FAILED, 0.1, ("failed", FAILED, 0.1), id="failed"),
    pytest.param(RequestState.FAILED, MODERATED, 0.2, ("moderated", MODERATED, 0.2), id="moderated"),
    pytest.param(RequestState.SUCCEEDED, None, 0.5, ("succeeded", None, 0.5), id="succeeded"),
    pytest.param(RequestState.CANCELLED, None, None, ("cancelled", None, None), id="cancelled"),
]


@pytest.mark.parametrize(("state", "error", "cost_usd", "end"), LEARNED)
def test_what_became_of_a_request_is_recorded_with_its_cost_by_the_try_that_replaces_it(
    task: Task, state: RequestState, error: str | None, cost_usd: float | None, end: tuple[Any, ...]
) -> None:
    task.run("a")
    task.becomes(state, error, cost_usd)
    task.ti.clear()
    task.run("b")
    assert task.ends == [end, (None, None, None)]


@pytest.mark.parametrize(("state", "error", "cost_usd", "end"), LEARNED[:2])
def test_what_became_of_a_request_is_recorded_with_its_cost_by_the_try_that_is_refused(
    task: Task, state: RequestState, error: str | None, cost_usd: float | None, end: tuple[Any, ...]
) -> None:
    task.run()
    task.becomes(state, error, cost_usd)
    task.ti.retry()
    task.fails(GenerationModeratedError if end[0] == "moderated" else GenerationFailedError)
    assert task.ends == [end]


def test_a_refused_try_whose_end_cannot_be_recorded_says_the_same(task: Task) -> None:
    task.run()
    task.becomes(RequestState.FAILED, FAILED)
    task.ti.retry()
    task.writes_until_failure = 0
    assert FAILED in task.fails(GenerationFailedError)
    assert "The record does not show what became of the latest request." in task.log.text


def test_a_success_that_has_expired_since_stays_one_in_the_record(task: Task) -> None:
    task.run()
    task.becomes(RequestState.SUCCEEDED, cost_usd=0.5)
    task.ti.retry()
    task.run()
    task.runcomfy.requests["request-1"].gone = True
    assert task.store is not None
    task.store.change_newest(submitted_at=1.0)
    task.ti.retry()
    task.fails(RequestNotAvailableError)
    assert task.ends == [("succeeded", "RunComfy does not have it any more", 0.5)]
    task.ti.clear()
    assert task.run().request_id == "request-2"


def test_a_token_of_another_account_does_not_lose_what_was_paid(task: Task) -> None:
    """Recorded as gone by the wait that ended with 403; then the token was put right, and the task cleared."""
    task.run()
    task.becomes(RequestState.SUCCEEDED)
    assert task.store is not None
    task.store.change_newest(outcome="gone", submitted_at=1.0)
    task.ti.clear()
    obtained = task.run()
    assert obtained.request_id == "request-1"
    assert obtained.result is not None
    assert task.outcomes == ["succeeded"]


def test_without_its_intent_stored_nothing_is_submitted(task: Task) -> None:
    task.writes_until_failure = 0
    said = task.fails(RunComfyRetryableError)
    assert said.startswith(
        "The task state store could not be written (OSError: no answer). Nothing was submitted; a retry tries again. "
        "If it stops with an unknown submission of "
    )
    assert said.endswith(", that one was certainly not sent.")
    assert task.runcomfy.requests == {}
    task.writes_until_failure = None
    task.ti.retry()
    assert task.run().request_id == "request-1"


def test_an_intent_whose_answer_was_lost_is_taken_back_since_nothing_was_sent(task: Task) -> None:
    task.run()
    task.becomes(RequestState.SUCCEEDED)
    task.ti.clear()
    task.loses_answer_of_write = 0
    said = task.fails(RunComfyRetryableError, "b")
    assert said == (
        "The task state store could not be written (OSError: no answer). Nothing was submitted; a retry tries again."
    )
    assert len(task.runcomfy.requests) == 1
    task.ti.retry()
    assert task.run("b").request_id == "request-2"


def test_a_kill_in_the_pause_before_a_submit_is_sent_again_leaves_nothing_unknown(task: Task) -> None:
    task.killed_at = "pause"
    with pytest.raises(KillError):
        task.run(submit_ends="not sent")
    assert task.outcomes == ["refused"]
    assert "charge it" not in task.log.text
    task.ti.retry()
    assert task.run().request_id == "request-1"


def test_a_submit_that_is_sent_again_is_one_submission_of_the_time_of_its_last_post(task: Task) -> None:
    assert task.run(submit_ends="not sent, then taken").request_id == "request-1"
    assert task.outcomes == [None]


def test_a_submit_that_is_sent_again_and_not_answered_is_unknown(task: Task) -> None:
    task.fails(UnknownSubmissionError, submit_ends="not sent, then unanswered but taken")
    task.ti.retry()
    task.fails(UnknownSubmissionError)
    assert len(task.runcomfy.requests) == 1


def test_a_try_that_is_ended_during_its_post_says_that_it_may_be_charged(task: Task) -> None:
    task.killed_at = "post"
    with pytest.raises(KillError):
        task.run()
    assert task.store is not None
    [intent] = task.store.submissions
    assert task.log.lines[-1] == (
        f"This try was ended (KillError) while its submit to model/a of {intent['intent_at']} was under way: RunComfy "
        "may have taken it and charge it."
    )
    task.ti.retry()
    assert intent["intent_at"] in task.fails(UnknownSubmissionError)


@pytest.mark.parametrize("policy", ["fail", "resubmit"])
def test_an_id_that_the_store_did_not_take_is_named_and_the_task_stops(task: Task, policy: str) -> None:
    task.writes_until_failure = 1
    said = task.fails(UnknownSubmissionError, on_unknown_submission=policy)
    assert task.store is not None
    [intent] = task.store.submissions
    assert said.startswith(
        "The task state store could not be written (OSError: no answer). RunComfy has taken request request-1, sent at "
        f"{intent['intent_at']}, and charges it, but no later try knows of it. Look in your RunComfy account"
    )
    assert "RunComfy accepted request request-1 for model/a; it will be charged." in task.log.lines
    task.writes_until_failure = None
    task.store.adopt("request-1", intent["intent_at"])
    task.ti.clear()
    assert task.run().request_id == "request-1"


def test_a_refusal_that_the_store_did_not_take_is_told_and_counts_as_unknown(task: Task) -> None:
    task.writes_until_failure = 1
    task.fails(InsufficientBalanceError, submit_ends="no balance")
    assert "The next try will not know that this was refused" in task.log.text
    task.writes_until_failure = None
    task.ti.clear()
    task.fails(UnknownSubmissionError)


def test_a_request_that_cannot_be_taken_up_is_left_alone(task: Task) -> None:
    task.run()
    task.ti.retry()
    task.writes_until_failure = 0
    said = task.fails(RunComfyRetryableError)
    assert said.endswith(
        "Request request-1 was paid for and is left alone; a retry takes it up again and pays nothing."
    )


@pytest.mark.parametrize("how", ["retry", "clear"])
@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        # A worker that is upgraded can read it, without the clear by which other inputs would be paid for.
        pytest.param('{"version": 2}', RunComfyRetryableError, id="from the future"),
        pytest.param('"edited"', UnreadableRecordError, id="unreadable"),
    ],
)
def test_an_unreadable_record_stops_every_try(task: Task, stored: str, kind: type[AirflowException], how: str) -> None:
    assert task.store is not None
    task.store.texts["runcomfy"] = stored
    getattr(task.ti, how)()
    task.fails(kind)
    assert task.runcomfy.requests == {}
    assert task.store.texts["runcomfy"] == stored


@pytest.mark.parametrize(
    ("state", "error", "kind", "says"),
    [
        pytest.param(
            RequestState.FAILED,
            FAILED,
            GenerationFailedError,
            "Request request-1 for model/a failed: out of memory. No retry submits it again.",
            id="failed",
        ),
        pytest.param(
            RequestState.FAILED,
            MODERATED,
            GenerationModeratedError,
            "Request request-1 for model/a failed: refused by content moderation. It reads like a refusal",
            id="moderated",
        ),
    ],
)
def test_a_failed_generation_is_told_again_by_a_retry_and_pays_nothing(
    task: Task, state: RequestState, error: str, kind: type[AirflowException], says: str
) -> None:
    task.run()
    task.becomes(state, error)
    task.ti.retry()
    assert task.fails(kind).startswith(says)
    assert issubclass(kind, AirflowFailException)
    assert len(task.runcomfy.requests) == 1


def test_resubmit_failed_pays_once_a_try(task: Task) -> None:
    for request_id in ("request-1", "request-2", "request-3"):
        assert task.run(resubmit_failed=True).request_id == request_id
        task.becomes(RequestState.FAILED, FAILED)
        # The same try once more, say after Airflow put it back into the queue.
        said = task.fails(GenerationFailedRetryableError, resubmit_failed=True)
        assert "A retry, if one is left, submits it again and pays anew (resubmit_failed)." in said
        task.ti.retry()


def test_resubmit_failed_never_submits_what_was_moderated(task: Task) -> None:
    task.run(resubmit_failed=True)
    task.becomes(RequestState.FAILED, MODERATED)
    task.ti.retry()
    task.fails(GenerationModeratedError, resubmit_failed=True)


@pytest.mark.parametrize(
    ("order", "says"),
    [
        pytest.param({"model_id": "model/b"}, "now the task says model/b and 'account_a'", id="model"),
        pytest.param({"conn_id": "account_b"}, "now the task says model/a and 'account_b'", id="connection"),
    ],
)
def test_a_retry_with_another_model_or_connection_fails(task: Task, order: Any, says: str) -> None:
    task.run()
    task.ti.retry()
    said = task.fails(SubmissionChangedError, **order)
    assert said == (
        f"An earlier try submitted request request-1 to model/a through connection 'account_a'; {says}. The request "
        "was paid for and is left alone. Change the task back to use it, or clear the task to pay anew."
    )


def test_an_expired_request_fails_a_retry_and_a_clear_pays_anew(task: Task) -> None:
    task.run()
    task.runcomfy.requests["request-1"].gone = True
    task.ti.retry()
    assert task.run().request_id == "request-1"  # In its first minute RunComfy may not know it yet.
    assert task.store is not None
    task.store.change_newest(submitted_at=1.0)
    task.fails(RequestNotAvailableError)
    task.ti.clear()
    assert task.run().request_id == "request-2"
    assert "RunComfy no longer has request request-1, or it is another account's: submitting anew." in task.log.text


def test_a_task_that_does_not_wait_asks_for_nothing_when_it_is_retried(task: Task) -> None:
    first = task.run(waits=False)
    assert first.deadline is None
    task.becomes(RequestState.FAILED, FAILED)
    task.ti.retry()
    assert task.run(waits=False, outage=True) == first


def test_before_airflow_3_3_a_further_try_is_refused() -> None:
    task = Task(has_store=False)
    task.run()
    task.ti.retry()
    said = task.fails(UnknownSubmissionError)
    assert said.startswith("An earlier try began to submit to model/a at a time that is not known")
    assert "Before Airflow 3.3 nothing of a try outlives it" in said
    assert "on_unknown_submission='resubmit'" in said
    assert len(task.runcomfy.requests) == 1


def test_before_airflow_3_3_a_further_try_may_be_let_pay() -> None:
    task = Task(has_store=False)
    task.run(on_unknown_submission="resubmit")
    task.ti.retry()
    assert task.run(on_unknown_submission="resubmit").request_id == "request-2"
