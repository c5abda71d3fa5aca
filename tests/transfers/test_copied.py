from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runcomfy.api.types import MediaFile, MediaKind
from airflow_provider_runcomfy.transfers.copied import Copies, CopyRecord, Unfinished
from airflow_provider_runcomfy.transfers.files import SourceFile, files_of
from tests.transfers.state_store import StateStore

MEDIA = [MediaFile("https://cdn.runcomfy.net/a.mov?sig=s3cret", MediaKind.VIDEO), MediaFile("u/b.png", MediaKind.IMAGE)]
FIRST, SECOND = files_of("r-1", MEDIA, "{request_id}/{index}.{ext}", None)
KEY = "runcomfy copy of r-1"


def line(file: SourceFile) -> dict[str, Any]:
    return file.manifest_line(f"s3://b/{file.key}", 7, "video/mp4", "abc")


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return StateStore(tmp_path)


def test_what_one_try_has_kept_the_next_one_knows(store: StateStore) -> None:
    record = CopyRecord(store)  # type: ignore[arg-type]
    record.finish(FIRST, line(FIRST), "v1")
    begun = Unfinished("s3://b/r-1/1.png", "r-1/1.png", "upload-1")
    record.begin("r-1", begun)
    assert store.values == {
        KEY: {
            "version": 1,
            "files": 2,
            "copied": {
                "0": {
                    "uri": "s3://b/r-1/0.mov",
                    "size": 7,
                    "content_type": "video/mp4",
                    "sha256": "abc",
                    "kind": "video",
                    "request_id": "r-1",
                    "source_url": "https://cdn.runcomfy.net/a.mov",
                    "version": "v1",
                }
            },
            "unfinished": [{"uri": "s3://b/r-1/1.png", "key": "r-1/1.png", "rest": "upload-1"}],
        }
    }
    assert CopyRecord(store).of("r-1") == record.of("r-1")  # type: ignore[arg-type]
    assert record.of("r-1").media == []

    record.finish(SECOND, line(SECOND), None, [begun])
    copies = CopyRecord(store).of("r-1")  # type: ignore[arg-type]
    assert copies.unfinished == []
    assert [file.key for file in files_of("r-1", copies.media, "{request_id}/{index}.{ext}", None)] == [
        FIRST.key,
        SECOND.key,
    ]


def test_a_try_knows_which_other_requests_may_have_left_something(store: StateStore) -> None:
    def begun(number: int) -> Unfinished:
        return Unfinished(f"s3://b/{number}", f"{number}", "upload")

    def record_of(*requests: str) -> CopyRecord:
        return CopyRecord(store, requests)  # type: ignore[arg-type]

    first = record_of("r-1", "r-2")
    assert first.earlier_requests() == []
    first.begin("r-1", begun(1))
    first.begin("r-2", begun(2))
    # Only what begins can leave anything: nothing is written before that.
    assert record_of("r-3").earlier_requests() == ["r-1", "r-2"]

    third = record_of("r-2", "r-3")
    assert third.earlier_requests() == ["r-1"]
    third.begin("r-3", begun(3))
    # Nobody could remove it.
    assert record_of("r-4").earlier_requests() == ["r-1", "r-2", "r-3"]

    fourth = record_of("r-4")
    for number in (1, 2, 3):
        fourth.earlier_requests()
        fourth.forget(f"r-{number}", [begun(number)])
    fourth.begin("r-4", begun(4))
    assert record_of("r-4").earlier_requests() == []
    store.values_written = 0
    fourth.begin("r-4", begun(5))
    assert store.values_written == 1


@pytest.mark.parametrize("edited", [None, "text", [], {"version": "2"}, {"version": 1, "requests": 7}])
def test_a_list_of_requests_that_a_person_has_made_unreadable_is_empty(store: StateStore, edited: Any) -> None:
    store.set("runcomfy copies", edited)
    assert CopyRecord(store).earlier_requests() == []  # type: ignore[arg-type]


def test_what_is_known_already_is_not_written_again(store: StateStore) -> None:
    record = CopyRecord(store)  # type: ignore[arg-type]
    record.finish(FIRST, line(FIRST), "v1")
    store.values_written = 0
    record.finish(FIRST, line(FIRST), "v1")
    record.forget("r-1", [Unfinished("s3://b/r-1/0.mov", "r-1/0.mov", "upload-2")])
    assert store.values_written == 0
    record.finish(FIRST, line(FIRST), "v2")
    assert store.values_written == 1


@pytest.mark.parametrize(
    "edited",
    [
        None,
        "text",
        [],
        {},
        {"version": 0, "files": 1},
        {"version": "2", "files": 1},
        {"version": 1, "files": "1", "copied": [], "unfinished": {}},
        {"version": 1, "unfinished": [7, {}, {"uri": "s3://b/../x", "key": "../x", "rest": "upload-1"}]},
        {"version": 1, "files": 1, "copied": {"0": {"uri": "s3://b/x"}}, "unfinished": [{"uri": "s3://b/x"}]},
        {"version": 1, "files": 1, "copied": {"zero": {**line(FIRST), "version": None}}},
        {"version": 1, "files": 1, "copied": {"0": {**line(FIRST), "kind": "text", "version": None}}},
        {"version": 1, "files": 1, "copied": {"0": {**line(FIRST), "size": "7", "version": None}}},
        {"version": 1, "files": 1, "copied": {"0": {**line(FIRST), "version": 5}}},
    ],
)
def test_what_a_person_has_made_unreadable_counts_as_nothing(edited: Any) -> None:
    copies = Copies.from_json(edited)
    assert (copies.copied, copies.unfinished, copies.media) == ({}, [], [])


class Broken:
    def get(self, key: str) -> Any:
        raise RuntimeError("the API server is away")

    def set(self, *given: Any, **more: Any) -> None:
        raise RuntimeError("the API server is away")


@pytest.mark.parametrize(
    ("accessor", "messages"),
    [
        pytest.param(None, 0, id="before Airflow 3.3"),
        # What could not be read is not written over either.
        pytest.param(Broken(), 1, id="a state store that is away"),
    ],
)
def test_without_a_store_copies_go_on(accessor: Any, messages: int, caplog: pytest.LogCaptureFixture) -> None:
    record = CopyRecord(accessor)
    record.begin("r-1", Unfinished("s3://b/r-1/0.mov", "r-1/0.mov", "upload-1"))
    record.finish(FIRST, line(FIRST), "v1")
    assert record.of("r-1").copied[0].line == line(FIRST)
    assert len(caplog.messages) == messages
    assert all("the API server is away" in message for message in caplog.messages)


def test_a_request_of_very_many_files_is_written_now_and_then_and_at_the_end(store: StateStore) -> None:
    media = [MediaFile(f"https://cdn.runcomfy.net/{index}.png", MediaKind.IMAGE) for index in range(99)]
    files = files_of("r-1", media, "{request_id}/{index}.{ext}", None)
    record = CopyRecord(store)  # type: ignore[arg-type]
    for file in files:
        record.finish(file, line(file), "v1")
    assert store.values_written == 20 + 3 + 1
    assert CopyRecord(store).of("r-1").media == media  # type: ignore[arg-type]
