"""What only folders, Azure and fsspec's other stores have; what all stores have in common is in test_every_store.py."""

from __future__ import annotations

import gc
import tracemalloc
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_runcomfy.exceptions import RunComfyDownloadError
from airflow_provider_runcomfy.transfers.destination import open_destination
from airflow_provider_runcomfy.transfers.store import StorageRefusedError
from tests.transfers.conftest import RunComfy, name_of
from tests.transfers.copying import LARGE, copying
from tests.transfers.file_server import File, clip
from tests.transfers.targets.local import LocalTarget
from tests.transfers.targets.memory import MemoryTarget

MIB = 1024 * 1024
BODY = clip(3 * MIB)
KEY = "r-1/0.mp4"
CUT = File(BODY, announced=4 * MIB)
HAS_AZURE = find_spec("adlfs") is not None
UNFINISHED = f".runcomfy-{'0123456789abcdef' * 2}.part"

# All that a folder's or an object's name may have that means something elsewhere.
ODD = "a b%20c/]x{y}~;&=+,@$!'\"()é\u0301雪:|^`/"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalTarget:
    return LocalTarget(tmp_path, monkeypatch)


@pytest.fixture
def memory(request: pytest.FixtureRequest) -> MemoryTarget:
    return MemoryTarget(name_of(request))


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
        assert (azure.keys(), azure.leftovers()) == ([], [KEY])
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
        # What is imported for the first copy is none of it.
        runcomfy.has("r-0", File(BODY))
        azure.operator(request_id="r-0").execute({})
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
        assert "sig=" not in str(told.value) + caplog.text

    def test_no_call_is_logged(self, runcomfy: RunComfy, azure: Any, caplog: pytest.LogCaptureFixture) -> None:
        runcomfy.has("r-1", File(BODY))
        caplog.set_level("INFO")
        azure.operator().execute({})
        assert [record.name for record in caplog.records if record.name.startswith("azure.core")] == []
