"""What the browser looks at: a real Airflow, RunComfy's sandbox and an S3 server, and a run that has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import requests

from dev.airflow import AIRFLOW, Airflow, airflow
from dev.airflow_client import AirflowClient, TaskKey
from dev.processes import LOOPBACK, free_ports, server
from dev.sandbox import Sandbox, sandbox
from dev.seaweedfs import SeaweedFS, seaweedfs

_DAGS = Path(__file__).with_name("browser_dags.py")
#: Who may sign in at the API server that asks for a password: somebody who may do all, somebody who may see all, and
#: somebody without any right.
PASSWORDS = {"admin": "admin-password", "viewer": "viewer-password", "stranger": "stranger-password"}


@dataclass(frozen=True)
class Stage:
    """
    Everything that runs.

    :param locked: the address of a second API server of the same Airflow, which asks who one is.
    :param run_id: the run of the Dag ``clips``, which has ended.
    """

    airflow: Airflow
    sandbox: Sandbox
    s3: SeaweedFS
    locked: str
    run_id: str

    def page(
        self, *, task_id: str = "", index: int = -1, dag_id: str = "clips", run_id: str = "", tab: bool = True
    ) -> str:
        """Return the path of a tab in Airflow's UI, or of the plain page: of a task instance, else of the run."""
        dag, run = quote(dag_id, safe=""), quote(run_id or self.run_id, safe="")
        if not tab:
            return f"/runcomfy/page/{dag}/{run}" + (f"/{task_id}/{index}" if task_id else "")
        mapped = f"/mapped/{index}" if index >= 0 else ""
        task = f"/tasks/{task_id}{mapped}/plugin/runcomfy" if task_id else "/plugin/runcomfy-run"
        return f"/dags/{dag}/runs/{run}{task}"

    def request_id(self, task_id: str, index: int = -1) -> str:
        """Return the request of a task instance of the ended run."""
        return str(self.airflow.client.xcom(TaskKey("clips", task_id, index), self.run_id, "request_id"))

    def run(self, dag_id: str) -> str:
        """Run another Dag to its end, and return its run id."""
        return _run_to_its_end(self.airflow.client, dag_id)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Run everything while the block runs, its files below ``folder``."""
    with ExitStack() as stack:
        # A queue that is long enough to be seen, however busy the machine is.
        local = stack.enter_context(sandbox(folder, queue_seconds=25, run_seconds=4, concurrency=3))
        local.add_fault("fail", prompt="This one fails.", error="The GPU ran out of memory.")
        s3 = stack.enter_context(seaweedfs(folder / "s3"))
        env = {"AIRFLOW_CONN_RUNCOMFY_DEFAULT": local.connection(), "AIRFLOW_CONN_AWS_DEFAULT": s3.connection()}
        running = stack.enter_context(airflow(folder / "airflow", [_DAGS], env=env, parallelism=6))
        locked = stack.enter_context(_locked(running, folder))
        running.client.unpause("waiting")
        yield Stage(running, local, s3, locked, _run_to_its_end(running.client, "clips"))


@contextmanager
def _locked(running: Airflow, folder: Path) -> Iterator[str]:
    (port,) = free_ports(1)
    url = f"http://{LOOPBACK}:{port}"
    passwords = folder / "passwords.json"
    passwords.write_text(json.dumps(PASSWORDS))
    env = {
        **running.env,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer,stranger:",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
    }
    log = folder / "locked-api-server.log"
    with server([*AIRFLOW, "api-server"], log=log, ready=lambda: _answers(url), env=env, cwd=folder, timeout=180.0):
        yield url


def _answers(url: str) -> bool:
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"{url}/api/v2/version", timeout=5).ok
    except requests.RequestException:
        return False


def _run_to_its_end(client: AirflowClient, dag_id: str) -> str:
    client.unpause(dag_id)
    run_id = client.trigger(dag_id)
    deadline = time.monotonic() + 300
    while client.run_state(dag_id, run_id) not in ("success", "failed"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the run has not ended: {client.task_instances(dag_id, run_id)}")
        time.sleep(1)
    return run_id
