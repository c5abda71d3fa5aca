"""
The servers that copies are measured against, each in a process of its own.

Run as a program it is one of them: a line on standard output says where, and it ends with its standard input.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ways import BUCKET
from dev.seaweedfs import seaweedfs
from tests.transfers.file_server import File, clip, file_server

_MIB = 1024 * 1024
#: The request whose file is copied before the baseline of memory is taken; it has two parts.
SMALL, _SMALL_MIB = "small", 9


@dataclass(frozen=True)
class Store:
    """A running store: what its clients need in their environment, and how to empty its bucket."""

    env: dict[str, str]
    empty: Callable[[], None]


@contextmanager
def s3() -> Iterator[Store]:
    """Run SeaweedFS."""
    with tempfile.TemporaryDirectory() as folder, seaweedfs(Path(folder)) as server:
        client = server.client()

        def empty() -> None:
            for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
                client.delete_object(Bucket=BUCKET, Key=entry["Key"])

        yield Store({"AIRFLOW_CONN_AWS_DEFAULT": server.connection()}, empty)


@contextmanager
def gcs() -> Iterator[Store]:
    """Run the GCS of the tests."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    with _process("gcs") as said:
        endpoint, connection = json.loads(said)
        client = Client("test", AnonymousCredentials(), client_options={"api_endpoint": endpoint})

        def empty() -> None:
            for blob in client.list_blobs(BUCKET):
                blob.delete()

        yield Store({"STORAGE_EMULATOR_HOST": endpoint, "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": connection}, empty)


def files(mib: int, requests: Sequence[str]) -> AbstractContextManager[str]:
    """Run a file server that has a file of ``mib`` MiB for each request, and yield its address."""
    return _process("files", str(mib), *requests)


@contextmanager
def _process(*arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.servers", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        yield running.stdout.readline().strip() if running.stdout else ""


def _serve_files(mib: str, *requests: str) -> None:
    with file_server() as server:
        large, small = clip(int(mib) * _MIB), clip(_SMALL_MIB * _MIB)
        for request in (SMALL, *requests):
            url = server.add(f"/{request}/a.mp4", File(small if request == SMALL else large))
            result = {"request_id": request, "status": "succeeded", "output": {"video": url}}
            server.add(f"/v1/requests/{request}/result", File(json.dumps(result).encode(), "application/json"))
        _stay(server.base)


def _serve_gcs() -> None:
    from dev.gcs import gcs as running

    with running() as server:
        _stay(json.dumps([server.endpoint, server.connection()]))


def _stay(said: str) -> None:
    print(said, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _, kind, *arguments = sys.argv
    if kind == "gcs":
        _serve_gcs()
    else:
        _serve_files(*arguments)
