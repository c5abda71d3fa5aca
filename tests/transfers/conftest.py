from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dev.seaweedfs import ADMIN, DROPPER, READER, WRITER, SeaweedFS, seaweedfs
from tests.transfers.file_server import File, FileServer, file_server


@dataclass
class RunComfy:
    """A file server that answers for RunComfy's API, too: each request's result is one more file."""

    server: FileServer
    token: str = "t0ken-that-must-not-show"

    def has(self, request_id: str, *files: File, names: tuple[str, ...] = (), query: str = "") -> None:
        """Let a request have succeeded with ``files``, named a.mp4, b.mp4, ... where not told otherwise."""
        names = names or tuple(f"{letter}.mp4" for letter in "abcdefgh"[: len(files)])
        urls = [self.server.add(f"/{request_id}/{name}", file) for name, file in zip(names, files, strict=True)]
        self.says(request_id, status="succeeded", output={"videos": [url + query for url in urls]})

    def says(self, request_id: str, **answer: Any) -> None:
        """Let ``/result`` of a request answer with this."""
        body = json.dumps({"request_id": request_id, **answer}).encode()
        self.server.add(f"/v1/requests/{request_id}/result", File(body, content_type="application/json"))

    def file_requests(self) -> list[dict[str, str]]:
        """Return the headers of each request for a file."""
        return [asked.headers for asked in self.server.asked if not asked.path.startswith("/v1/")]


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as running:
        yield running


@pytest.fixture(scope="session")
def _server() -> Iterator[FileServer]:
    with file_server() as server:
        yield server


@pytest.fixture
def runcomfy(_server: FileServer, seaweed: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> RunComfy:
    """Return a RunComfy without requests; the default connections lead to it and to the bucket."""
    _server.files.clear()
    _server.asked.clear()
    runcomfy = RunComfy(_server)
    connection = {"conn_type": "runcomfy", "host": _server.base, "password": runcomfy.token}
    monkeypatch.setenv("AIRFLOW_CONN_RUNCOMFY_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", seaweed.connection(WRITER))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_READER", seaweed.connection(READER))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DROPPER", seaweed.connection(DROPPER))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_ADMIN", seaweed.connection(ADMIN))
    return runcomfy


class Bucket:
    """What is in the bucket, seen by an identity that may see everything; each test has a prefix of its own."""

    def __init__(self, seaweed: SeaweedFS, prefix: str) -> None:
        self.client = seaweed.client(ADMIN)
        self.name = seaweed.bucket
        self.prefix = prefix

    @property
    def template(self) -> str:
        return self.prefix + "{request_id}/{index}.{ext}"

    def uri(self, key: str) -> str:
        return f"s3://{self.name}/{self.prefix}{key}"

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name, Prefix=self.prefix).get("Contents", [])
        return [entry["Key"].removeprefix(self.prefix) for entry in found]

    def uploads(self) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=self.name, Prefix=self.prefix).get("Uploads", [])
        return [entry["Key"] for entry in found]

    def body(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.name, Key=self.prefix + key)["Body"].read()
        return body

    def head(self, key: str) -> dict[str, Any]:
        head: dict[str, Any] = self.client.head_object(Bucket=self.name, Key=self.prefix + key)
        return head

    def put(self, key: str, body: bytes, **more: Any) -> None:
        self.client.put_object(Bucket=self.name, Key=self.prefix + key, Body=body, **more)


@pytest.fixture
def bucket(seaweed: SeaweedFS, request: pytest.FixtureRequest) -> Bucket:
    return Bucket(seaweed, f"{abs(hash(request.node.nodeid)):x}/")
