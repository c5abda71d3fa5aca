"""What today's code writes, of each kind that others read after an upgrade; always of the same things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import GenerationResult, MediaFile, MediaKind, RequestState, RequestStatus
from airflow_provider_runcomfy.progress import ProgressOnWorker, tell_ends
from airflow_provider_runcomfy.purse import note_costs_once
from airflow_provider_runcomfy.record import Outcome, Record, Submission, hash_inputs, readable
from airflow_provider_runcomfy.request_ids import given_requests
from airflow_provider_runcomfy.store import TaskStateStore
from airflow_provider_runcomfy.transfers.copied import CopyRecord, Unfinished
from airflow_provider_runcomfy.transfers.files import files_of
from airflow_provider_runcomfy.transfers.store import SHA256
from airflow_provider_runcomfy.triggers.events import to_event
from airflow_provider_runcomfy.triggers.runcomfy import RunComfyRequestTrigger
from tests.airflow_db import skip_without_task_state_store
from tests.runcomfy import PRO
from tests.submission import parts
from tests.transfers.state_store import StateStore

ID, OTHER_ID = "0b1f6a52-5a0e-4c57-9a55-6a1d6f0b7c11", "7d20c8e4-93b1-4f0e-8a6d-2f6f1f9d3e05"
CONN_ID = "runcomfy_default"
INPUTS = {"prompt": "A lighthouse at dusk, très calme", "duration": 3, "sound": False, "cfg_scale": 0.5, "shots": [{}]}
AT, TAKEN_AT = "2025-01-15T15:00:00.000+00:00", 1736953200.25
FILES = "https://files.runcomfy.net"

Samples = dict[str, Any]

_NEW = Submission(AT, 1, PRO, CONN_ID, readable(INPUTS), hash_inputs(INPUTS))
_TAKEN = replace(_NEW, request_id=ID, submitted_at=TAKEN_AT, deadline=TAKEN_AT + 3600)
_MEDIA = tuple(
    MediaFile(f"{FILES}/{number}_output.{ext}?signature=s3cret", kind)
    for number, (kind, ext) in enumerate(zip(MediaKind, ("mp4", "png", "mp3"), strict=True))
)
_RESULT = GenerationResult(
    ID,
    RequestState.SUCCEEDED,
    _MEDIA,
    output={"video": _MEDIA[0].url},
    cost_usd=0.336,
    created_at="2025-01-15T15:00:00.250000+00:00",
    finished_at="2025-01-15T15:02:00.000000+00:00",
)
_FAILED = GenerationResult(ID, RequestState.FAILED, cost_usd=0.112)


def record() -> Samples:
    """Return a task instance's record, under its key, in every state that it can be in."""
    refused = replace(_NEW, outcome=Outcome.REFUSED, detail="no balance")
    records: dict[str, tuple[Submission, ...]] = {
        "about to be submitted": (_NEW,),
        "taken": (_TAKEN,),
        "taken, and not waited for": (replace(_TAKEN, deadline=None),),
        "adopted by a person": (replace(_NEW, request_id=ID),),
        "refused": (refused,),
        "refused, then taken": (refused, _TAKEN),
    }
    for outcome in Outcome:
        if outcome is not Outcome.REFUSED:
            detail = "refused by content moderation" if outcome is Outcome.MODERATED else "why"
            records[outcome.value] = (replace(_TAKEN, outcome=outcome, detail=detail, cost_usd=0.336),)
    return {name: _kept(Record(2, submissions)) for name, submissions in records.items()}


def _kept(record: Record) -> dict[str, Any]:
    skip_without_task_state_store()
    store = parts.StateStore()
    TaskStateStore(store, max_tries=2).write(record)  # type: ignore[arg-type]
    return {key: store.get(key) for key in store.texts}


def trigger() -> Samples:
    """Return what Airflow stores of a deferred task: the trigger's class and arguments, and the method that resumes."""
    times: dict[str, Any] = {"poll_interval": 5.0, "max_poll_interval": 30.0, "end_time": TAKEN_AT + 3600}
    generate = RunComfyRequestTrigger(
        request_id=ID, runcomfy_conn_id="team_account", cancel_on_kill=True, submitted_at=TAKEN_AT, **times
    )
    sensor = RunComfyRequestTrigger(request_id=[ID, OTHER_ID], runcomfy_conn_id="team_account", **times)
    return {
        name: {"classpath": classpath, "kwargs": kwargs, "next_method": "execute_complete"}
        for name, (classpath, kwargs) in {"generate": generate.serialize(), "sensor": sensor.serialize()}.items()
    }


