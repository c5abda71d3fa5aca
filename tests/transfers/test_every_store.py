"""What a copy promises, over every store: what is visible, what is left behind, what the error says."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any

import pytest

from airflow_provider_runcomfy.exceptions import (
    DownloadRefusedError,
    FileGoneError,
    RequestNotAvailableError,
    RunComfyDownloadError,
    RunComfyFailError,
    UrlRefusedError,
)
from airflow_provider_runcomfy.transfers.source import CopyStoppedError
from airflow_provider_runcomfy.transfers.store import StorageFailedError, StorageRefusedError
from tests.transfers.conftest import RunComfy
from tests.transfers.file_server import File, Halt, clip
from tests.transfers.state_store import StateStore
from tests.transfers.targets.target import Target

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
SMALL = clip(300_000)
LARGE = clip(20 * MIB)
KEY = "r-1/0.mp4"

Manifest = list[dict[str, Any]]


def copy(target: Target, store: StateStore | None = None, **given: Any) -> Manifest:
    """Copy as a task instance does; one with a state store has tries before and after it."""
    return target.operator(**given).execute({"task_state_store": store} if store else {})  # type: ignore[typeddict-item]


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> StateStore:
    return StateStore(tmp_path_factory.mktemp("state"))


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def assert_nothing_is_left(target: Target) -> None:
    """What nobody sees, and only the store itself can remove, may be left of the files that failed."""
    left = target.leftovers()
    assert left == [] or (target.drops_what_is_left and set(left) <= {KEY, "r-1/1.mp4"})


def assert_nothing_is_there(target: Target) -> None:
    assert target.keys() == []
    assert_nothing_is_left(target)


@pytest.mark.parametrize("body", [SMALL, clip(5 * MIB), LARGE], ids=["small", "5 MiB", "20 MiB"])
def test_a_file_is_copied_and_the_manifest_says_which(runcomfy: RunComfy, target: Target, body: bytes) -> None:
    runcomfy.has("r-1", File(body), query="?signature=s3cret")
    source = f"{runcomfy.server.base}/r-1/a.mp4"
    result = {"request_id": "r-1", "model_id": "kling/x"}
    assert copy(target, request_id=result) == [
        {
            "uri": target.uri(KEY),
            "size": len(body),
            "content_type": "video/mp4",
            "sha256": sha256(body),
            "kind": "video",
            "request_id": "r-1",
            "source_url": source,
        }
    ]
    assert target.body(KEY) == body
    if target.keeps_metadata:
        assert target.metadata(KEY) == {
            "runcomfy-request-id": "r-1",
            "runcomfy-index": "0",
            "runcomfy-files": "1",
            "runcomfy-kind": "video",
            "runcomfy-size": str(len(body)),
            "runcomfy-source": source,
            "runcomfy-model-id": "kling/x",
            "runcomfy-sha256": sha256(body),
        }
    assert (target.keys(), target.leftovers()) == ([KEY], [])


def test_several_files_of_several_requests(runcomfy: RunComfy, target: Target) -> None:
    bodies = [clip(1000, seed) for seed in range(4)]
    runcomfy.has("r-1", File(bodies[0]), File(bodies[1]), names=("x.mp4", "y.WEBM"))
    runcomfy.has("r-2", File(bodies[2]), names=("no-extension",))
    runcomfy.has("r-3", File(bodies[3]), names=("odd%20name%2F..%2F..%2Fx.mp4",))
    manifest = copy(target, request_id=["r-1", [{"request_id": "r-2", "media": []}, "r-3"], "r-1"])
    assert [(line["uri"], line["sha256"]) for line in manifest] == [
        (target.uri(key), sha256(body))
        for key, body in zip([KEY, "r-1/1.webm", "r-2/0.mp4", "r-3/0.mp4"], bodies, strict=True)
    ]
    assert (target.keys(), target.leftovers()) == ([KEY, "r-1/1.webm", "r-2/0.mp4", "r-3/0.mp4"], [])


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "20 MiB"])
def test_a_name_with_odd_characters(runcomfy: RunComfy, target: Target, body: bytes, store: StateStore) -> None:
    runcomfy.has("r-1", File(body))
    key = "sc\u00e8ne 1+2 & 100% %41 {x}/{request_id}=~'(a).{ext}"
    (line,) = copy(target, store, key=key)
    name = "sc\u00e8ne 1+2 & 100% %41 {x}/r-1=~'(a).mp4"
    assert (line["uri"], target.keys()) == (target.uri(name), [name])
    assert sha256(target.body(name)) == line["sha256"] == sha256(body)
    assert copy(target, key=key) == [line]


def test_four_files_are_copied_at_once_and_no_more(runcomfy: RunComfy, target: Target) -> None:
    all_here, counting = threading.Barrier(4), threading.Lock()
    under_way, most = [0], [0]

    def begin(file: File, answer: int) -> None:
        with counting:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        all_here.wait(10)
        with counting:
            under_way[0] -= 1

    runcomfy.has("r-1", *(File(clip(7 * MIB, seed), before=begin) for seed in range(8)))
    manifest = copy(target)
    assert most == [4]
    assert [line["sha256"] for line in manifest] == [sha256(clip(7 * MIB, seed)) for seed in range(8)]
    assert [target.body(f"r-1/{index}.mp4") for index in range(8)] == [clip(7 * MIB, seed) for seed in range(8)]


BREAKS = {
    "resumed by Range": File(LARGE, cuts=[12 * MIB]),
    "resumed after a reset": File(LARGE, cuts=[12 * MIB], is_reset=True),
    "begun anew without Range": File(LARGE, ranges=False, cuts=[12 * MIB]),
    "without a told length": File(LARGE, chunked=True, cuts=[12 * MIB]),
}


@pytest.mark.parametrize("file", BREAKS.values(), ids=BREAKS)
def test_a_broken_download_is_whole_in_the_store(runcomfy: RunComfy, target: Target, file: File) -> None:
    runcomfy.has("r-1", deepcopy(file))
    (line,) = copy(target)
    assert line["sha256"] == sha256(LARGE) == sha256(target.body(KEY))
    assert len(runcomfy.file_requests()) == 2
    assert target.leftovers() == []


def _other_etag(file: File, answer: int) -> None:
    file.etag = f'"{answer}"'


FAILURES: dict[str, tuple[File, type[Exception], str]] = {
    "changed under way": (
        File(LARGE, cuts=[12 * MIB], before=_other_etag),
        RunComfyDownloadError,
        "no longer the same file",
    ),
    "shorter than announced": (File(LARGE, announced=21 * MIB), RunComfyDownloadError, "it ends after 20971520 bytes"),
    "an HTML page": (File(b"<html>", content_type="text/html"), RunComfyDownloadError, "text instead of a medium"),
    "empty": (File(b""), RunComfyDownloadError, "it is empty"),
    "announced as too large": (File(clip(23 * MIB)), DownloadRefusedError, "23068672 are allowed"),
    "too large unannounced": (File(clip(23 * MIB), chunked=True), DownloadRefusedError, "23068672 are allowed"),
    "gone": (File(statuses=[404]), FileGoneError, "no longer there"),
    "behind a URL that has expired": (File(statuses=[403, 403]), UrlRefusedError, "its URL has expired"),
    "redirected to another host": (
        File(redirect="https://elsewhere.example/a.mp4"),
        DownloadRefusedError,
        "elsewhere.example",
    ),
}


@pytest.fixture
def up_to_22_mib(runcomfy: RunComfy, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "runcomfy", "host": runcomfy.server.base, "password": runcomfy.token}
    extra = {"extra": {"max_download_bytes": 22 * MIB}}
    monkeypatch.setenv("AIRFLOW_CONN_RUNCOMFY_DEFAULT", json.dumps({**connection, **extra}))


@pytest.mark.usefixtures("up_to_22_mib")
@pytest.mark.parametrize(("file", "error", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failed_download_leaves_nothing_and_says_why(
    runcomfy: RunComfy, target: Target, file: File, error: type[Exception], message: str
) -> None:
    runcomfy.has("r-1", deepcopy(file), query="?signature=s3cret")
    with pytest.raises(error, match=message) as raised:
        copy(target)
    assert type(raised.value) is error
    assert "r-1" in str(raised.value)
    assert "paid for" in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert_nothing_is_there(target)


def test_one_lost_file_does_not_lose_the_others(runcomfy: RunComfy, target: Target) -> None:
    runcomfy.says("r-0", error_code=404001, error_message="no such request")
    runcomfy.has("r-1", File(statuses=[404]), File(SMALL), File(SMALL))
    runcomfy.has("r-2", File(SMALL))
    target.put("r-1/1.mp4", b"theirs")
    with pytest.raises(RunComfyFailError):
        copy(target, request_id=["r-0", "r-1", "r-2"])
    assert target.keys() == ["r-1/1.mp4", "r-1/2.mp4", "r-2/0.mp4"]
    assert target.body("r-1/1.mp4") == b"theirs"


class TestReruns:
    def test_a_further_try_asks_nobody_and_gives_the_same_manifest(
        self, runcomfy: RunComfy, target: Target, store: StateStore
    ) -> None:
        runcomfy.has("r-1", File(LARGE), File(SMALL, chunked=True))
        first = copy(target, store)
        runcomfy.server.asked.clear()
        assert copy(target, store) == first
        assert copy(target, store, replace=True) == first
        assert runcomfy.server.asked == []

    def test_another_task_gives_the_same_manifest_and_writes_nothing(self, runcomfy: RunComfy, target: Target) -> None:
        runcomfy.has("r-1", File(LARGE), File(SMALL, chunked=True))
        first = copy(target)
        runcomfy.server.asked.clear()
        with target.refusing() as given:
            assert copy(target, **given) == first
        assert len(runcomfy.file_requests()) == (0 if target.keeps_metadata else 2)

    def test_only_what_is_missing_is_copied(self, runcomfy: RunComfy, target: Target, store: StateStore) -> None:
        runcomfy.has("r-1", File(SMALL), File(LARGE), File(SMALL))
        first = copy(target, store)
        target.remove("r-1/1.mp4")
        runcomfy.server.asked.clear()
        assert copy(target, store) == first
        assert [asked.path for asked in runcomfy.server.asked if "/v1/" not in asked.path] == ["/r-1/b.mp4"]

    @pytest.mark.parametrize(
        ("file", "key"),
        [
            pytest.param(File(SMALL, content_type="video/quicktime"), "{request_id}.{ext}", id="another type"),
            pytest.param(File(SMALL), "{request_id}-{index}", id="a name without an extension"),
        ],
    )
    def test_the_type_in_the_manifest_is_the_files_own(
        self, runcomfy: RunComfy, target: Target, file: File, key: str
    ) -> None:
        runcomfy.has("r-1", deepcopy(file))
        first = copy(target, key=key)
        assert [line["content_type"] for line in first] == [file.content_type]
        assert copy(target, key=key) == first

    def test_after_the_request_has_expired_the_manifest_is_the_same(
        self, runcomfy: RunComfy, target: Target, store: StateStore
    ) -> None:
        runcomfy.has("r-1", File(LARGE), File(SMALL), names=("a.mov", "b.webm"))
        first = copy(target, store)
        expire(runcomfy, "r-1")
        assert copy(target, store) == first
        handed_on = {"request_id": "r-1", "media": [{"url": line["source_url"], "kind": "video"} for line in first]}
        rebuilt = copy(target, request_id=handed_on)
        assert [line["sha256"] for line in rebuilt] == [line["sha256"] for line in first]

    def test_without_any_record_it_is_rebuilt_from_what_the_objects_say(
        self, runcomfy: RunComfy, target: Target
    ) -> None:
        runcomfy.has("r-1", File(LARGE), File(SMALL), names=("a.mov", "+(b),~'x=@y!;$*&:_%20.webm"))
        first = copy(target)
        expire(runcomfy, "r-1")
        if target.keeps_metadata:
            assert copy(target) == first
            target.remove("r-1/1.webm")
        with pytest.raises(RequestNotAvailableError, match="r-1"):
            copy(target)

    def test_an_object_that_was_changed_is_not_taken_for_the_copy(
        self, runcomfy: RunComfy, target: Target, store: StateStore
    ) -> None:
        runcomfy.has("r-1", File(SMALL), query="?signature=s3cret")
        copy(target, store)
        target.put(KEY, clip(len(SMALL), seed=1))
        with pytest.raises(StorageRefusedError, match="not a whole copy of this file"):
            copy(target, store)
        (line,) = copy(target, store, replace=True)
        assert line["sha256"] == sha256(SMALL) == sha256(target.body(KEY))

    def test_an_object_that_was_changed_is_not_taken_for_the_copy_when_the_request_has_expired(
        self, runcomfy: RunComfy, target: Target, store: StateStore
    ) -> None:
        runcomfy.has("r-1", File(SMALL))
        copy(target, store)
        noted = store.values
        target.put(KEY, b"theirs")
        expire(runcomfy, "r-1")
        with pytest.raises(StorageRefusedError, match="not a whole copy of this file"):
            copy(target, store)
        assert (target.body(KEY), store.values) == (b"theirs", noted)

    @pytest.mark.usefixtures("up_to_22_mib")
    @pytest.mark.parametrize(
        ("file", "is_gone"),
        [
            pytest.param(File(statuses=[404]), True, id="gone"),
            pytest.param(File(statuses=[403, 403]), False, id="behind a URL that has expired"),
            pytest.param(File(clip(23 * MIB)), False, id="too large"),
            pytest.param(File(redirect="https://elsewhere.example/a.mp4"), False, id="redirected to another host"),
        ],
    )
    def test_an_object_of_which_nothing_is_known_is_taken_by_its_name_only_where_its_file_is_gone(
        self, runcomfy: RunComfy, target: Target, file: File, is_gone: bool
    ) -> None:
        runcomfy.has("r-1", deepcopy(file))
        target.put(KEY, b"whose?")
        if is_gone and not target.keeps_metadata:
            assert [line["sha256"] for line in copy(target)] == [sha256(b"whose?")]
        else:
            with pytest.raises(
                StorageRefusedError if target.keeps_metadata else (RunComfyFailError, RunComfyDownloadError)
            ):
                copy(target)
        assert target.body(KEY) == b"whose?"

    def test_a_file_that_is_gone_behind_a_url_that_is_signed_anew_each_time_is_gone(
        self, runcomfy: RunComfy, target: Target
    ) -> None:
        key = "{request_id}-{index}"
        runcomfy.has("r-1", File(SMALL))
        first = copy(target, key=key)
        runcomfy.has("r-1", File(statuses=[404] * 9), query="?signature=0")
        url = f"{runcomfy.server.base}/r-1/a.mp4"

        def sign(file: File, answer: int) -> None:
            output = {"videos": [f"{url}?signature={answer}"]}
            file.body = json.dumps({"request_id": "r-1", "status": "succeeded", "output": output}).encode()

        runcomfy.server.add("/v1/requests/r-1/result", File(content_type="application/json", before=sign))
        assert copy(target, key=key) == first
        target.remove("r-1-0")
        with pytest.raises(FileGoneError, match="no longer there"):
            copy(target, key=key)

    def test_another_object_is_left_alone_unless_replace(self, runcomfy: RunComfy, target: Target) -> None:
        runcomfy.has("r-1", File(LARGE))
        target.put(KEY, b"theirs")
        with pytest.raises(StorageRefusedError, match="not a whole copy of this file") as raised:
            copy(target)
        assert "r-1" in str(raised.value)
        assert "paid for" in str(raised.value)
        assert (target.body(KEY), target.leftovers()) == (b"theirs", [])
        (line,) = copy(target, replace=True)
        assert line["sha256"] == sha256(LARGE) == sha256(target.body(KEY))
        assert target.leftovers() == []

    @pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "20 MiB"])
    def test_an_object_that_appears_meanwhile_is_not_overwritten(
        self, runcomfy: RunComfy, target: Target, body: bytes
    ) -> None:
        runcomfy.has("r-1", File(body, before=lambda file, answer: target.put(KEY, b"theirs")))
        with pytest.raises(StorageRefusedError, match="not a whole copy of this file"):
            copy(target)
        assert target.body(KEY) == b"theirs"
        assert_nothing_is_left(target)

    def test_a_racing_copy_of_the_same_file_is_as_good_as_ours(self, runcomfy: RunComfy, target: Target) -> None:
        def race(file: File, answer: int) -> None:
            if answer == 1:
                copy(target)

        runcomfy.has("r-1", File(LARGE, before=race))
        (line,) = copy(target)
        assert line["sha256"] == sha256(LARGE) == sha256(target.body(KEY))
        assert_nothing_is_left(target)


def expire(runcomfy: RunComfy, request_id: str) -> None:
    """Let RunComfy have forgotten a request, and its files be gone."""
    runcomfy.server.files.clear()
    runcomfy.says(request_id, error_code=404001, error_message="expired")


class TestStorageTrouble:
    @pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "20 MiB"])
    def test_no_permission_is_not_retried(self, runcomfy: RunComfy, target: Target, body: bytes) -> None:
        runcomfy.has("r-1", File(body))
        with target.refusing() as given, pytest.raises(StorageRefusedError, match=f"(?s)r-1.*{target.refusal}") as told:
            copy(target, **given)
        assert "paid for" in str(told.value)
        assert_nothing_is_there(target)

    @pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "20 MiB"])
    def test_a_missing_bucket_is_not_retried(self, runcomfy: RunComfy, target: Target, body: bytes) -> None:
        runcomfy.has("r-1", File(body))
        with target.missing() as given:
            before = target.places()
            with pytest.raises(StorageRefusedError, match=f"(?s)r-1.*{target.absence}") as told:
                copy(target, **given)
            assert target.places() == before
        assert "paid for" in str(told.value)
        assert_nothing_is_there(target)

    def test_a_store_that_breaks_in_the_middle_is_retried_and_the_rest_is_not_downloaded(
        self, runcomfy: RunComfy, target: Target, store: StateStore
    ) -> None:
        file = File(clip(100 * MIB))
        runcomfy.has("r-1", file)
        with target.breaking(20 * MIB) as given, pytest.raises(StorageFailedError, match="r-1") as told:
            copy(target, store, **given)
        assert "paid for" in str(told.value)
        assert target.keys() == []
        # What cannot be removed while the store is away is noted, for the next try.
        if target.drops_what_is_left:
            assert_nothing_is_left(target)
        else:
            assert len(target.leftovers()) <= len(store.values["runcomfy copy of r-1"]["unfinished"])
        assert file.sent < 80 * MIB
        (line,) = copy(target, store)
        assert line["sha256"] == sha256(target.body(KEY))
        assert target.keys() == [KEY]
        assert_nothing_is_left(target)

    def test_a_part_that_fails_takes_all_of_its_file_with_it(
        self, runcomfy: RunComfy, target: Target, store: StateStore
    ) -> None:
        runcomfy.has("r-1", File(clip(40 * MIB)))
        with target.failing_parts(15 * MIB) as given, pytest.raises(StorageFailedError, match="r-1"):
            copy(target, store, **given)
        assert_nothing_is_there(target)
        (line,) = copy(target, store)
        assert line["sha256"] == sha256(target.body(KEY))


class TestKills:
    def test_what_a_killed_process_left_behind_is_gone_after_the_next_try(
        self, runcomfy: RunComfy, target: Target, store: StateStore
    ) -> None:
        halt = Halt(at=15 * MIB)
        runcomfy.has("r-1", File(LARGE, halt=halt))
        kill_in_the_middle(runcomfy, target, store, halt)
        assert target.keys() == []
        (line,) = copy(target, store)
        assert line["sha256"] == sha256(LARGE) == sha256(target.body(KEY))
        assert target.keys() == [KEY]
        assert_nothing_is_left(target)

    def test_what_a_killed_process_left_behind_is_gone_after_a_try_that_was_given_another_request(
        self, runcomfy: RunComfy, target: Target, store: StateStore
    ) -> None:
        halt = Halt(at=15 * MIB)
        runcomfy.has("r-1", File(LARGE, halt=halt))
        kill_in_the_middle(runcomfy, target, store, halt)
        runcomfy.has("r-2", File(SMALL))
        copy(target, store, request_id="r-2")
        assert target.keys() == ["r-2/0.mp4"]
        assert_nothing_is_left(target)

    def test_a_try_that_goes_on_beside_its_successor_does_no_harm(
        self, runcomfy: RunComfy, target: Target, store: StateStore
    ) -> None:
        halt = Halt(at=15 * MIB)
        runcomfy.has("r-1", File(LARGE, halt=halt))
        with ThreadPoolExecutor(1) as worker:
            zombie = worker.submit(copy, target, store)
            assert halt.reached.wait(30)
            runcomfy.server.files["/r-1/a.mp4"] = File(LARGE)
            (line,) = copy(target, store)
            halt.go_on.set()
            error = zombie.exception(30)
            # It finds the other's copy, or what it was writing is gone.
            assert zombie.result() == [line] if error is None else isinstance(error, StorageFailedError)
        assert line["sha256"] == sha256(LARGE) == sha256(target.body(KEY))
        assert target.keys() == [KEY]
        assert_nothing_is_left(target)

    def test_a_task_that_is_told_to_stop_before_the_server_has_answered_stops(
        self, runcomfy: RunComfy, target: Target
    ) -> None:
        asked, answered = threading.Event(), threading.Event()

        def wait(file: File, answer: int) -> None:
            asked.set()
            answered.wait(30)

        runcomfy.has("r-1", File(SMALL, before=wait))
        operator = target.operator()
        with ThreadPoolExecutor(1) as worker:
            copying = worker.submit(operator.execute, {})
            assert asked.wait(30)
            operator.on_kill()
            with pytest.raises(CopyStoppedError, match="killed"):
                copying.result(10)
            answered.set()
        assert_nothing_is_there(target)

    def test_a_task_that_is_told_to_stop_leaves_nothing_behind(self, runcomfy: RunComfy, target: Target) -> None:
        halts = [Halt(at=12 * MIB), Halt(at=100_000)]
        runcomfy.has("r-1", *(File(LARGE, halt=halt) for halt in halts))
        operator = target.operator()
        with ThreadPoolExecutor(1) as worker:
            copying = worker.submit(operator.execute, {})
            assert all(halt.reached.wait(30) for halt in halts)
            operator.on_kill()
            # The server still says nothing.
            with pytest.raises(CopyStoppedError, match="killed"):
                copying.result(10)
            for halt in halts:
                halt.go_on.set()
        assert_nothing_is_there(target)

    def test_a_time_out_of_the_task_leaves_nothing_behind(self, runcomfy: RunComfy, target: Target) -> None:
        halts = [Halt(at=12 * MIB), Halt(at=100_000)]
        runcomfy.has("r-1", *(File(LARGE, halt=halt) for halt in halts))
        with time_out(after=halts), pytest.raises(TaskTimeOutError):
            copy(target)
        assert_nothing_is_there(target)


def kill_in_the_middle(runcomfy: RunComfy, target: Target, store: StateStore, halt: Halt) -> None:
    """Let a process copy until its file has come to a halt, and kill it then."""
    # A fork, so that the connections and the store that this test has made are there, too.
    process = multiprocessing.get_context("fork").Process(target=copy, args=(target, store))
    process.start()
    assert halt.reached.wait(30)
    if target.notes_what_it_begins:
        wait_for(lambda: store.values["runcomfy copy of r-1"]["unfinished"])
    process.kill()
    process.join()
    assert process.exitcode == -9
    halt.go_on.set()


def wait_for(what: Callable[[], object]) -> None:
    """Wait for something in another process, which can set no event here."""
    deadline = time.monotonic() + 30
    while True:
        with suppress(KeyError):
            if what():
                return
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TaskTimeOutError(Exception):
    pass


@contextmanager
def time_out(after: list[Halt]) -> Iterator[None]:
    """Raise in the main thread, as Airflow's ``execution_timeout`` does, once all halts are reached."""

    def expire(*_: object) -> None:
        raise TaskTimeOutError

    def watch() -> None:
        if all(halt.reached.wait(30) for halt in after):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, expire)
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        watching.join()
        signal.signal(signal.SIGALRM, before)
        for halt in after:
            halt.go_on.set()
