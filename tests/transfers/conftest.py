from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pytest

from dev.seaweedfs import SeaweedFS, seaweedfs
from tests.transfers.file_server import File, FileServer, file_server
from tests.transfers.targets.s3 import S3Target, allow_what_is_documented
from tests.transfers.targets.target import Target


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
        allow_what_is_documented(running)
        yield running


@pytest.fixture(scope="session")
def _server() -> Iterator[FileServer]:
    with file_server() as server:
        yield server


@pytest.fixture
def runcomfy(_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> RunComfy:
    """Return a RunComfy without requests; the default connection leads to it."""
    _server.files.clear()
    _server.asked.clear()
    runcomfy = RunComfy(_server)
    connection = {"conn_type": "runcomfy", "host": _server.base, "password": runcomfy.token}
    monkeypatch.setenv("AIRFLOW_CONN_RUNCOMFY_DEFAULT", json.dumps(connection))
    return runcomfy


@pytest.fixture
def bucket(seaweed: SeaweedFS, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Target:
    return S3Target(seaweed, name_of(request), monkeypatch)


def name_of(request: pytest.FixtureRequest) -> str:
    return f"{abs(hash(request.node.nodeid)):x}"


def local(request: pytest.FixtureRequest) -> Target:
    from tests.transfers.targets.local import LocalTarget

    return LocalTarget(request.getfixturevalue("tmp_path"), request.getfixturevalue("monkeypatch"))


def gcs(request: pytest.FixtureRequest) -> Target:
    from tests.transfers.targets.gcs import GCSTarget

    server = request.getfixturevalue("gcs_server")
    return GCSTarget(server, name_of(request), request.getfixturevalue("monkeypatch"))


def azure(request: pytest.FixtureRequest) -> Target:
    from tests.transfers.targets.azure import AzureTarget

    server = request.getfixturevalue("azurite_server")
    return AzureTarget(server, name_of(request), request.getfixturevalue("monkeypatch"))


def s3(request: pytest.FixtureRequest) -> Target:
    target: Target = request.getfixturevalue("bucket")
    return target


# Those of Google and Microsoft are where `make test-stores` runs.
TARGETS = [s3, local] + [gcs, azure] * bool(find_spec("airflow.providers.google"))


@pytest.fixture(params=TARGETS, ids=[make.__name__ for make in TARGETS])
def target(request: pytest.FixtureRequest) -> Target:
    """Return each store in turn."""
    made: Target = request.param(request)
    return made


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[Any]:
    from dev.gcs import gcs

    with gcs() as server:
        yield server


@pytest.fixture(scope="session")
def azurite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from dev.azurite import azurite

    with azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server
