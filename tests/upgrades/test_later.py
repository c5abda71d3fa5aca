"""What a later version has written costs nothing, is not written over, and says what to upgrade."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runcomfy.api.types import MediaKind, RequestState
from airflow_provider_runcomfy.exceptions import RunComfyFailError, RunComfyRetryableError
from airflow_provider_runcomfy.failures import SUBMITTER_WITHOUT_RECORD
from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.request_ids import given_requests
from airflow_provider_runcomfy.sandbox.server import running_sandbox
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from airflow_provider_runcomfy.transfers.copied import CopyRecord, Unfinished
from airflow_provider_runcomfy.transfers.files import files_of
from airflow_provider_runcomfy.transfers.store import StoredObject
from airflow_provider_runcomfy.triggers.events import from_event
from airflow_provider_runcomfy.triggers.runcomfy import RunComfyRequestTrigger
from airflow_provider_runcomfy.ui.reading import manifest_in, progress_in, results_in
from tests.runcomfy import CONNECTION_VARIABLE, PRO, connection_to
from tests.submission.account import Request
from tests.submission.parts import StateStore, TaskInstance, context_of
from tests.submission.task import Task
from tests.transfers import state_store
from tests.triggers.waiting import a_trigger, events_of, submit
from tests.upgrades.samples import samples
from tests.upgrades.test_earlier import MEDIA
from tests.upgrades.writers import CONN_ID, ID, INPUTS

Change = Callable[[Any], Any]


def newest(kind: str, name: str) -> Any:
    """Return what today's code writes, to be changed into what a later version might."""
    return deepcopy(samples(kind)[-1].values[name])


# --- records: a later version is named by its number


@pytest.fixture
def task() -> Task:
    """A task instance whose request has succeeded; a later version has kept its record, in a shape of its own."""
    task = Task()
    assert task.store is not None
    [(key, record)] = newest("record", "taken").items()
    record["submissions"][0]["attempts"] = [{"of": "a later version"}]
    task.store.texts = {key: json.dumps(record | {"version": 2})}
    task.runcomfy.requests[ID] = Request(ID, CONN_ID, PRO, INPUTS, 1, RequestState.SUCCEEDED)
    return task


@pytest.mark.parametrize("how", ["retry", "clear"])
def test_over_a_later_record_nothing_is_submitted_and_nothing_written(task: Task, how: str) -> None:
    assert task.store is not None
    kept = dict(task.store.texts)
    getattr(task.ti, how)()

    said = task.fails(RunComfyRetryableError, lambda: {"prompt": "another one"}, model_id=PRO, conn_id=CONN_ID)

    assert f"It names request {ID}. It says what was paid for, so nothing was submitted. Upgrade the package" in said
    assert list(task.runcomfy.requests) == [ID]
    assert task.store.texts == kept


def test_once_the_worker_is_upgraded_the_retry_takes_up_what_was_paid_for(task: Task) -> None:
    assert task.store is not None
    task.ti.retry()
    task.fails(RunComfyRetryableError, lambda: INPUTS, model_id=PRO, conn_id=CONN_ID)
    # To a version that can read it.
    task.store.texts = {key: json.dumps(value) for key, value in newest("record", "taken").items()}
    task.ti.retry()

    assert task.run(lambda: INPUTS, model_id=PRO, conn_id=CONN_ID).request_id == ID
    assert list(task.runcomfy.requests) == [ID]


def test_a_deferred_task_hands_its_success_over_also_with_a_later_record(task: Task) -> None:
    assert task.store is not None
    kept = dict(task.store.texts)

    result = resumed(newest("event", "succeeded"), task.store)

    assert (result["request_id"], result["state"]) == (ID, "succeeded")
    assert task.store.texts == kept


def resumed(event: Any, store: StateStore | None) -> Any:
    operator = RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=INPUTS)
    return operator.execute_complete(context_of(TaskInstance(), store), event)


# --- deferred tasks


