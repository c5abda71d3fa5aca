"""The example that copies to GCS, over a local one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from tests.airflow_db import states, xcom
from tests.dags.parts import RunDag
from tests.runcomfy import CONNECTION_VARIABLE, connection_to

pytest.importorskip("airflow.providers.google", reason="make test-stores has Google's packages")

if TYPE_CHECKING:
    from dev.gcs import GCS

pytestmark = pytest.mark.slow


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with running_sandbox(run_seconds=0) as running:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(running))
        yield running


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[GCS]:
    from dev.gcs import gcs

    with gcs() as running:
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", running.connection())
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.endpoint)
        yield running


def test_the_clip_is_in_the_bucket(sandbox: Sandbox, store: GCS, run_dag: RunDag) -> None:
    run = run_dag(import_module("example_dags.example_runcomfy_to_gcs").dag, run_conf={"bucket": store.bucket})

    assert states(run) == {"copy": "success", "generate": "success"}
    [request] = sandbox.requests()
    [line] = xcom(run, "copy")
    name = f"to-gcs/{request['request_id']}.mp4"
    assert line["uri"] == f"gs://{store.bucket}/{name}"
    bucket = store.client().bucket(store.bucket)
    assert [blob.name for blob in bucket.list_blobs()] == [name]
    content = bucket.blob(name).download_as_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (line["size"], line["sha256"])
