"""What an earlier version has written is read by today's code as what it was meant to be, and nothing is paid twice."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy import exceptions as ours
from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import GenerationResult, MediaFile, MediaKind, RequestState
from airflow_provider_runcomfy.record import Record, hash_inputs
from airflow_provider_runcomfy.request_ids import given_requests
from airflow_provider_runcomfy.transfers.copied import CopyRecord, Unfinished
from airflow_provider_runcomfy.transfers.files import SourceFile, files_of
from airflow_provider_runcomfy.transfers.store import StoredObject
from airflow_provider_runcomfy.triggers.events import from_event
from airflow_provider_runcomfy.triggers.runcomfy import RunComfyRequestTrigger
from airflow_provider_runcomfy.ui.reading import manifest_in, progress_in, results_in
from tests.runcomfy import PRO
from tests.submission.account import Request
from tests.submission.task import Task
from tests.transfers.state_store import StateStore
from tests.upgrades.samples import Sample, samples, values_of
from tests.upgrades.writers import CONN_ID, FILES, ID, INPUTS, OTHER_ID, TAKEN_AT

KEY = "runcomfy"
MEDIA = tuple(
    MediaFile(f"{FILES}/{number}_output.{ext}?signature=s3cret", kind)
    for number, (kind, ext) in enumerate([(MediaKind.VIDEO, "mp4"), (MediaKind.IMAGE, "png"), (MediaKind.AUDIO, "mp3")])
)
RESULT = GenerationResult(
    request_id=ID,
    state=RequestState.SUCCEEDED,
    media=MEDIA,
    output={"video": MEDIA[0].url},
    cost_usd=0.336,
    created_at="2025-01-15T15:00:00.250000+00:00",
    finished_at="2025-01-15T15:02:00.000000+00:00",
)

# --- records

Does = str | type[AirflowException]
ATTACHES: Does = ID
ANEW: Does = "request-2"
UNKNOWN: Does = ours.UnknownSubmissionError

#: By what a record shows: what RunComfy says of the request, and what a retry and a clear with the same inputs do.
RECORDS: dict[str, tuple[RequestState, Does, Does]] = {
    "about to be submitted": (RequestState.IN_PROGRESS, UNKNOWN, UNKNOWN),
    "taken": (RequestState.IN_PROGRESS, ATTACHES, ATTACHES),
    "taken, and not waited for": (RequestState.SUCCEEDED, ATTACHES, ATTACHES),
    "adopted by a person": (RequestState.IN_QUEUE, ATTACHES, ATTACHES),
    "refused": (RequestState.IN_PROGRESS, ANEW, ANEW),
    "refused, then taken": (RequestState.IN_QUEUE, ATTACHES, ATTACHES),
    "succeeded": (RequestState.SUCCEEDED, ATTACHES, ATTACHES),
    "failed": (RequestState.FAILED, ours.GenerationFailedError, ANEW),
    "moderated": (RequestState.FAILED, ours.GenerationModeratedError, ANEW),
    "cancelled": (RequestState.CANCELLED, ANEW, ANEW),
    "gone": (RequestState.UNKNOWN, ours.RequestNotAvailableError, ANEW),
}


@pytest.mark.parametrize("how", ["retry", "clear"])
@pytest.mark.parametrize(("sample", "name"), [(s, name) for s in samples("record") for name in s.values], ids=str)
def test_a_record_decides_as_one_of_today(sample: Sample, name: str, how: str) -> None:
    state, retried, cleared = RECORDS[name]
    task = a_task_with(sample.values[name], state)
    does = retried if how == "retry" else cleared
    getattr(task.ti, how)()

    order: dict[str, Any] = {"model_id": PRO, "conn_id": CONN_ID, "waits": name != "taken, and not waited for"}
    if isinstance(does, str):
        assert task.run(lambda: INPUTS, **order).request_id == does
    else:
        task.fails(does, lambda: INPUTS, **order)

    assert set(task.runcomfy.requests) == ({ID, "request-2"} if does == ANEW else {ID})


def a_task_with(kept: dict[str, Any], state: RequestState) -> Task:
    """Return a task instance of which an earlier version has kept this, and whose request is in this state."""
    task = Task()
    assert task.store is not None
    task.store.texts = {key: json.dumps(value) for key, value in kept.items()}
    task.runcomfy.requests[ID] = Request(ID, CONN_ID, PRO, INPUTS, 1, state, gone=state is RequestState.UNKNOWN)
    return task


@pytest.mark.parametrize("kept", values_of("record"))
def test_a_record_is_written_as_it_was_read(kept: dict[str, Any]) -> None:
    assert Record.from_json(kept[KEY]).as_json() == kept[KEY]


@pytest.mark.parametrize("kept", values_of("record"))
def test_the_same_inputs_have_the_hash_that_they_had(kept: dict[str, Any]) -> None:
    # Another one would be other inputs, and a clear would pay for them.
    assert {s["inputs_hash"] for s in kept[KEY]["submissions"]} == {hash_inputs(INPUTS)}


# --- deferred tasks


@pytest.mark.parametrize("stored", values_of("trigger"))
def test_a_trigger_is_made_again_with_all_that_it_was_given(stored: dict[str, Any]) -> None:
    module, _, name = stored["classpath"].rpartition(".")

    trigger = getattr(import_module(module), name)(**stored["kwargs"])

    assert {key: vars(trigger)[key] for key in stored["kwargs"]} == stored["kwargs"]


#: What a trigger is taken for where it has no such argument: the first trigger that there was had all of these.
DEFAULTS = {
    "runcomfy_conn_id": "runcomfy_default",
    "poll_interval": 5.0,
    "max_poll_interval": 30.0,
    "cancel_on_kill": False,
    "submitted_at": None,
}


@pytest.mark.parametrize("left_out", [*([name] for name in DEFAULTS), list(DEFAULTS)], ids="+".join)
def test_a_trigger_with_fewer_arguments_has_defaults_for_the_others(left_out: list[str]) -> None:
    given = samples("trigger")[0].values["generate"]["kwargs"]

    trigger = RunComfyRequestTrigger(**{name: value for name, value in given.items() if name not in left_out})

    assert trigger.serialize()[1] == given | {name: DEFAULTS[name] for name in left_out}


ENDINGS = {
    "succeeded": Ending(End.SUCCEEDED, RESULT, "", TAKEN_AT + 7.5),
    "failed": Ending(
        End.FAILED, GenerationResult(ID, RequestState.FAILED, cost_usd=0.112), "out of memory", TAKEN_AT + 7.5
    ),
    **{end.value: Ending(end, None, "why") for end in End if end not in (End.SUCCEEDED, End.FAILED)},
}


@pytest.mark.parametrize(("sample", "name"), [(s, name) for s in samples("event") for name in s.values], ids=str)
def test_an_event_tells_how_the_wait_ended(sample: Sample, name: str) -> None:
    expected = {ID: ENDINGS["succeeded"], OTHER_ID: Ending(End.CANCELLED)} if name == "of two" else {ID: ENDINGS[name]}

    assert from_event(sample.values[name]) == {key: as_told(sample, ending) for key, ending in expected.items()}


def as_told(sample: Sample, ending: Ending) -> Ending:
    """Return what an event of a version tells of an ending."""
    if sample.version < 2 and ending.end is End.FAILED:
        # What a failure has cost.
        ending = replace(ending, result=None)
    return replace(ending, running_since=None) if sample.version < 3 else ending


# --- XComs


@pytest.mark.parametrize("handed_on", values_of("result"))
def test_a_result_names_its_request(handed_on: dict[str, Any]) -> None:
    [request] = given_requests(handed_on)
    [seen] = results_in(handed_on)

    assert (request.request_id, request.state, request.cost_usd) == (ID, "succeeded", 0.336)
    assert request.model_id == seen.model_id == handed_on["model_id"]
    # The page needs no output.
    assert seen.result == replace(RESULT, output=None)


@pytest.mark.parametrize("pushed", values_of("progress"))
def test_where_a_request_stands_is_shown(pushed: dict[str, Any]) -> None:
    [entries] = pushed.values()

    assert list(pushed) == ["progress"]
    assert [
        {"request_id": told.request_id, "state": told.state.value, "queue_position": told.queue_position, "at": told.at}
        for told in progress_in(entries)
    ] == [{key: entry[key] for key in ("request_id", "state", "queue_position", "at")} for entry in entries]


@pytest.mark.parametrize("lines", values_of("manifest"))
def test_a_manifest_is_shown(lines: list[dict[str, Any]]) -> None:
    shown = manifest_in(lines)

    assert [(copy.uri, copy.kind, copy.index) for copy in shown] == [
        (f"s3://videos/{ID}/0.mp4", MediaKind.VIDEO, 0),
        (f"s3://videos/{ID}/1.png", MediaKind.IMAGE, 1),
        (f"s3://videos/{ID}/2.mp3", MediaKind.AUDIO, 2),
    ]


# --- copies


def a_file(index: int) -> SourceFile:
    return files_of(ID, MEDIA, "{request_id}/{index}.{ext}", PRO)[index]


@pytest.mark.parametrize(
    ("sample", "index"), [(s, index) for s in samples("object_metadata") for index in s.values], ids=str
)
def test_an_object_is_known_for_the_copy_that_it_is(sample: Sample, index: str) -> None:
    metadata = sample.values[index]

    file = a_file(int(index))

    assert file.is_stored_as(StoredObject(4711, "video/mp4", metadata))
    assert not file.is_stored_as(StoredObject(4712, "video/mp4", metadata))
    assert not a_file((int(index) + 1) % 3).is_stored_as(StoredObject(4711, "video/mp4", metadata))


@pytest.mark.parametrize("sample", samples("copies"), ids=str)
def test_what_was_copied_is_not_copied_again(sample: Sample, tmp_path: Path) -> None:
    record = CopyRecord(a_store(sample.values["one of three"], tmp_path))  # type: ignore[arg-type]

    copied = record.of(ID).copied

    assert copied[0].line == a_file(0).manifest_line(f"s3://videos/{ID}/0.mp4", 4711, "video/mp4", "0" * 64)
    assert copied[0].version == '"an-etag"'
    assert list(copied) == [0]


@pytest.mark.parametrize("sample", samples("copies"), ids=str)
def test_what_was_begun_is_removed(sample: Sample, tmp_path: Path) -> None:
    record = CopyRecord(a_store(sample.values["one of three"], tmp_path), [OTHER_ID])  # type: ignore[arg-type]

    if sample.version == 0:
        # No release has written this one, for a day before the first: what it has begun stays in the store.
        assert (record.earlier_requests(), record.of(ID).unfinished) == ([], [])
    else:
        assert record.earlier_requests() == [ID]
        assert record.of(ID).unfinished == [Unfinished(f"s3://videos/{ID}/1.png", f"{ID}/1.png", "an-upload-id")]


def a_store(kept: dict[str, Any], folder: Path) -> StateStore:
    store = StateStore(folder)
    for key, value in kept.items():
        store.set(key, value)
    return store