async def test_what_a_later_version_asks_of_a_trigger_is_left_out_and_the_wait_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("airflow_provider_runcomfy.waiting.SHORTEST_DEFERRAL_SECONDS", 0.0)
    with running_sandbox(queue_seconds=0, run_seconds=0) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        trigger = a_trigger(submit(sandbox), webhook=None, patience="long")

        [event] = await events_of(trigger)

        assert event["endings"][0]["end"] == "succeeded"
        assert len(sandbox.requests()) == 1
    said = (
        "A later version of this package has deferred this task; what it says of patience, webhook is left out, and "
        "the wait goes on. Upgrade the package in the triggerer."
    )
    assert capsys.readouterr().out.count(said) == 1


def test_what_a_later_version_asks_of_a_trigger_is_kept_for_who_reads_it_next() -> None:
    stored = newest("trigger", "generate")
    later = stored["kwargs"] | {"patience": "long"}

    assert RunComfyRequestTrigger(**later).serialize() == (stored["classpath"], later)


def test_a_trigger_cannot_do_without_its_requests_and_its_end() -> None:
    # Airflow then fails the task, whose retry attaches to its request.
    with pytest.raises(TypeError, match="'request_id'"):
        RunComfyRequestTrigger(requests=[ID], end_time=time.time())  # type: ignore[call-arg]


def changed(**changes: Any) -> Change:
    def change(event: Any) -> Any:
        event["endings"][0] |= changes
        return event

    return change


def with_result(**changes: Any) -> Change:
    def change(event: Any) -> Any:
        event["endings"][0]["result"] |= changes
        return event

    return change


def without(name: str) -> Change:
    def change(event: Any) -> Any:
        del event["endings"][0][name]
        return event

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda event: event | {"version": 2, "triggerer": "a"}, id="of the whole"),
        pytest.param(changed(attempts=3, waited={"seconds": 9}), id="of an ending"),
        pytest.param(with_result(seed=7, usage={"credits": 12}), id="of a result"),
    ],
)
def test_what_an_event_tells_besides_is_left_out(change: Change) -> None:
    assert from_event(change(newest("event", "succeeded"))) == from_event(newest("event", "succeeded"))


NOT_READ = [
    pytest.param(changed(end="paused"), "'paused' is not a valid End", id="an end"),
    pytest.param(with_result(state="archived"), "'archived' is not a valid RequestState", id="a state"),
    pytest.param(
        with_result(media=[{"url": "https://cdn.runcomfy.net/a.glb", "kind": "model"}]),
        "'model' is not a valid MediaKind",
        id="a kind of file",
    ),
    pytest.param(without("reason"), "KeyError: 'reason'", id="no reason"),
    pytest.param(without("result"), "KeyError: 'result'", id="no result"),
    pytest.param(lambda event: {"requests": {ID: event}}, "KeyError: 'endings'", id="another shape"),
]


@pytest.mark.parametrize(("change", "reason"), NOT_READ)
def test_an_event_that_tells_what_is_not_known_is_asked_for_again(change: Change, reason: str) -> None:
    event, store = change(newest("event", "succeeded")), StateStore()
    which = f"Request {ID}" if "endings" in event else "Its request"

    with pytest.raises(RunComfyRetryableError) as caught:
        resumed(event, store)

    said = str(caught.value)
    assert reason in said
    assert "upgrade the workers" in said
    assert said.endswith(f"{which} was paid for and is left alone; a retry asks for it again and pays nothing.")
    assert store.texts == {}


@pytest.mark.parametrize(("change", "reason"), NOT_READ)
def test_a_sensor_says_the_same_of_such_an_event(change: Change, reason: str) -> None:
    sensor = RunComfyRequestSensor(task_id="wait", request_id=ID)

    with pytest.raises(RunComfyRetryableError, match=re.escape(reason)):
        sensor.execute_complete(context_of(TaskInstance(), StateStore()), change(newest("event", "succeeded")))


