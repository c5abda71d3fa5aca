"""What a try hands to whoever waits, and what it says of it: times, the id of a new request, lines of the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from airflow_provider_runcomfy import posting
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState
from airflow_provider_runcomfy.exceptions import (
    GenerationFailedError,
    GenerationModeratedError,
    InvalidInputsError,
    RequestNotAvailableError,
    RunComfyRetryableError,
    UnknownSubmissionError,
)
from airflow_provider_runcomfy.order import Order
from airflow_provider_runcomfy.submission import Obtained, obtain
from tests.submission.account import FAILED, MODERATED, Hook, resending
from tests.submission.parts import context_of
from tests.submission.task import Task

SUBMITTED, HOUR = 1_800_000_000.0, 3600.0


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setattr(posting, "resending", resending(lambda: None))
    return Task()


def at(seconds: float) -> time_machine.travel:
    """Stop the clock, so many seconds after the first submit."""
    return time_machine.travel(SUBMITTED + seconds, tick=False)


def test_a_new_request_is_waited_for_from_its_submit(task: Task) -> None:
    with at(0):
        assert task.run() == Obtained("request-1", SUBMITTED, SUBMITTED + HOUR)
    assert task.store is not None
    [kept] = task.store.submissions
    assert (kept["submitted_at"], kept["deadline"]) == (SUBMITTED, SUBMITTED + HOUR)
    assert (kept["try_number"], kept["model_id"], kept["conn_id"]) == (1, "model/a", "account_a")
    assert kept["inputs"] == {"prompt": "a"}


def test_a_retry_goes_on_waiting_and_a_clear_waits_anew(task: Task) -> None:
    with at(0):
        first = task.run()
    task.ti.retry()
    with at(100):
        assert task.run() == first
    task.ti.clear()
    with at(200):
        assert task.run() == Obtained("request-1", SUBMITTED, SUBMITTED + 200 + HOUR)
    task.ti.retry()
    with at(300):
        assert task.run("b") == Obtained("request-1", SUBMITTED, SUBMITTED + 200 + HOUR)
    assert task.log.lines.count("Attached to request request-1, submitted by try 1.") == 3
    assert "The task was cleared; request request-1 still goes on and is attached to." in task.log.lines


def test_a_task_that_did_not_wait_and_does_now_begins_to(task: Task) -> None:
    with at(0):
        assert task.run(waits=False) == Obtained("request-1", SUBMITTED, None)
    task.ti.retry()
    with at(100):
        assert task.run() == Obtained("request-1", SUBMITTED, SUBMITTED + 100 + HOUR)


def test_a_success_is_handed_over_with_its_result(task: Task) -> None:
    with at(0):
        task.run()
        task.becomes(RequestState.SUCCEEDED, cost_usd=0.5)
        task.ti.retry()
        result = GenerationResult("request-1", RequestState.SUCCEEDED, cost_usd=0.5)
        assert task.run() == Obtained("request-1", SUBMITTED, SUBMITTED + HOUR, result)
    assert task.log.lines[-1] == "Request request-1, submitted by try 1, has succeeded: it is used."


def test_a_success_that_cannot_be_taken_up_is_left_alone(task: Task) -> None:
    task.run()
    task.becomes(RequestState.SUCCEEDED)
    task.ti.retry()
    task.writes_until_failure = 0
    said = task.fails(RunComfyRetryableError)
    assert said == (
        "The task state store could not be written (OSError: no answer). Request request-1 was paid for and is left "
        "alone; a retry takes it up again and pays nothing."
    )


def test_an_end_that_cannot_be_recorded_is_told_with_the_reason(task: Task) -> None:
    task.run()
    task.becomes(RequestState.FAILED, "out of memory")
    task.ti.retry()
    task.writes_until_failure = 0
    task.fails(GenerationFailedError)
    assert task.log.lines[-1] == (
        "The task state store could not be written (OSError: no answer). The record does not show what became of the "
        "latest request."
    )


def test_what_is_queued_is_cancelled_and_recorded_as_replaced(task: Task) -> None:
    task.run("a")
    task.ti.clear()
    task.run("b")
    assert task.cancelled == ["request-1"]
    assert task.ends == [("cancelled", "replaced; cancel: cancelled", None), (None, None, None)]
    assert task.log.lines[-3:] == [
        "The task was cleared with other inputs: submitting anew, in place of request request-1.",
        "The earlier request request-1 is replaced; cancelling it: cancelled. Unless cancelled it goes on and is "
        "charged.",
        "RunComfy accepted request request-2 for model/a; it will be charged.",
    ]


def test_what_runs_is_recorded_as_replaced_and_goes_on(task: Task) -> None:
    task.run("a")
    task.becomes(RequestState.IN_PROGRESS)
    task.ti.clear()
    task.run("b")
    assert task.ends == [(None, "replaced; cancel: not_cancellable", None), (None, None, None)]


def test_a_failure_without_a_reason_says_so(task: Task) -> None:
    task.run()
    task.becomes(RequestState.FAILED)
    task.ti.retry()
    said = task.fails(GenerationFailedError)
    assert said.startswith("Request request-1 for model/a failed: no reason given.")


def test_what_the_record_has_as_moderated_is_told_as_that_whatever_the_reason_says(task: Task) -> None:
    task.run()
    task.becomes(RequestState.FAILED, MODERATED)
    task.ti.retry()
    task.fails(GenerationModeratedError)
    assert task.store is not None
    # As a person may leave it, who has edited the record.
    task.store.change_newest(detail=None)
    task.ti.retry()
    said = task.fails(GenerationModeratedError, resubmit_failed=True)
    assert said.startswith("Request request-1 for model/a failed: no reason given. It reads like a refusal by content")
    assert "resubmit_failed" not in said


def test_what_the_record_has_as_failed_is_submitted_again_whatever_the_reason_says(task: Task) -> None:
    task.run()
    task.becomes(RequestState.FAILED, FAILED)
    task.ti.retry()
    task.fails(GenerationFailedError)
    assert task.store is not None
    task.store.change_newest(detail=MODERATED)
    task.ti.retry()
    assert "set resubmit_failed=True" in task.fails(GenerationFailedError)
    assert task.run(resubmit_failed=True).request_id == "request-2"


def test_a_request_that_has_expired_is_named_with_its_model(task: Task) -> None:
    task.run()
    task.runcomfy.requests["request-1"].gone = True
    assert task.store is not None
    task.store.change_newest(submitted_at=1.0)
    task.ti.retry()
    said = task.fails(RequestNotAvailableError)
    assert said.startswith("RunComfy no longer has request request-1 for model/a, or it is another account's.")


@pytest.mark.parametrize("policy", ["fail", "resubmit"])
def test_a_submit_without_an_answer_says_what_a_retry_does(task: Task, policy: str) -> None:
    kind = RunComfyRetryableError if policy == "resubmit" else UnknownSubmissionError
    said = task.fails(kind, submit_ends="unanswered but taken", on_unknown_submission=policy)
    assert ("A retry, if one is left, submits again" in said) is (policy == "resubmit")
    assert task.store is not None
    assert task.store.submissions[0]["intent_at"] != ""


def test_a_function_that_raises_where_no_id_is_known_names_none(task: Task) -> None:
    def scene() -> Any:
        raise LookupError("no such scene")

    task.fails(UnknownSubmissionError, submit_ends="unanswered but taken")
    task.ti.retry()
    with pytest.raises(LookupError):
        task.run(scene, on_unknown_submission="resubmit")
    assert "The function that gives the inputs raised" not in task.log.text


def test_a_task_that_does_not_wait_keeps_a_request_that_has_failed(task: Task) -> None:
    first = task.run(waits=False)
    task.becomes(RequestState.FAILED, "out of memory")
    task.ti.retry()
    assert task.run(waits=False) == first


def test_a_connection_is_named_in_the_log_whatever_it_is_called(task: Task) -> None:
    task.run(conn_id="100%s")
    task.ti.clear()
    task.run(conn_id="account_b")
    assert "was submitted through connection '100%s': submitting anew" in task.log.text


def test_a_try_that_is_refused_again_writes_and_says_nothing(task: Task) -> None:
    task.run()
    task.becomes(RequestState.FAILED, "out of memory")
    task.ti.retry()
    task.fails(GenerationFailedError)
    said = [*task.log.lines]
    task.writes_until_failure = 0
    task.ti.retry()
    task.fails(GenerationFailedError)
    assert task.log.lines == said


def test_inputs_that_are_refused_at_once_write_nothing(task: Task) -> None:
    task.writes_until_failure = 0
    task.fails(InvalidInputsError, "invalid")
    assert task.log.lines == []


def test_a_function_that_raises_where_nothing_was_learned_writes_nothing(task: Task) -> None:
    def scene() -> Any:
        raise LookupError("no such scene")

    task.run()
    task.becomes(RequestState.IN_PROGRESS)
    task.ti.clear()
    task.writes_until_failure = 0
    with pytest.raises(LookupError):
        task.run(scene)
    assert "The record does not show" not in task.log.text


@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded", "not recorded"])
def test_the_id_of_a_new_request_is_told_at_once(task: Task, is_recorded: bool) -> None:
    told: list[str] = []
    task.writes_until_failure = None if is_recorded else 1
    nothing: Any = lambda *given: None  # noqa: E731
    hook: Any = Hook(task.runcomfy, "account_a", 1, nothing, nothing, nothing, nothing)
    order = Order("model/a", {"prompt": "a"}, "account_a", validate_inputs=False, timeout=timedelta(hours=1))
    context, log = context_of(task.ti, task.store), task.log
    if is_recorded:
        obtain(order, hook, context, log, told.append)  # type: ignore[arg-type]
    else:
        with pytest.raises(UnknownSubmissionError):
            obtain(order, hook, context, log, told.append)  # type: ignore[arg-type]
    assert told == ["request-1"]
