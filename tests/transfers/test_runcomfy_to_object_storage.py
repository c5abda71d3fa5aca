"""What only folders, Azure and fsspec's other stores have; what all stores have in common is in test_every_store.py."""

from __future__ import annotations

import errno
import gc
import os
import stat
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.exceptions import InvalidInputsError, RunComfyDownloadError
from airflow_provider_runcomfy.transfers.destination import open_destination
from airflow_provider_runcomfy.transfers.local_store import LocalStore
from airflow_provider_runcomfy.transfers.runcomfy_to_object_storage import RunComfyToObjectStorageOperator
from airflow_provider_runcomfy.transfers.storage_errors import is_permanent, said
from airflow_provider_runcomfy.transfers.store import StorageRefusedError
from tests.transfers.conftest import RunComfy, name_of
from tests.transfers.file_server import File, Halt, clip
from tests.transfers.targets.local import LocalTarget

MIB = 1024 * 1024
BODY = clip(3 * MIB)
LARGE = clip(20 * MIB)
KEY = "r-1/0.mp4"
CUT = File(BODY, announced=4 * MIB)
HAS_AZURE = find_spec("adlfs") is not None
UNFINISHED = f".runcomfy-{'0123456789abcdef' * 2}.part"

# All that a folder's or an object's name may have that means something elsewhere.
ODD = "a b%20c/]x{y}~;&=+,@$!'\"()é\u0301雪:|^`/"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalTarget:
    return LocalTarget(tmp_path, monkeypatch)


class MemoryTarget:
    """A folder in fsspec's own memory: a store that shows a file while it grows."""

    def __init__(self, name: str) -> None:
        self.fs = MemoryFileSystem()
        self.name = name
        self.fs.makedirs(name)
        for conn_id in (None, "theirs"):
            attach("memory", conn_id, fs=self.fs)

    def operator(self, key: str = "{request_id}/{index}.{ext}", **given: Any) -> RunComfyToObjectStorageOperator:
        parameters = {"request_id": "r-1", "destination": self.uri(key), **given}
        return RunComfyToObjectStorageOperator(task_id="copy", **parameters)

    def uri(self, key: str) -> str:
        return f"memory://{self.name}/{key}"

    def files(self) -> list[str]:
        return sorted(path.removeprefix(f"/{self.name}/") for path in self.fs.find(self.name))

    def body(self, key: str) -> bytes:
        body: bytes = self.fs.cat_file(f"{self.name}/{key}")
        return body

    def put(self, key: str, body: bytes) -> None:
        self.fs.pipe_file(f"{self.name}/{key}", body)


@pytest.fixture
def memory(request: pytest.FixtureRequest) -> MemoryTarget:
    return MemoryTarget(name_of(request))


@contextmanager
def copying(runcomfy: RunComfy, target: Any) -> Iterator[None]:
    """Let a copy be in the middle of its file while the block runs, and be done after it."""
    halt = Halt(at=15 * MIB)
    runcomfy.has("r-1", File(LARGE, halt=halt))
    with ThreadPoolExecutor(1) as worker:
        under_way = worker.submit(target.operator().execute, {})
        try:
            assert halt.reached.wait(30)
            yield
        finally:
            halt.go_on.set()
        under_way.result()


