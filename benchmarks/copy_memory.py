"""
Memory and throughput of a copy into S3, side by side with what else there is.

Each way runs in a process of its own, from the same local file server into the same local S3 server. The baseline is
the process's memory after all imports and one copy of a small file; what is told is the peak above it.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from dev.seaweedfs import BUCKET, SeaweedFS, seaweedfs
from tests.transfers.file_server import File, clip, file_server

MIB = 1024 * 1024
# What the operator uses, too.
PART = 6 * MIB


def runcomfy_to_s3(base: str, name: str) -> None:
    from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

    key = f"{name}/{{request_id}}.{{ext}}"
    RunComfyToS3Operator(task_id="copy", request_id=name, s3_bucket=BUCKET, s3_key=key, replace=True).execute({})


def http_to_s3(base: str, name: str) -> None:
    from airflow.providers.amazon.aws.transfers.http_to_s3 import HttpToS3Operator

    HttpToS3Operator(
        task_id="copy", method="GET", endpoint=f"/{name}/a.mp4", s3_bucket=BUCKET, s3_key=f"{name}/http", replace=True
    ).execute({})


def bare_upload(base: str, name: str, **config: Any) -> None:
    """boto3's own upload of the same stream, which is hashed on the way, too."""
    import requests
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from boto3.s3.transfer import TransferConfig

    with requests.get(f"{base}/{name}/a.mp4", stream=True, timeout=60) as response:
        source = Hashed(response.raw)
        S3Hook().get_conn().upload_fileobj(source, BUCKET, f"{name}/bare", Config=TransferConfig(**config))


def bare_upload_alike(base: str, name: str) -> None:
    bare_upload(base, name, multipart_chunksize=PART, max_concurrency=2)


class Hashed:
    """A stream that hashes what is read from it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._hash = source, hashlib.sha256()

    def read(self, amount: int | None = None) -> bytes:
        piece = self._source.read(amount)
        self._hash.update(piece)
        return piece


WAYS: dict[str, Callable[[str, str], None]] = {
    "RunComfyToS3Operator": runcomfy_to_s3,
    "upload_fileobj, 2 threads": bare_upload_alike,
    "upload_fileobj, defaults": bare_upload,
    "HttpToS3Operator": http_to_s3,
}


def measure(way: str, base: str) -> dict[str, float]:
    """Run in a process of its own: copy a small file, take the baseline, copy the file itself."""
    run = WAYS[way]
    run(base, "small")
    gc.collect()
    baseline, peak, started = resident(), Peak(), time.monotonic()
    run(base, "large")
    return {"seconds": time.monotonic() - started, "memory": (peak.stop() - baseline) / MIB}


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Peak:
    """The largest resident size seen, looked at every few milliseconds."""

    def __init__(self) -> None:
        self._most, self._stopped = resident(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopped.wait(0.005):
            self._most = max(self._most, resident())

    def stop(self) -> int:
        self._stopped.set()
        self._thread.join()
        return self._most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=300, help="size of the file (default: 300)")
    parser.add_argument("--rounds", type=int, default=3, help="processes per way (default: 3)")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*json.loads(arguments.measure))))
        return
    with tempfile.TemporaryDirectory() as folder, seaweedfs(Path(folder)) as seaweed, file_server() as server:
        for name, size in (("small", 9 * MIB), ("large", arguments.mib * MIB)):
            url = server.add(f"/{name}/a.mp4", File(clip(size)))
            result = {"request_id": name, "status": "succeeded", "output": {"video": url}}
            server.add(f"/v1/requests/{name}/result", File(json.dumps(result).encode(), "application/json"))
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(arguments.rounds):
            # In turns, so that whatever else this machine does hits all of them.
            for way in WAYS:
                found[way].append(in_own_process(way, server.base, seaweed))
                empty(seaweed)
    show(arguments.mib, found)


def show(mib: int, found: dict[str, list[dict[str, float]]]) -> None:
    print(f"{mib} MiB from a local file server into SeaweedFS: the fastest run, and the most memory of any.\n")
    print(f"| {'way':<26} | {'MiB/s':>5} | {'memory above baseline, MiB':>26} |\n|{'-' * 28}|{'-' * 6}:|{'-' * 27}:|")
    for way, runs in found.items():
        rate, memory = mib / min(run["seconds"] for run in runs), max(run["memory"] for run in runs)
        print(f"| {way:<26} | {rate:>5.0f} | {memory:>26.0f} |")


def in_own_process(way: str, base: str, seaweed: SeaweedFS) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        env = {
            **os.environ,
            "AIRFLOW_HOME": home,
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW_CONN_RUNCOMFY_DEFAULT": json.dumps({"conn_type": "runcomfy", "host": base, "password": "token"}),
            "AIRFLOW_CONN_HTTP_DEFAULT": json.dumps({"conn_type": "http", "host": base}),
            "AIRFLOW_CONN_AWS_DEFAULT": seaweed.connection(),
        }
        command = [sys.executable, "-m", "benchmarks.copy_memory", "--measure", json.dumps([way, base])]
        output = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


def empty(seaweed: SeaweedFS) -> None:
    client = seaweed.client()
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])


if __name__ == "__main__":
    main()
