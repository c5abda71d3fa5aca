"""The end of a wait: what the task hands over or raises, and what the record says of it afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy import finishing
from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import CancelOutcome, GenerationResult, MediaFile, MediaKind, RequestState
from airflow_provider_runcomfy.exceptions import (
    GenerationCancelledError,
    GenerationFailedError,
    GenerationFailedRetryableError,
    GenerationModeratedError,
    GenerationTimeoutError,
    RequestNotAvailableError,
    RunComfyConnectionError,
    RunComfyRetryableError,
)
from airflow_provider_runcomfy.record import Record, Submission
from tests.submission.parts import Log, StateStore, TaskInstance, context_of

RESULT = GenerationResult(
    "r1",
    RequestState.SUCCEEDED,
    media=(MediaFile("https://a/1.mp4", MediaKind.VIDEO), MediaFile("https://a/2.mp4", MediaKind.VIDEO)),
    output={"videos": ["https://a/1.mp4", "https://a/2.mp4"]},
    cost_usd=0.336,
)


class Task:
    """A task whose request was taken, and that waited for it."""

    def __init__(self) -> None:
        self.store = StateStore()
        taken = Submission("2026-11-05T12:00:00.000+00:00", 1, "model/a", "account_a", {}, "hash", "r1", 1.0, 2.0)
        self.store.texts["runcomfy"] = json.dumps(Record(2, (taken,)).as_json())
        self.ti = TaskInstance()
        self.log: Any = Log()

    @property
    def context(self) -> Any:
        return context_of(self.ti, self.store)

    @property
    def noted(self) -> tuple[Any, ...]:
        [item] = self.store.submissions
        return item["outcome"], item["detail"], item["cost_usd"]


@pytest.fixture
def task() -> Task:
    return Task()


def no_answer(call: str) -> None:
    raise OSError("no answer")


def test_a_success_is_handed_over_and_noted_with_its_cost(task: Task) -> None:
    assert finishing.hand_over(RESULT, "model/a", task.context, task.log) == RESULT.as_dict("model/a")
    assert task.ti.xcoms == {"url": "https://a/1.mp4"}
    assert task.noted == ("succeeded", None, 0.336)
    assert task.log.lines == ["Request r1 has cost 0.336 USD."]


def test_a_success_without_a_file_is_handed_over_and_told(task: Task) -> None:
    result = GenerationResult("r1", RequestState.SUCCEEDED, output={"text": "a cat"})
    assert finishing.hand_over(result, "model/a", task.context, task.log)["media"] == []
    assert task.ti.xcoms == {}
    assert task.log.lines == [
        "Request r1 has succeeded, and is charged, without any file. Its output: {'text': 'a cat'}"
    ]


def test_what_runcomfy_remarks_beside_a_success_is_told(task: Task) -> None:
    finishing.hand_over(RESULT, "model/a", task.context, task.log, remark="frames were dropped")

    assert any("r1" in line and "frames were dropped" in line for line in task.log.lines)


def test_a_cost_that_is_known_is_not_forgotten(task: Task) -> None:
    finishing.hand_over(RESULT, "model/a", task.context, task.log)
    without_cost = GenerationResult("r1", RequestState.SUCCEEDED, media=RESULT.media)
    finishing.hand_over(without_cost, "model/a", task.context, task.log)
    assert task.noted == ("succeeded", None, 0.336)


def test_a_success_whose_result_cannot_be_had_in_time_is_asked_for_again(task: Task) -> None:
    finishing.hand_over(RESULT, "model/a", task.context, task.log)
    ending = Ending(End.TIMED_OUT, reason="HTTP 503")
    error = finishing.failure("r1", ending, "model/a", task.context, task.log, will_resubmit=False)
    assert type(error) is RunComfyRetryableError
    assert str(error) == (
        "Request r1 has succeeded and is charged, but its result cannot be had now. The last poll failed: HTTP 503. A "
        "retry asks again and pays nothing."
    )


def test_what_a_failed_request_cost_is_noted(task: Task) -> None:
    result = GenerationResult("r1", RequestState.FAILED, error="out of memory", cost_usd=0.112)
    ending = Ending(End.FAILED, result, "out of memory")
    finishing.failure("r1", ending, "model/a", task.context, task.log, will_resubmit=False)
    assert task.noted == ("failed", "out of memory", 0.112)


ENDINGS = [
    pytest.param(
        Ending(End.FAILED, reason="out of memory"),
        False,
        GenerationFailedError,
        ("failed", "out of memory", None),
        id="failed",
    ),
    pytest.param(
        Ending(End.FAILED, reason="out of memory"),
        True,
        GenerationFailedRetryableError,
        ("failed", "out of memory", None),
        id="failed, resubmit_failed",
    ),
    pytest.param(
        Ending(End.FAILED, reason="nsfw"), True, GenerationModeratedError, ("moderated", "nsfw", None), id="moderated"
    ),
    pytest.param(Ending(End.CANCELLED), False, GenerationCancelledError, ("cancelled", None, None), id="cancelled"),
    pytest.param(
        Ending(End.NOT_FOUND, reason="404"), False, RequestNotAvailableError, ("gone", "404", None), id="expired"
    ),
    pytest.param(
        Ending(End.FORBIDDEN, reason="403"), False, RequestNotAvailableError, ("gone", "403", None), id="not ours"
    ),
    pytest.param(
        Ending(End.TIMED_OUT, reason="503"), False, GenerationTimeoutError, (None, None, None), id="timed out"
    ),
    pytest.param(
        Ending(End.UNAUTHENTICATED, reason="401"), False, RunComfyConnectionError, (None, None, None), id="bad token"
    ),
]


@pytest.mark.parametrize(("ending", "will_resubmit", "kind", "noted"), ENDINGS)
def test_an_end_without_a_result_is_noted_and_named(
    task: Task, ending: Ending, will_resubmit: bool, kind: type[AirflowException], noted: tuple[Any, ...]
) -> None:
    error = finishing.failure("r1", ending, "model/a", task.context, task.log, will_resubmit=will_resubmit)
    assert type(error) is kind
    assert "r1" in str(error)
    assert task.noted == noted


@pytest.mark.parametrize("trouble", ["the store is away", "the record was edited", "the key was deleted"])
@pytest.mark.parametrize(("ending", "will_resubmit", "kind", "noted"), ENDINGS)
def test_a_record_that_cannot_be_kept_does_not_hide_how_it_ended(
    task: Task, trouble: str, ending: Ending, will_resubmit: bool, kind: type[AirflowException], noted: object
) -> None:
    cause(task, trouble)
    error = finishing.failure("r1", ending, "model/a", task.context, task.log, will_resubmit=will_resubmit)
    assert type(error) is kind


@pytest.mark.parametrize("trouble", ["the store is away", "the record was edited", "the key was deleted"])
def test_a_record_that_cannot_be_kept_does_not_hide_a_result(task: Task, trouble: str) -> None:
    cause(task, trouble)
    assert finishing.hand_over(RESULT, "model/a", task.context, task.log)["request_id"] == "r1"
    assert task.ti.xcoms == {"url": "https://a/1.mp4"}
    if trouble != "the key was deleted":
        line, cost = task.log.lines
        assert cost == "Request r1 has cost 0.336 USD."
        assert line.endswith("The record does not show what became of request r1: succeeded.")


def cause(task: Task, trouble: str) -> None:
    if trouble == "the store is away":
        task.store.on_call = no_answer
    elif trouble == "the record was edited":
        task.store.texts["runcomfy"] = "{}"
    else:
        task.store.delete_key()


class Canceller:
    """A hook whose cancel ends so."""

    def __init__(self, ends: CancelOutcome | AirflowException) -> None:
        self.ends = ends

    def cancel(self, request_id: str) -> CancelOutcome:
        if isinstance(self.ends, AirflowException):
            raise self.ends
        return self.ends


@pytest.mark.parametrize(
    ("ends", "became", "line", "noted"),
    [
        pytest.param(
            CancelOutcome.CANCELLED,
            CancelOutcome.CANCELLED,
            "Request r1 was cancelled while it was queued; nothing is charged for it.",
            ("cancelled", "cancelled at the time-out", None),
            id="cancelled",
        ),
        pytest.param(
            CancelOutcome.NOT_CANCELLABLE,
            CancelOutcome.NOT_CANCELLABLE,
            "Request r1 could not be cancelled: it runs or has ended, and is charged.",
            (None, None, None),
            id="running",
        ),
        pytest.param(
            CancelOutcome.CANCELLATION_REQUESTED,
            CancelOutcome.CANCELLATION_REQUESTED,
            "Request r1 was asked to be cancelled; whether it is charged is not known.",
            (None, None, None),
            id="asked for",
        ),
        pytest.param(
            RunComfyRetryableError("HTTP 503"),
            CancelOutcome.UNKNOWN,
            "Whether request r1 was cancelled is not known: HTTP 503",
            (None, None, None),
            id="outage",
        ),
        pytest.param(
            RequestNotAvailableError("HTTP 404"),
            CancelOutcome.UNKNOWN,
            "Whether request r1 was cancelled is not known: HTTP 404",
            (None, None, None),
            id="expired",
        ),
    ],
)
def test_a_cancel_after_a_time_out_says_what_became_of_it(
    task: Task, ends: CancelOutcome | AirflowException, became: CancelOutcome, line: str, noted: tuple[Any, ...]
) -> None:
    hook: Any = Canceller(ends)
    assert finishing.cancel_after_timeout("r1", hook, task.context, task.log) is became
    assert task.log.lines == [line]
    assert task.noted == noted


def test_before_airflow_3_3_there_is_nothing_to_note(task: Task) -> None:
    context = context_of(task.ti, None)
    assert finishing.hand_over(RESULT, "model/a", context, task.log)["request_id"] == "r1"


@pytest.mark.parametrize(
    ("has_store", "told"),
    [pytest.param(True, "Clear the task", id="3.3"), pytest.param(False, "RunComfyRequestSensor", id="3.2")],
)
def test_what_is_said_fits_the_airflow_that_runs(task: Task, has_store: bool, told: str) -> None:
    context = task.context if has_store else context_of(task.ti, None)
    error = finishing.failure("r1", Ending(End.TIMED_OUT), "model/a", context, task.log, will_resubmit=False)
    assert told in str(error)
