"""A function that gives the inputs is called only where what the try does depends on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runcomfy import posting
from airflow_provider_runcomfy.api.types import RequestState
from airflow_provider_runcomfy.exceptions import (
    GenerationFailedError,
    GenerationModeratedError,
    InvalidInputsError,
    RequestNotAvailableError,
    RunComfyConnectionError,
    RunComfyRetryableError,
    SubmissionChangedError,
    UnknownSubmissionError,
    UnreadableRecordError,
)
from airflow_provider_runcomfy.store import KEY
from tests.submission.account import FAILED, MODERATED, resending
from tests.submission.task import Task


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    task = Task()
    monkeypatch.setattr(posting, "resending", resending(lambda: None))
    monkeypatch.setattr("airflow_provider_runcomfy.looking.time.sleep", task.pauses.append)
    return task


class Function:
    """A function under ``@task.runcomfy``: what it gives, and how often it was called."""

    def __init__(self, prompt: str = "a", *, raises: Exception | None = None) -> None:
        self.prompt = prompt
        self.raises = raises
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        if self.raises is not None:
            raise self.raises
        return {"prompt": self.prompt}


def goes_on(task: Task) -> None:
    task.becomes(RequestState.IN_PROGRESS)


def succeeds(task: Task) -> None:
    task.becomes(RequestState.SUCCEEDED)


def fails(task: Task) -> None:
    task.becomes(RequestState.FAILED, FAILED)


def is_moderated(task: Task) -> None:
    task.becomes(RequestState.FAILED, MODERATED)


def is_cancelled(task: Task) -> None:
    task.becomes(RequestState.CANCELLED)


def expires(task: Task) -> None:
    task.becomes(RequestState.SUCCEEDED)
    task.runcomfy.requests["request-1"].gone = True
    assert task.store is not None
    task.store.change_newest(submitted_at=1.0)


def is_unknown(task: Task) -> None:
    assert task.store is not None
    task.store.change_newest(request_id=None, submitted_at=None)


def is_adopted(task: Task) -> None:
    assert task.store is not None
    task.store.change_newest(submitted_at=None, deadline=None)


def is_unreadable(task: Task) -> None:
    assert task.store is not None
    task.store.texts[KEY] = "[]"


Becomes = Callable[[Task], None]
ATTACHES = "request-1"
ANEW = "request-2"

#: What became of the earlier request; then what a retry and a clear do, and whether they call the function for it.
#: The rows are those of the decision table.
TABLE: list[Any] = [
    pytest.param(goes_on, {}, (ATTACHES, 0), (ATTACHES, 1), id="runs"),
    pytest.param(succeeds, {}, (ATTACHES, 0), (ATTACHES, 1), id="succeeded"),
    pytest.param(succeeds, {"on_clear": "resubmit"}, (ATTACHES, 0), (ANEW, 1), id="succeeded, on_clear=resubmit"),
    pytest.param(fails, {}, (GenerationFailedError, 0), (ANEW, 1), id="failed"),
    pytest.param(fails, {"resubmit_failed": True}, (ANEW, 1), (ANEW, 1), id="failed, resubmit_failed"),
    pytest.param(is_moderated, {"resubmit_failed": True}, (GenerationModeratedError, 0), (ANEW, 1), id="moderated"),
    pytest.param(is_cancelled, {}, (ANEW, 1), (ANEW, 1), id="cancelled"),
    pytest.param(expires, {}, (RequestNotAvailableError, 0), (ANEW, 1), id="expired"),
    pytest.param(is_unknown, {}, (UnknownSubmissionError, 0), (UnknownSubmissionError, 0), id="unknown"),
    pytest.param(is_unknown, {"on_unknown_submission": "resubmit"}, (ANEW, 1), (ANEW, 1), id="unknown, resubmit"),
    pytest.param(is_adopted, {}, (ATTACHES, 0), (ATTACHES, 0), id="adopted"),
    pytest.param(goes_on, {"model_id": "model/b"}, (SubmissionChangedError, 0), (ANEW, 1), id="another model"),
    pytest.param(goes_on, {"conn_id": "account_b"}, (SubmissionChangedError, 0), (ANEW, 1), id="another connection"),
    pytest.param(is_unreadable, {}, (UnreadableRecordError, 0), (UnreadableRecordError, 0), id="unreadable"),
]


def check(task: Task, given: Function, order: Any, expected: tuple[Any, int]) -> None:
    does, calls = expected
    if isinstance(does, str):
        assert task.run(given, **order).request_id == does
    else:
        task.fails(does, given, **order)
    assert given.calls == calls


@pytest.mark.parametrize(("becomes", "order", "retried", "cleared"), TABLE)
def test_a_retry(task: Task, becomes: Becomes, order: Any, retried: Any, cleared: Any) -> None:
    task.run(Function())
    becomes(task)
    task.ti.retry()
    check(task, Function(), order, retried)


@pytest.mark.parametrize(("becomes", "order", "retried", "cleared"), TABLE)
def test_a_clear(task: Task, becomes: Becomes, order: Any, retried: Any, cleared: Any) -> None:
    task.run(Function())
    becomes(task)
    task.ti.clear()
    check(task, Function(), order, cleared)


@pytest.mark.parametrize("becomes", [goes_on, succeeds], ids=["runs", "succeeded"])
def test_what_the_function_gives_at_a_retry_does_not_matter_and_at_a_clear_decides(
    task: Task, becomes: Becomes
) -> None:
    task.run(Function("at noon"))
    becomes(task)
    task.ti.retry()
    assert task.run(Function("at one")).request_id == "request-1"
    assert "The inputs have changed" not in task.log.text
    task.ti.clear()
    assert task.run(Function("at two")).request_id == "request-2"
    assert [request.inputs for request in task.runcomfy.requests.values()] == [
        {"prompt": "at noon"},
        {"prompt": "at two"},
    ]
    assert task.store is not None
    assert [submission["inputs"] for submission in task.store.submissions] == [
        {"prompt": "at noon"},
        {"prompt": "at two"},
    ]


def test_given_inputs_and_written_ones_are_the_same(task: Task) -> None:
    task.run("a")
    task.becomes(RequestState.SUCCEEDED)
    task.ti.clear()
    assert task.run(Function("a")).request_id == "request-1"


def test_a_first_try_calls_it_once_although_the_submit_is_sent_again(task: Task) -> None:
    given = Function()
    assert task.run(given, submit_ends="not sent, then taken").request_id == "request-1"
    assert given.calls == 1


def test_without_a_connection_it_is_not_called(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def client(hook: Any) -> None:
        raise RunComfyConnectionError("There is no Airflow connection 'account_a'.")

    monkeypatch.setattr("tests.submission.account.Hook.client", property(client))
    given = Function()
    task.fails(RunComfyConnectionError, given)
    assert given.calls == 0


def test_without_the_record_it_is_not_called(task: Task) -> None:
    def fail(call: str) -> None:
        raise OSError("no answer")

    assert task.store is not None
    task.store.on_call = fail
    given = Function()
    task.fails(RunComfyRetryableError, given)
    assert given.calls == 0


def test_what_it_raises_is_the_tasks_error_and_nothing_was_submitted(task: Task) -> None:
    with pytest.raises(LookupError, match="no such scene"):
        task.run(Function(raises=LookupError("no such scene")))
    assert task.runcomfy.requests == {}
    assert task.store is not None
    assert task.store.stored is None
    task.ti.retry()
    assert task.run(Function()).request_id == "request-1"


def test_what_it_raises_at_a_clear_leaves_the_request_alone_and_the_clear_to_be_answered(task: Task) -> None:
    task.run(Function())
    task.becomes(RequestState.IN_PROGRESS)
    task.ti.clear()
    with pytest.raises(LookupError):
        task.run(Function(raises=LookupError("no such scene")))
    assert (
        "The function that gives the inputs raised, so nothing was submitted. Request request-1, submitted by try 1, "
        "is left as it is."
    ) in task.log.lines
    assert task.cancelled == []
    task.ti.retry()
    given = Function("b")
    assert task.run(given).request_id == "request-2"
    assert given.calls == 1


def test_what_the_look_has_told_is_kept_although_the_function_raises(task: Task) -> None:
    task.run(Function())
    task.becomes(RequestState.FAILED, FAILED, 0.1)
    task.ti.clear()
    with pytest.raises(LookupError):
        task.run(Function(raises=LookupError()))
    assert task.ends == [("failed", FAILED, 0.1)]


@pytest.mark.parametrize("given", [None, "a prompt", ["a prompt"], 7], ids=repr)
def test_what_is_no_mapping_is_refused_before_anything_is_sent(task: Task, given: Any) -> None:
    said = task.fails(InvalidInputsError, lambda: given, model_id="kling/kling-3.0/pro/text-to-video", checked=True)
    assert "an object with the model's fields" in said
    assert task.runcomfy.requests == {}