def event() -> Samples:
    """Return the events that a trigger sends, of every end."""
    endings = {
        End.SUCCEEDED: Ending(End.SUCCEEDED, _RESULT, "", TAKEN_AT + 7.5),
        End.FAILED: Ending(End.FAILED, _FAILED, "out of memory", TAKEN_AT + 7.5),
    }
    events = {end.value: to_event({ID: endings.get(end, Ending(end, None, "why"))}) for end in End}
    return events | {"of two": to_event({ID: endings[End.SUCCEEDED], OTHER_ID: Ending(End.CANCELLED)})}


def result() -> Samples:
    """Return what a generate task and a sensor hand on."""
    return {"succeeded": _RESULT.as_dict(PRO), "of a model that is not known": _RESULT.as_dict(None)}


def progress() -> Samples:
    """Return the XCom that tells where requests stand, under its key."""
    waiting = [RequestStatus(ID, RequestState.IN_QUEUE, 3), *(RequestStatus(ID, state) for state in RequestState)]
    ti = parts.TaskInstance()
    # Each is told at once: it comes long after the one before.
    clock = count(step=100.0).__next__
    news = ProgressOnWorker(parts.context_of(ti, None), parts.Log(), clock)  # type: ignore[arg-type]
    pushed = {}
    for status in waiting:
        news.note(status)
        pushed[f"{status.state.value}, {status.queue_position}"] = dict(ti.xcoms)
    endings = {ID: Ending(End.FAILED, _FAILED, "out of memory", TAKEN_AT + 7.5), OTHER_ID: Ending(End.CANCELLED)}
    tell_ends(endings, parts.context_of(ti, None), parts.Log())  # type: ignore[arg-type]
    pushed["at the end"] = dict(ti.xcoms)
    return {
        name: {key: [entry | {"at": AT} for entry in entries] for key, entries in xcoms.items()}
        for name, xcoms in pushed.items()
    }


def manifest() -> Samples:
    """Return what a transfer hands on."""
    files = files_of(ID, _MEDIA, "{request_id}/{index}.{ext}", PRO)
    return {"of three": [file.manifest_line(f"s3://videos/{file.key}", 4711, "video/mp4", "0" * 64) for file in files]}


def object_metadata() -> Samples:
    """Return what objects on S3 and GCS tell of themselves."""
    files = files_of(ID, _MEDIA, "{request_id}/{index}.{ext}", PRO)
    return {str(file.index): file.metadata(4711) | {SHA256: "0" * 64} for file in files}


def copies() -> Samples:
    """Return what a transfer keeps of its copies, under its keys: one made, another one begun."""
    one, two, _ = files_of(ID, _MEDIA, "{request_id}/{index}.{ext}", PRO)
    with TemporaryDirectory() as folder:
        store = StateStore(Path(folder))
        record = CopyRecord(store, [ID])  # type: ignore[arg-type]
        record.earlier_requests()
        record.finish(one, one.manifest_line(f"s3://videos/{one.key}", 4711, "video/mp4", "0" * 64), '"an-etag"')
        record.begin(ID, Unfinished(f"s3://videos/{two.key}", two.key, "an-upload-id"))
        return {"one of three": store.values}


def costs() -> Samples:
    """Return what a sensor keeps, under its key: the requests whose cost it has told."""
    store = parts.StateStore()
    context = parts.context_of(parts.TaskInstance(), store)
    note_costs_once(context, given_requests(ID), {ID: Ending(End.SUCCEEDED, _RESULT)}, parts.Log())  # type: ignore[arg-type]
    return {"told": {key: store.get(key) for key in store.texts}}


WRITERS: dict[str, Callable[[], Samples]] = {
    "record": record,
    "trigger": trigger,
    "event": event,
    "result": result,
    "progress": progress,
    "manifest": manifest,
    "object_metadata": object_metadata,
    "copies": copies,
    "costs": costs,
}
