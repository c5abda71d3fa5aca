"""A bucket of Google Cloud Storage, on the emulator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_runcomfy.transfers.runcomfy_to_gcs import RunComfyToGCSOperator
from tests.transfers.cutter import Cutter

if TYPE_CHECKING:
    # Needs Google's packages, which are not in every environment.
    from dev.gcs import GCS


class GCSTarget:
    """What is under a prefix of the bucket."""

    keeps_metadata = True
    notes_what_it_begins = False
    drops_what_is_left = True
    refusal = r"403 .*storage.objects.create.*'google_cloud_default'.*storage.objects.create and storage.objects.get"
    absence = r"404 The specified bucket does not exist.*Create the bucket or correct `bucket_name`"

    def __init__(self, gcs: GCS, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._gcs = gcs
        self.name = gcs.bucket
        self.prefix = f"clips/{name}/"
        self.client = gcs.client()
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", gcs.connection())
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.endpoint)

    def operator(self, key: str = "{request_id}/{index}.{ext}", **given: Any) -> RunComfyToGCSOperator:
        # Without it the client would go to Google.
        assert os.environ["STORAGE_EMULATOR_HOST"].startswith("http://127.0.0.1:")
        parameters = {"request_id": "r-1", "bucket_name": self.name, **given}
        return RunComfyToGCSOperator(task_id="copy", object_name=self.prefix + key, **parameters)

    def uri(self, key: str) -> str:
        return f"gs://{self.name}/{self.prefix}{key}"

    def keys(self) -> list[str]:
        return [blob.name.removeprefix(self.prefix) for blob in self.client.list_blobs(self.name, prefix=self.prefix)]

    def leftovers(self) -> list[str]:
        """Return the keys of the uploads of which something has come, but not the end."""
        found = self._gcs.unfinished()
        return sorted({name.removeprefix(self.prefix) for name in found if name.startswith(self.prefix)})

    def places(self) -> list[str]:
        return [bucket.name for bucket in self.client.list_buckets()]

    def body(self, key: str) -> bytes:
        body: bytes = self._blob(key).download_as_bytes()
        return body

    def metadata(self, key: str) -> dict[str, str]:
        blob = self._blob(key)
        blob.reload()
        return dict(blob.metadata or {})

    def put(self, key: str, body: bytes, metadata: dict[str, str] | None = None) -> None:
        blob = self._blob(key)
        blob.metadata = metadata
        blob.upload_from_string(body)

    def remove(self, key: str) -> None:
        self._blob(key).delete()

    def _blob(self, key: str) -> Any:
        return self.client.bucket(self.name).blob(self.prefix + key)

    @contextmanager
    def refusing(self) -> Iterator[dict[str, Any]]:
        with self._gcs.allowing("get", "list"):
            yield {}

    @contextmanager
    def missing(self) -> Iterator[dict[str, Any]]:
        yield {"bucket_name": "films"}

    @contextmanager
    def breaking(self, after: int) -> Iterator[dict[str, Any]]:
        with self._over(Cutter(after, self._gcs.endpoint)) as given:
            yield given

    @contextmanager
    def failing_parts(self, after: int) -> Iterator[dict[str, Any]]:
        with self._over(Cutter(after, self._gcs.endpoint, longest=100_000)) as given:
            yield given

    @contextmanager
    def _over(self, cutter: Cutter) -> Iterator[dict[str, Any]]:
        with cutter, pytest.MonkeyPatch.context() as patch, impatient(patch):
            patch.setenv("STORAGE_EMULATOR_HOST", cutter.endpoint)
            yield {}
            assert cutter.is_cut


@contextmanager
def impatient(patch: pytest.MonkeyPatch, seconds: float = 0.5) -> Iterator[None]:
    """Let the client send again what fails soon, and for ``seconds`` only."""
    from airflow_provider_runcomfy.transfers import gcs_store

    patch.setattr(gcs_store, "_RETRY", gcs_store._RETRY.with_delay(initial=0.01, maximum=0.1).with_timeout(seconds))
    yield
