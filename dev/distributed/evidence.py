"""Gather what is needed for the account: from the sandbox, the bucket, Airflow and the hosts' logs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from dev.airflow_client import TaskKey
from dev.distributed.account import Account
from dev.distributed.cluster import Cluster
from dev.distributed.database import Instance
from dev.distributed.drive import COPY, DAG, GENERATE, Drive
from dev.processes import tail
from dev.sandbox import Sandbox
from dev.seaweedfs import SeaweedFS

_UNKNOWN = "UnknownSubmissionError"


def account(drive: Drive, instances: list[Instance], sandbox: Sandbox, s3: SeaweedFS) -> Account:
    """Return the account of a run, with every object compared to its manifest and to what RunComfy serves."""
    paid: dict[int, list[str]] = {}
    for request in sandbox.requests():
        if request["state"] != "cancelled":
            clip = int(str(request["inputs"]["prompt"]).removeprefix("clip "))
            paid.setdefault(clip, []).append(request["request_id"])
    manifests = {entry["request_id"]: entry for entry in _manifests(drive, instances)}
    stored = []
    wrong = {}
    for key in _keys(s3):
        request_id = Path(key).stem
        stored.append(request_id)
        content = s3.client().get_object(Bucket=s3.bucket, Key=key)["Body"].read()
        if what := _difference(content, manifests.get(request_id), sandbox, request_id):
            wrong[request_id] = what
    unknown = {
        one.map_index
        for one in instances
        if one.task_id == GENERATE and one.state == "failed" and _UNKNOWN in log_end(drive.cluster, one, lines=10**6)
    }
    return Account(drive.clips, paid, stored, wrong, frozenset(unknown))


def log_end(cluster: Cluster, task: Instance, lines: int = 25) -> str:
    """Return the end of the log of a task instance's last try, from whichever host has it."""
    place = f"airflow/logs/dag_id={DAG}/run_id=*/task_id={task.task_id}"
    place += f"/map_index={task.map_index}" if task.map_index >= 0 else ""
    found = (cluster.folder / "hosts").glob(f"*/{place}/attempt={task.try_number}.log*")
    return "\n".join(f"--- {task} on {log.relative_to(cluster.folder).parts[1]}\n{tail(log, lines)}" for log in found)


def _manifests(drive: Drive, instances: list[Instance]) -> Iterator[dict[str, Any]]:
    for one in instances:
        if one.task_id == COPY and one.state == "success":
            yield from drive.cluster.client.xcom(TaskKey(DAG, COPY, one.map_index), drive.run_id)


def _keys(s3: SeaweedFS) -> Iterator[str]:
    for page in s3.client().get_paginator("list_objects_v2").paginate(Bucket=s3.bucket):
        yield from (entry["Key"] for entry in page.get("Contents", []))


def _difference(content: bytes, entry: dict[str, Any] | None, sandbox: Sandbox, request_id: str) -> str:
    """Return what is wrong with an object, in words; empty if nothing is."""
    if entry is None:
        return "is in no manifest"
    found = (len(content), hashlib.sha256(content).hexdigest())
    if found != (entry["size"], entry["sha256"]):
        return f"is not what its manifest says: {found}, not {(entry['size'], entry['sha256'])}"
    try:
        served = sandbox.video(request_id)
    except requests.RequestException as error:
        return f"cannot be compared with what RunComfy serves: {error}"
    return "" if served == content else "is not what RunComfy serves"
