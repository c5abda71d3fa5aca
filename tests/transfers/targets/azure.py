"""A folder in Azurite's container, through adlfs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from unittest.mock import patch

import pytest

from airflow_provider_runcomfy.transfers.runcomfy_to_object_storage import RunComfyToObjectStorageOperator
from dev.azurite import Azurite
from tests.transfers.cutter import Cutter

_BACKOFF = "azure.storage.blob._shared.policies_async.ExponentialRetry.get_backoff_time"
_numbers = count()


class AzureTarget:
    """What is under a prefix of the container; each connection has a name that no other test gives to another."""

    keeps_metadata = False
    notes_what_it_begins = False
    drops_what_is_left = True
    refusal = "not authorized to perform this operation"
    absence = "container does not exist"

    def __init__(self, azurite: Azurite, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.azurite = azurite
        self.prefix = f"{name}/"
        self.client = azurite.client()
        self._monkeypatch = monkeypatch
        self.conn_id = self.connect(azurite.connection())

    def operator(self, key: str = "{request_id}/{index}.{ext}", **given: Any) -> RunComfyToObjectStorageOperator:
        parameters = {"request_id": "r-1", "destination": self.uri(key), "conn_id": self.conn_id, **given}
        return RunComfyToObjectStorageOperator(task_id="copy", **parameters)

    def uri(self, key: str) -> str:
        return f"abfs://{self.azurite.container}/{self.prefix}{key}"

    def keys(self) -> list[str]:
        return self._names()

    def leftovers(self) -> list[str]:
        """Return the keys that have only blocks which nobody can see: Azure has no safe call to remove them."""
        return [key for key in self._names(include=["uncommittedblobs"]) if key not in self.keys()]

    def places(self) -> list[str]:
        return [container.name for container in self.azurite.service().list_containers()]

    def body(self, key: str) -> bytes:
        body: bytes = self.client.download_blob(self.prefix + key).readall()
        return body

    def metadata(self, key: str) -> dict[str, str]:
        found = self.client.get_blob_client(self.prefix + key).get_blob_properties().metadata
        # Any other is adlfs's own.
        return {name: value for name, value in found.items() if name.startswith("runcomfy")}

    def put(self, key: str, body: bytes) -> None:
        self.client.upload_blob(self.prefix + key, body, overwrite=True)

    def remove(self, key: str) -> None:
        self.client.delete_blob(self.prefix + key)

    @contextmanager
    def refusing(self) -> Iterator[dict[str, Any]]:
        yield {"conn_id": self.connect(self.azurite.reader_connection())}

    @contextmanager
    def missing(self) -> Iterator[dict[str, Any]]:
        yield {"destination": "abfs://no-such-container/{request_id}/{index}.{ext}"}

    @contextmanager
    def breaking(self, after: int) -> Iterator[dict[str, Any]]:
        with self._over(Cutter(after, self.azurite.endpoint)) as given:
            yield given

    @contextmanager
    def failing_parts(self, after: int) -> Iterator[dict[str, Any]]:
        with self._over(Cutter(after, self.azurite.endpoint, longest=100_000)) as given:
            yield given

    @contextmanager
    def _over(self, cutter: Cutter) -> Iterator[dict[str, Any]]:
        # Azure's client would try again for more than a minute.
        with cutter, patch(_BACKOFF, lambda *_: 0.01):
            broken = self.azurite.connection().replace(self.azurite.endpoint, cutter.endpoint)
            yield {"conn_id": self.connect(broken)}
            assert cutter.is_cut

    def _names(self, **options: Any) -> list[str]:
        found = self.client.list_blobs(name_starts_with=self.prefix, **options)
        return sorted(blob.name.removeprefix(self.prefix) for blob in found)

    def connect(self, connection: str) -> str:
        """Return the id of a new Airflow connection: ObjectStoragePath keeps for good what it has opened by one."""
        conn_id = f"azurite_{next(_numbers)}"
        self._monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection)
        return conn_id
