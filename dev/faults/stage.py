"""Everything that runs while things are killed, and the account of each clip at the end."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from dev.airflow import Airflow, airflow
from dev.airflow_client import TaskInstance
from dev.faults.database import Database
from dev.faults.large import large_files
from dev.faults.marking_cases import RUNNING
from dev.gate import Gate, gate
from dev.processes import LOOPBACK, free_ports
from dev.sandbox import Sandbox, sandbox
from dev.seaweedfs import SeaweedFS, seaweedfs
from tests.tls import Authority

DAGS = Path(__file__).with_name("fault_dags.py")
TOKEN = "the-token-that-must-be-nowhere-7c1f"
_MODEL = "kling/kling-3.0/standard/text-to-video"
_ENDED = ("success", "failed")
# How much more time than usual a busy machine is given at most.
_SLOWEST = 4.0


def slowness() -> float:
    """Return how much more time everything is given, since others use this machine too; 1 if they are few."""
    waiting_for_each = os.getloadavg()[0] / (os.cpu_count() or 1)
    return min(_SLOWEST, max(1.0, waiting_for_each / 2))


def _notices_soon(slow: float) -> dict[str, str]:
    """Return what has kills noticed within seconds, not within Airflow's usual five minutes."""
    # A task has to start within it, which is mostly the processor's work.
    timeout = f"{12 * slow:.0f}"
    return {
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": timeout,
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "3",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": timeout,
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": timeout,
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
        "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "3",
    }