@pytest.mark.parametrize(("change", "reason"), NOT_READ)
def test_before_airflow_3_3_it_is_not_retried_since_no_later_try_knows_the_request(change: Change, reason: str) -> None:
    with pytest.raises(RunComfyFailError, match="RunComfyRequestSensor, which pays nothing"):
        from_event(change(newest("event", "succeeded")), SUBMITTER_WITHOUT_RECORD)


def test_the_retry_after_such_an_event_pays_nothing() -> None:
    task = Task()
    request_id = task.run().request_id
    task.becomes(RequestState.SUCCEEDED)
    with pytest.raises(RunComfyRetryableError):
        resumed(changed(end="paused")(newest("event", "succeeded")), task.store)
    task.ti.retry()

    assert task.run().request_id == request_id
    assert list(task.runcomfy.requests) == [request_id]


# --- XComs


def test_what_a_result_has_besides_is_left_out() -> None:
    result = newest("result", "succeeded")
    later = result | {"version": 2, "seed": 7, "media": [medium | {"seconds": 3} for medium in result["media"]]}

    assert results_in(later) == results_in(result)
    assert [request.request_id for request in given_requests(later)] == [ID]


def test_a_result_in_a_state_that_is_not_known_still_names_its_request() -> None:
    later = newest("result", "succeeded") | {"state": "archived"}

    assert results_in(later) == []
    assert [request.request_id for request in given_requests(later)] == [ID]


def test_a_kind_of_file_that_is_not_known_is_not_shown() -> None:
    result, lines = newest("result", "succeeded"), newest("manifest", "of three")
    result["media"][0]["kind"] = lines[0]["kind"] = "model"

    assert [medium.kind for medium in results_in(result)[0].result.media] == [MediaKind.IMAGE, MediaKind.AUDIO]
    assert [copy.kind for copy in manifest_in(lines)] == [MediaKind.IMAGE, MediaKind.AUDIO]


def test_what_a_manifest_and_the_progress_have_besides_is_left_out() -> None:
    lines, [entries] = newest("manifest", "of three"), newest("progress", "at the end").values()

    assert manifest_in([line | {"etag": "a", "copied_at": 1.5} for line in lines]) == manifest_in(lines)
    assert progress_in([entry | {"percent": 40} for entry in entries]) == progress_in(entries)
    assert progress_in([entry | {"state": "archived"} for entry in entries]) == []


# --- copies: a later version is named by its number


def test_what_a_later_version_has_noted_of_copies_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = state_store.StateStore(tmp_path)
    for key, value in newest("copies", "one of three").items():
        store.set(key, value | {"version": 2, "parts": []})
    kept = store.values
    file = files_of(ID, MEDIA, "{request_id}/{index}.{ext}", PRO)[1]
    record = CopyRecord(store, [ID, "another"])  # type: ignore[arg-type]

    assert record.earlier_requests() == []
    assert (record.of(ID).copied, record.of(ID).unfinished) == ({}, [])
    record.begin(ID, Unfinished(f"s3://videos/{file.key}", file.key, "an-upload-id"))
    record.finish(file, file.manifest_line(f"s3://videos/{file.key}", 5, "image/png", "0" * 64), None)

    assert store.values == kept
    assert record.of(ID).copied[1].line["size"] == 5
    why = "a later version of this package has kept it (its version is 2; this one reads 1)"
    assert caplog.messages == [
        f"Which requests were copied before cannot be read: {why}. What is left of them stays.",
        f"What was copied of request {ID} cannot be read: {why}. Looking at the objects.",
    ]


def test_what_an_object_tells_besides_is_left_out() -> None:
    metadata = newest("object_metadata", "0") | {"runcomfy-parts": "3", "runcomfy-version": "2"}
    [file, *_] = files_of(ID, MEDIA, "{request_id}/{index}.{ext}", PRO)

    assert file.is_stored_as(StoredObject(4711, "video/mp4", metadata))
