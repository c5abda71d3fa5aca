from __future__ import annotations

from importlib.util import find_spec

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.exceptions import InvalidInputsError
from airflow_provider_runcomfy.transfers.destination import open_destination
from airflow_provider_runcomfy.transfers.store import StorageRefusedError
from tests.transfers.conftest import name_of
from tests.transfers.targets.memory import MemoryTarget

HAS_AZURE = find_spec("adlfs") is not None


@pytest.fixture
def memory(request: pytest.FixtureRequest) -> MemoryTarget:
    return MemoryTarget(name_of(request))


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
def test_what_stands_before_the_first_brace_is_the_place(destination: str, root: str, template: str) -> None:
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
def test_what_cannot_be_one_is_refused(destination: str, conn_id: str | None, why: str) -> None:
    with pytest.raises(InvalidInputsError, match=why) as told:
        open_destination(destination, conn_id)
    assert str(told.value).endswith("Nothing was copied.")


@pytest.mark.parametrize(
    ("destination", "conn_id", "advice"),
    [
        pytest.param(
            "abfs://container/{index}",
            None,
            r"Install 'airflow-provider-runcomfy\[azure\]' on the workers",
            marks=pytest.mark.skipif(HAS_AZURE, reason="it is installed"),
        ),
        ("s3://bucket/{index}", None, r"Install 'apache-airflow-providers-amazon\[s3fs\]' on the workers"),
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
def test_a_store_that_cannot_be_opened_is_refused(destination: str, conn_id: str | None, advice: str) -> None:
    with pytest.raises(StorageRefusedError, match=advice):
        open_destination(destination, conn_id)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/{}\\*?[#"), min_size=1))
def test_a_uri_is_opened_as_what_was_written(name: str) -> None:
    if name in (".", "..") or "::" in name:
        return
    attach("memory", fs=MemoryFileSystem())
    store, _ = open_destination(f"memory://place/{name}/{{index}}", None)
    assert ObjectStoragePath(store.uri("0")).path == f"/place/{name}/0"
    folders, _ = open_destination(f"file:///place/{name}/{{index}}", None)
    assert ObjectStoragePath(folders.uri("0")).path == f"/place/{name}/0"
