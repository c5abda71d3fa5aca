"""A folder in fsspec's own memory: a store that shows a file while it grows."""

from __future__ import annotations

from typing import Any

from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_runcomfy.transfers.runcomfy_to_object_storage import RunComfyToObjectStorageOperator


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