class TestDestinations:
    @pytest.mark.parametrize(
        ("destination", "root", "template"),
        [
            ("file:///mnt/clips/{request_id}/{index}.{ext}", "file:///mnt/clips/", "{request_id}/{index}.{ext}"),
            ("file:///mnt/clips/of-{kind}/{index}", "file:///mnt/clips/", "of-{kind}/{index}"),
            ("file:///mnt/clips/{other}/{index}", "file:///mnt/clips/", "{other}/{index}"),
            ("file:///{request_id}", "file:///", "{request_id}"),
            ("file:///mnt/clips/a.mp4", "file:///mnt/clips/", "a.mp4"),
            ("FILE:///mnt/a b%20c/{index}", "file:///mnt/a b%20c/", "{index}"),
            ("local:///mnt/clips/{index}", "file:///mnt/clips/", "{index}"),
            ("memory://place/{index}", "memory://place/", "{index}"),
            ("memory://theirs@place/sub/{index}", "memory://place/sub/", "{index}"),
        ],
    )
    @pytest.mark.usefixtures("memory")
    def test_what_stands_before_the_first_brace_is_the_place(self, destination: str, root: str, template: str) -> None:
        store, found = open_destination(destination, None)
        assert (store.uri("0"), found) == (root + "0", template)

    @pytest.mark.parametrize(
        ("destination", "conn_id", "why"),
        [
            ("", None, "has to begin as"),
            ("/mnt/clips/{index}", None, "has to begin as"),
            ("clips/{index}", None, "has to begin as"),
            ("file://clips/{index}", None, "named from the top"),
            ("file:////mnt/{index}", None, "may be empty"),
            ("file:///mnt/../etc/{index}", None, "may be empty"),
            ("file:///mnt/./{index}", None, "may be empty"),
            ("abfs://{request_id}/{index}", None, "the container has to be named"),
            ("abfs://of-{kind}/{index}", None, "the container has to be named"),
            ("abfs:///clips/{index}", None, "may be empty"),
            ("abfs://container//{index}", None, "may be empty"),
            ("abfs://container/what?/{index}", None, "may hold no"),
            ("abfs://container/{index}#1", None, "may hold no"),
            ("simplecache::abfs://container/{index}", None, "has to begin as"),
            ("abfs://container/a::b/{index}", None, "may hold no"),
            ("abfs://container/*/{index}", None, "may hold no"),
            ("abfs://container/[x]/{index}", None, "may hold no"),
            ("file:///mnt/a\tb/{index}", None, "may hold no"),
            ("abfs://one@container/{index}", "two", "names the connection 'one', and `conn_id` is 'two'"),
            ("abfs://@container/{index}", None, "taken for a connection"),
            ("abfss://container@account.dfs.core.windows.net/clips/{index}", None, "taken for a connection"),
        ],
    )
    def test_what_cannot_be_one_is_refused(self, destination: str, conn_id: str | None, why: str) -> None:
        with pytest.raises(InvalidInputsError, match=why) as told:
            open_destination(destination, conn_id)
        assert str(told.value).endswith("Nothing was copied.")

    @pytest.mark.parametrize(
        ("destination", "conn_id", "advice"),
        [
            pytest.param(
                "abfs://container/{index}",
                None,
                "Install apache-airflow-providers-microsoft-azure",
                marks=pytest.mark.skipif(HAS_AZURE, reason="it is installed"),
            ),
            ("s3://bucket/{index}", None, r"Install apache-airflow-providers-amazon\[s3fs\]"),
            ("nope://place/{index}", None, "Check `destination`"),
            pytest.param(
                "abfs://container/{index}",
                "nobody",
                "`nobody` isn't defined.*Check `destination`, and the connection 'nobody'",
                marks=pytest.mark.skipif(not HAS_AZURE, reason="needs adlfs"),
            ),
        ],
        ids=["no Azure provider", "no s3fs", "no such scheme", "no such connection"],
    )
    def test_a_store_that_cannot_be_opened_is_refused(self, destination: str, conn_id: str | None, advice: str) -> None:
        with pytest.raises(StorageRefusedError, match=advice):
            open_destination(destination, conn_id)

    @given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/{}\\*?[#"), min_size=1))
    def test_a_uri_is_opened_as_what_was_written(self, name: str) -> None:
        if name in (".", "..") or "::" in name:
            return
        attach("memory", fs=MemoryFileSystem())
        store, _ = open_destination(f"memory://place/{name}/{{index}}", None)
        assert ObjectStoragePath(store.uri("0")).path == f"/place/{name}/0"
        folders, _ = open_destination(f"file:///place/{name}/{{index}}", None)
        assert ObjectStoragePath(folders.uri("0")).path == f"/place/{name}/0"


@pytest.fixture(
    params=["folder", "memory", pytest.param("azure", marks=pytest.mark.skipif(not HAS_AZURE, reason="needs adlfs"))]
)
def any_target(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
def azure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("adlfs")
    from tests.transfers.targets.azure import AzureTarget

    return AzureTarget(request.getfixturevalue("azurite_server"), name_of(request), monkeypatch)


@pytest.mark.slow
class TestUris:
    def test_objectstoragepath_opens_what_the_manifest_names(self, runcomfy: RunComfy, any_target: Any) -> None:
        runcomfy.has("r-1", File(BODY))
        operator = any_target.operator(ODD + "{request_id}.{ext}")
        if isinstance(any_target, LocalTarget):
            (any_target.root / ODD.partition("{")[0]).parent.mkdir(parents=True)
        elif isinstance(any_target, MemoryTarget):
            any_target.fs.makedirs(f"{any_target.name}/{ODD.partition('/')[0]}")
        first = operator.execute({})
        assert [line["uri"] for line in first] == [any_target.uri(f"{ODD}r-1.mp4")]
        assert ObjectStoragePath(first[0]["uri"], conn_id=operator.conn_id).read_bytes() == BODY
        assert operator.execute({}) == first

    @pytest.mark.parametrize("conn_id", [None, "theirs", ""])
    def test_a_connection_in_the_destination_is_not_in_the_manifest(
        self, runcomfy: RunComfy, memory: MemoryTarget, conn_id: str | None
    ) -> None:
        runcomfy.has("r-1", File(BODY))
        destination = f"memory://theirs@{memory.name}/{{index}}.{{ext}}"
        (line,) = memory.operator(destination=destination, conn_id=conn_id).execute({})
        assert line["uri"] == memory.uri("0.mp4")
        assert ObjectStoragePath(line["uri"], conn_id="theirs").read_bytes() == BODY


@pytest.mark.slow
class TestFolders:
    def test_a_file_has_another_name_beside_its_own_until_it_is_whole(
        self, runcomfy: RunComfy, folder: LocalTarget
    ) -> None:
        with copying(runcomfy, folder):
            found = (folder.keys(), [len(rest) for rest in folder.leftovers()])
        assert found == ([], [len(f"r-1/{UNFINISHED}")])
        assert (folder.keys(), folder.leftovers()) == ([KEY], [])

    def test_a_file_gets_the_rights_that_any_new_file_gets(self, runcomfy: RunComfy, folder: LocalTarget) -> None:
        runcomfy.has("r-1", File(BODY))
        folder.operator().execute({})
        folder.put("another", b"")
        modes = [stat.S_IMODE((folder.root / key).stat().st_mode) for key in (KEY, "another")]
        assert modes[0] == modes[1]
        assert (folder.root / KEY).stat().st_nlink == 1

    def test_only_folders_that_were_made_for_it_go_with_a_failed_file(
        self, runcomfy: RunComfy, folder: LocalTarget
    ) -> None:
        runcomfy.has("r-1", CUT)
        (folder.root / "r-1").mkdir()
        with pytest.raises(RunComfyDownloadError):
            folder.operator("{request_id}/a/b/{index}").execute({})
        assert folder.leftovers() == ["r-1/"]

    def test_a_share_that_is_not_mounted_is_not_made_up_for(self, runcomfy: RunComfy, folder: LocalTarget) -> None:
        runcomfy.has("r-1", File(BODY))
        with pytest.raises(StorageRefusedError, match=f"Mount or create {folder.root}/share on every worker"):
            folder.operator("share/{request_id}.{ext}").execute({})
        assert folder.leftovers() == []

    @pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
    def test_without_hard_links_a_file_is_renamed_if_its_name_is_free(
        self, runcomfy: RunComfy, folder: LocalTarget, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        def link(*_: object, **__: object) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "link", link)
        runcomfy.has("r-1", File(BODY), File(BODY, before=lambda file, answer: folder.put("r-1/1.mp4", b"theirs")))
        with pytest.raises(StorageRefusedError, match=r"r-1/1\.mp4 is already there"):
            folder.operator().execute({})
        assert (folder.body(KEY), folder.body("r-1/1.mp4"), folder.leftovers()) == (BODY, b"theirs", [])

    @pytest.mark.parametrize(
        ("there", "what"),
        [("r-1/0.mp4/", "it is there, but it is no file"), ("r-1", "Not a directory")],
        ids=["a folder in its place", "a file in the place of its folder"],
    )
    def test_what_stands_in_the_way_stays_there(
        self, runcomfy: RunComfy, folder: LocalTarget, there: str, what: str
    ) -> None:
        runcomfy.has("r-1", File(BODY))
        folder.put(f"{there}x" if there.endswith("/") else there, b"theirs")
        before = folder.keys()
        with pytest.raises(StorageRefusedError, match=f"{what}.*remove what stands in the way"):
            folder.operator(replace=True).execute({})
        assert (folder.keys(), folder.leftovers()) == (before, [])

    def test_a_name_that_is_too_long_is_refused(self, runcomfy: RunComfy, folder: LocalTarget) -> None:
        runcomfy.has("r-1", File(BODY))
        with pytest.raises(StorageRefusedError, match="File name too long"):
            folder.operator("x" * 256 + "{index}").execute({})


class TestDiscarding:
    @pytest.fixture
    def store(self, folder: LocalTarget) -> LocalStore:
        for key in (f"a/b/{UNFINISHED}", f"a/{UNFINISHED}", UNFINISHED, "a/b/theirs.part"):
            folder.put(key, b"...")
        (folder.root / "a/b/c").mkdir()
        return LocalStore(f"{folder.root}/")

    def test_the_rest_goes_and_the_folders_made_for_it(self, folder: LocalTarget) -> None:
        folder.put(f"theirs/a/b/{UNFINISHED}", b"...")
        LocalStore(f"{folder.root}/").discard("theirs/a/b/0.mp4", f"2/{UNFINISHED}")
        assert folder.leftovers() == ["theirs/"]

    def test_no_folder_goes_that_has_something_in_it_nor_the_root(self, folder: LocalTarget) -> None:
        folder.put(f"a/b/{UNFINISHED}", b"...")
        store = LocalStore(f"{folder.root}/")
        store.discard("a/b/0.mp4", f"999/{UNFINISHED}")
        store.discard("a/b/0.mp4", f"999/{UNFINISHED}")
        assert (folder.root.exists(), list(folder.root.iterdir())) == (True, [])

    @pytest.mark.parametrize(
        "token",
        [
            "",
            "0/theirs.part",
            UNFINISHED,
            f"0/../{UNFINISHED}",
            f"0/c/../{UNFINISHED}",
            f"-1/{UNFINISHED}",
            f"0/{UNFINISHED}\n",
            f"0/{UNFINISHED}x",
            f"0/x{UNFINISHED}",
            f"0/{UNFINISHED.upper()}",
            "0//etc/hostname",
        ],
    )
    def test_nothing_goes_that_does_not_bear_our_name(self, store: LocalStore, folder: LocalTarget, token: str) -> None:
        before = (folder.keys(), folder.leftovers())
        store.discard("a/b/0.mp4", token)
        assert (folder.keys(), folder.leftovers()) == before

    def test_a_link_that_bears_our_name_is_not_followed(self, folder: LocalTarget) -> None:
        folder.put("theirs", b"theirs")
        (folder.root / UNFINISHED).symlink_to(folder.root / "theirs")
        LocalStore(f"{folder.root}/").discard("0.mp4", f"0/{UNFINISHED}")
        assert (folder.body("theirs"), (folder.root / UNFINISHED).is_symlink()) == (b"theirs", True)


@pytest.mark.slow
class TestStoresThatShowFilesWhileTheyGrow:
    def test_a_file_has_another_name_beside_its_own_until_it_is_whole(
        self, runcomfy: RunComfy, memory: MemoryTarget
    ) -> None:
        with copying(runcomfy, memory):
            found = [len(key) for key in memory.files()]
        assert found == [len(f"r-1/{UNFINISHED}")]
        assert (memory.files(), memory.body(KEY)) == ([KEY], LARGE)

    def test_a_failed_download_leaves_nothing(self, runcomfy: RunComfy, memory: MemoryTarget) -> None:
        runcomfy.has("r-1", CUT)
        with pytest.raises(RunComfyDownloadError):
            memory.operator().execute({})
        assert memory.files() == []

    @pytest.mark.parametrize(("replace", "left"), [(False, b"theirs"), (True, BODY)])
    def test_another_file_is_replaced_only_if_that_is_asked_for(
        self, runcomfy: RunComfy, memory: MemoryTarget, replace: bool, left: bytes
    ) -> None:
        runcomfy.has("r-1", File(BODY, before=lambda file, answer: memory.put(KEY, b"theirs")))
        operator = memory.operator(replace=replace)
        if replace:
            operator.execute({})
        else:
            with pytest.raises(StorageRefusedError, match="not a whole copy of this file"):
                operator.execute({})
        assert (memory.files(), memory.body(KEY)) == ([KEY], left)

    def test_a_missing_folder_is_refused(self, runcomfy: RunComfy, memory: MemoryTarget) -> None:
        runcomfy.has("r-1", File(BODY))
        with pytest.raises(StorageRefusedError, match="no such folder"):
            memory.operator("missing/{index}").execute({})
        assert memory.files() == []

    @pytest.mark.parametrize(
        ("token", "left"), [(UNFINISHED, ["r-1/theirs"]), ("theirs", ["r-1/" + UNFINISHED, "r-1/theirs"])]
    )
    def test_what_is_discarded_bears_our_name(self, memory: MemoryTarget, token: str, left: list[str]) -> None:
        memory.put(f"r-1/{UNFINISHED}", b"...")
        memory.put("r-1/theirs", b"theirs")
        store, _ = open_destination(memory.uri("{index}"), None)
        # Twice: a killed discard is repeated.
        store.discard(KEY, token)
        store.discard(KEY, token)
        assert memory.files() == left


@pytest.mark.slow
class TestAzure:
    def test_a_blob_has_the_type_that_the_file_has_whatever_its_name(self, runcomfy: RunComfy, azure: Any) -> None:
        runcomfy.has("r-1", File(BODY))
        azure.operator("{request_id}.bin").execute({})
        properties = azure.client.get_blob_client(azure.prefix + "r-1.bin").get_blob_properties()
        assert properties.content_settings.content_type == "video/mp4"

    def test_nobody_sees_the_blocks_of_a_failed_copy_and_the_next_one_drops_them(
        self, runcomfy: RunComfy, azure: Any
    ) -> None:
        runcomfy.has("r-1", File(LARGE, announced=21 * MIB))
        with pytest.raises(RunComfyDownloadError):
            azure.operator().execute({})
        # adlfs's file would complete itself here.
        gc.collect()
        assert (azure.keys(), azure.uncommitted()) == ([], [KEY])
        runcomfy.has("r-1", File(LARGE))
        azure.operator().execute({})
        blocks = azure.client.get_blob_client(azure.prefix + KEY).get_block_list("all")
        assert [[block.size // MIB for block in kind] for kind in blocks] == [[8, 8, 4], []]
        assert azure.body(KEY) == LARGE

    @pytest.mark.parametrize(("files", "block"), [(1, 8), (2, 4), (4, 2), (6, 2)])
    def test_the_files_that_are_copied_at_once_share_the_memory(
        self, runcomfy: RunComfy, azure: Any, files: int, block: int
    ) -> None:
        body = clip(16 * MIB)
        runcomfy.has("r-1", *(File(body) for _ in range(files)))
        tracemalloc.start()
        try:
            azure.operator().execute({})
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 30 * MIB
        committed, _ = azure.client.get_blob_client(azure.prefix + KEY).get_block_list("committed")
        assert {each.size // MIB for each in committed} == {block}

    def test_a_signature_is_not_shown(self, runcomfy: RunComfy, azure: Any, caplog: pytest.LogCaptureFixture) -> None:
        runcomfy.has("r-1", File(BODY))
        with azure.refusing() as given, pytest.raises(StorageRefusedError) as told:
            azure.operator(**given).execute({})
        signature = azure.azurite.signature.rpartition("sig=")[2]
        assert "sig=" not in str(told.value) + caplog.text
        assert signature[:20] not in str(told.value) + caplog.text

    def test_no_call_is_logged(self, runcomfy: RunComfy, azure: Any, caplog: pytest.LogCaptureFixture) -> None:
        runcomfy.has("r-1", File(BODY))
        caplog.set_level("INFO")
        azure.operator().execute({})
        assert [record.name for record in caplog.records if record.name.startswith("azure.core")] == []


class _AzureError(Exception):
    def __init__(self, status_code: int) -> None:
        super().__init__("Nothing.")
        self.status_code = status_code


def _raised_from(cause: Exception) -> Exception:
    error = RuntimeError(f"Failed to upload block: {cause}!")
    error.__cause__ = cause
    return error


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "is_for_good"),
        [
            (PermissionError(errno.EACCES, "no"), True),
            (PermissionError("no"), True),
            (FileNotFoundError("gone"), True),
            (OSError(errno.EROFS, "read-only"), True),
            (OSError(errno.ENOSPC, "full"), False),
            (OSError(errno.EDQUOT, "full"), False),
            (OSError(errno.EFBIG, "large"), False),
            (OSError(errno.EIO, "broken"), False),
            (OSError(errno.ESTALE, "stale"), False),
            (OSError(errno.ETIMEDOUT, "slow"), False),
            (ConnectionResetError(), False),
            (TimeoutError(), False),
            (OSError("Forbidden: bucket/key\nno"), True),
            (_AzureError(401), True),
            (_AzureError(403), True),
            (_AzureError(404), True),
            (_AzureError(409), False),
            (_AzureError(429), False),
            (_AzureError(503), False),
            (_raised_from(_AzureError(403)), True),
            (_raised_from(_AzureError(500)), False),
            (_raised_from(ConnectionResetError()), False),
            (ValueError("Connection string is either blank or malformed."), True),
            (ImportError("no s3fs"), True),
            (RuntimeError("?"), False),
        ],
        ids=repr,
    )
    def test_what_would_happen_again_is_not_retried(self, error: Exception, is_for_good: bool) -> None:
        assert is_permanent(error) is is_for_good

    @pytest.mark.parametrize(
        ("message", "shown"),
        [
            ("No such\n  container.", "No such container."),
            ("", "ValueError."),
            ("x" * 1000, "x" * 500 + "."),
            ("https://a.blob/c/k?sv=1&sig=S3CRET failed", "https://a.blob/c/k?*** failed."),
            ("AccountName=a;AccountKey=S3CRET==;End", "AccountName=a;AccountKey=***;End."),
            ("SharedAccessSignature=sv=1&sig=S3CRET", "SharedAccessSignature=sv=1&sig=***."),
            ("client_secret=S3CRET, password=S3CRET", "client_secret=***, password=***."),
            ("Not here. RequestId:1 Content: <?xml version='1.0'?><Code>x</Code>", "Not here. RequestId:1."),
        ],
    )
    def test_what_the_store_says_has_one_line_and_no_secret(self, message: str, shown: str) -> None:
        assert said(ValueError(message)) == shown
