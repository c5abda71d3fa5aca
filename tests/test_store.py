"""The record in Airflow's task state store: Airflow's own accessor, in front of a supervisor of this test."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse, _RequestFrame

from airflow_provider_runcomfy.exceptions import RunComfyRetryableError, UnreadableRecordError
from airflow_provider_runcomfy.record import Outcome, Record, Submission
from airflow_provider_runcomfy.store import KEY, NoStore, RecordStore, TaskStateStore, record_store
from tests.airflow_db import has_task_state_store, skip_without_task_state_store
from tests.submission.parts import TaskInstance

if has_task_state_store:
    from airflow.sdk.execution_time.comms import GetTaskStateStore, SetTaskStateStore, TaskStateStoreResult
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor
    from airflow.sdk.state import TaskScope

MAX_TRIES = 2
SUBMISSION = Submission(
    intent_at="2026-11-05T12:00:00.000+00:00",
    try_number=1,
    model_id="model/a",
    conn_id="account_a",
    inputs={"prompt": "A cat", "seed": 7, "cfg": 0.5, "list": [None, True]},
    inputs_hash="abc",
    request_id="first",
    submitted_at=1000.0,
    deadline=4600.0,
    outcome=Outcome.SUCCEEDED,
    cost_usd=0.336,
)
RECORD = Record(MAX_TRIES, (SUBMISSION,))


class Supervisor:
    """Answers as Airflow's supervisor does, and keeps what it was sent as bytes."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sent: list[SetTaskStateStore] = []
        self.error: Exception | None = None

    def send(self, message: Any) -> Any:
        _RequestFrame(id=1, body=message.model_dump()).as_bytes()
        if self.error is not None:
            raise self.error
        if isinstance(message, GetTaskStateStore):
            if message.key not in self.values:
                return ErrorResponse(error=ErrorType.TASK_STORE_NOT_FOUND)
            return TaskStateStoreResult(value=self.values[message.key])
        self.sent.append(message)
        self.values[message.key] = message.value
        return None


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    skip_without_task_state_store()
    supervisor = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor


@pytest.fixture
def store(supervisor: Supervisor) -> TaskStateStore:
    accessor = TaskStateStoreAccessor(uuid.uuid4(), TaskScope(dag_id="d", run_id="r", task_id="t"))
    return TaskStateStore(accessor, max_tries=MAX_TRIES)


def test_nothing_stored_is_an_empty_record_of_this_try(store: TaskStateStore) -> None:
    assert store.read() == Record(MAX_TRIES)


def test_a_record_is_kept_for_ever_under_one_key(store: TaskStateStore, supervisor: Supervisor) -> None:
    store.write(RECORD)
    [sent] = supervisor.sent
    assert (sent.key, sent.expires_at) == ("runcomfy", None)
    assert store.read() == RECORD


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param("hello", id="no record"),
        pytest.param({**RECORD.as_json(), "version": 0}, id="of no version that there was"),
        pytest.param({**RECORD.as_json(), "submissions": [{}]}, id="edited badly"),
    ],
)
def test_an_unreadable_record_is_not_the_same_as_none(
    store: TaskStateStore, supervisor: Supervisor, stored: Any
) -> None:
    supervisor.values[KEY] = stored
    with pytest.raises(
        UnreadableRecordError,
        match=r"^The record under the key 'runcomfy' in the task state store cannot be read: "
        r".* nothing was submitted\. "
        r"Mend it .*; delete the key to pay anew\. Then clear the task\.$",
    ):
        store.read()


def test_an_unreadable_record_names_the_requests_that_it_has(store: TaskStateStore, supervisor: Supervisor) -> None:
    submissions = [{"request_id": "first"}, {"request_id": None}, {"request_id": "second"}, {"request_id": "first"}, 7]
    supervisor.values[KEY] = {**RECORD.as_json(), "submissions": submissions}
    with pytest.raises(UnreadableRecordError, match=r" It names request first, second\. It says what was paid for, "):
        store.read()


def test_the_record_of_a_later_version_is_retried(store: TaskStateStore, supervisor: Supervisor) -> None:
    supervisor.values[KEY] = {**RECORD.as_json(), "version": 2}
    with pytest.raises(RunComfyRetryableError) as caught:
        store.read()
    assert str(caught.value) == (
        "A later version of this package wrote the record under the key 'runcomfy' in the task state store: its "
        "version is 2; this package reads version 1. It names request first. It says what was paid for, so nothing was "
        "submitted. Upgrade the package on all workers; a retry on one that is upgraded goes on with what was paid for."
    )


ERRORS = [
    pytest.param(
        AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 404})),
        "API_SERVER_ERROR",
        id="Airflow refuses: a try that it has replaced",
    ),
    pytest.param(ConnectionResetError("reset"), "ConnectionResetError: reset", id="connection lost"),
    pytest.param(EOFError(), "EOFError", id="supervisor gone"),
    pytest.param(RuntimeError("bucket gone"), "RuntimeError: bucket gone", id="a state store backend of the company's"),
]


@pytest.mark.parametrize(("error", "words"), ERRORS)
def test_a_store_that_cannot_be_read_submits_nothing_and_is_retried(
    store: TaskStateStore, supervisor: Supervisor, error: Exception, words: str
) -> None:
    supervisor.error = error
    with pytest.raises(RunComfyRetryableError) as caught:
        store.read()
    assert words in str(caught.value)
    assert str(caught.value).startswith("The task state store could not be read (")
    assert str(caught.value).endswith("Nothing was submitted; a retry reads it again.")


@pytest.mark.parametrize(("error", "words"), ERRORS)
def test_a_store_that_cannot_be_written_is_retried(
    store: TaskStateStore, supervisor: Supervisor, error: Exception, words: str
) -> None:
    supervisor.error = error
    with pytest.raises(RunComfyRetryableError) as caught:
        store.write(RECORD)
    assert words in str(caught.value)
    assert str(caught.value).startswith("The task state store could not be written (")


def test_a_task_has_the_store_of_its_context(supervisor: Supervisor) -> None:
    accessor = TaskStateStoreAccessor(uuid.uuid4(), TaskScope(dag_id="d", run_id="r", task_id="t"))
    context: Any = {"ti": TaskInstance(try_number=4, max_tries=5), "task_state_store": accessor}
    assert record_store(context).read() == Record(5)


def before_3_3(try_number: int) -> RecordStore:
    context: Any = {"ti": TaskInstance(try_number=try_number, max_tries=MAX_TRIES)}
    return record_store(context)


def test_before_airflow_3_3_the_first_try_has_submitted_nothing() -> None:
    store = before_3_3(try_number=1)
    assert isinstance(store, NoStore)
    assert store.read() == Record(MAX_TRIES)


@pytest.mark.parametrize("try_number", [2, 7])
def test_before_airflow_3_3_a_further_try_follows_one_that_nobody_knows_of(try_number: int) -> None:
    store = before_3_3(try_number)
    last = store.read().last
    assert last is not None
    assert last.is_unknown
    assert last.try_number == try_number - 1


def test_before_airflow_3_3_nothing_is_kept() -> None:
    store = before_3_3(try_number=1)
    store.write(replace(RECORD, max_tries=9))
    assert store.read() == Record(MAX_TRIES)