@dataclass(frozen=True)
class Stage:
    """
    A running Airflow with the sandbox and the bucket.

    :param slow_by: how much more time than usual everything is given.
    :param full: another sandbox in which as many requests as there are cases of marking run for ever, and every
        further one is queued for ever.
    :param slow: another one, in which three requests run at a time, for 40 s each.
    :param outage: another one, in which all run at once, for long enough to have an outage meanwhile.
    :param large: another one, in which every request ends at once, with a file of five parts.
    :param to_airflow: between the workers and Airflow's execution API.
    :param to_runcomfy: between everything and the sandbox.
    :param to_runcomfy_tls: the same with TLS, for whoever uses the connection ``runcomfy_tls``.
    :param to_s3: between the workers and the bucket.
    """

    folder: Path
    slow_by: float
    airflow: Airflow
    sandbox: Sandbox
    full: Sandbox
    slow: Sandbox
    outage: Sandbox
    large: Sandbox
    s3: SeaweedFS
    to_airflow: Gate
    to_runcomfy: Gate
    to_runcomfy_tls: Gate
    to_s3: Gate

    @property
    def database(self) -> Database:
        """Airflow's database."""
        return Database(self.airflow.home / "airflow.db")

    def start(self, dag_id: str, prefix: str, clips: int, **params: Any) -> str:
        """Start a run and return its id; ``prefix`` begins its prompts and keys."""
        conf = {"prefix": prefix, "clips": clips, "bucket": self.s3.bucket, **params}
        return self.airflow.client.trigger(dag_id, conf)

    def wait(self, dag_id: str, run_id: str, timeout: float = 240.0) -> list[TaskInstance]:
        """Wait until the run has ended, and return its task instances."""
        deadline = time.monotonic() + timeout * self.slow_by
        while self.airflow.client.run_state(dag_id, run_id) not in _ENDED:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{dag_id} {run_id} has not ended after {timeout:.0f} s")
            time.sleep(1.0)
        return self.airflow.client.task_instances(dag_id, run_id)

    def unfinished(self, prefix: str) -> list[dict[str, Any]]:
        """Return the multipart uploads under a prefix that are neither complete nor aborted."""
        found = self.s3.client().list_multipart_uploads(Bucket=self.s3.bucket, Prefix=f"{prefix}/")
        return list(found.get("Uploads", []))

    def log(self, instance: TaskInstance, run_id: str) -> str:
        """Return the whole log of a task instance, all its tries."""
        lines = [
            line.text
            for number in range(1, instance.try_number + 1)
            for line in self.airflow.client.log(instance.key, run_id, number)
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Account:
    """What a run came to: ``paid`` are the ids of its submits, by prompt; ``unfinished`` uploads are still there."""

    wanted: int
    paid: dict[str, list[str]]
    stored: int
    wrong: int
    unfinished: int

    @property
    def submits(self) -> int:
        """How many submits were paid."""
        return sum(len(ids) for ids in self.paid.values())


def account(stage: Stage, prefix: str, wanted: int, sandbox: Sandbox | None = None) -> Account:
    """Return what was paid and stored for the clips of a prefix, every object compared with what RunComfy serves."""
    sandbox = sandbox or stage.sandbox
    paid: dict[str, list[str]] = {}
    for request in sandbox.requests():
        prompt = str(request["inputs"].get("prompt", ""))
        if prompt.startswith(f"{prefix}/"):
            paid.setdefault(prompt, []).append(request["request_id"])
    known = {request_id for ids in paid.values() for request_id in ids}
    keys = stage.s3.client().list_objects_v2(Bucket=stage.s3.bucket, Prefix=f"{prefix}/").get("Contents", [])
    wrong = 0
    for entry in keys:
        request_id = Path(entry["Key"]).stem
        body = stage.s3.client().get_object(Bucket=stage.s3.bucket, Key=entry["Key"])["Body"].read()
        if request_id not in known or _sha256(body) != _sha256(sandbox.video(request_id, TOKEN)):
            wrong += 1
    return Account(wanted, paid, len(keys), wrong, len(stage.unfinished(prefix)))


def submit(sandbox: Sandbox, prompt: str) -> str:
    """Submit a request from outside Airflow, and return its id."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(
            f"{sandbox.url}/v1/models/{_MODEL}",
            json={"prompt": prompt, "duration": 3, "sound": False},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
        )
    answer.raise_for_status()
    return str(answer.json()["request_id"])


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def stage(folder: Path, *, outage_seconds: float) -> Iterator[Stage]:
    """Run everything while the block runs."""
    slow_by = slowness()
    with ExitStack() as stack:

        def a_sandbox(name: str, run_seconds: float, concurrency: int) -> Sandbox:
            (folder / name).mkdir()
            return stack.enter_context(
                sandbox(folder / name, queue_seconds=0, run_seconds=run_seconds, concurrency=concurrency)
            )

        local = a_sandbox("sandbox", 3, 100)
        full = a_sandbox("full", 100_000, RUNNING)
        slow = a_sandbox("slow", 40, 3)
        # Long enough for all to be submitted and deferred, and for the outage.
        outage = a_sandbox("outage", outage_seconds + 150, 100)
        with large_files(folder):
            large = a_sandbox("large", 0, 100)
        s3 = stack.enter_context(seaweedfs(folder / "s3"))
        to_s3 = stack.enter_context(gate(s3.endpoint))
        to_runcomfy = stack.enter_context(gate(local.url))
        authority = Authority(folder)
        to_runcomfy_tls = stack.enter_context(gate(local.url, tls=authority.server_context()))
        (port,) = free_ports(1)
        to_airflow = stack.enter_context(gate(f"http://{LOOPBACK}:{port}"))
        env = _notices_soon(slow_by) | {
            "AIRFLOW_CONN_RUNCOMFY_DEFAULT": Sandbox(to_runcomfy.url).connection(TOKEN),
            "AIRFLOW_CONN_RUNCOMFY_TLS": Sandbox(to_runcomfy_tls.url).connection(TOKEN),
            "REQUESTS_CA_BUNDLE": str(authority.bundle),
            "AIRFLOW_CONN_RUNCOMFY_FULL": full.connection(TOKEN),
            "AIRFLOW_CONN_RUNCOMFY_SLOW": slow.connection(TOKEN),
            "AIRFLOW_CONN_RUNCOMFY_OUTAGE": outage.connection(TOKEN),
            "AIRFLOW_CONN_RUNCOMFY_LARGE": large.connection(TOKEN),
            "AIRFLOW_CONN_AWS_DEFAULT": s3.connection().replace(s3.endpoint, to_s3.url),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{to_airflow.url}/execution/",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        running = stack.enter_context(
            airflow(folder / "airflow", [DAGS], env=env, port=port, parallelism=8, timeout=180 * slow_by)
        )
        for dag_id in running.client.dag_ids():
            running.client.unpause(dag_id)
        yield Stage(
            folder,
            slow_by,
            running,
            local,
            full,
            slow,
            outage,
            large,
            s3,
            to_airflow,
            to_runcomfy,
            to_runcomfy_tls,
            to_s3,
        )
