"""Airflow as a cluster: each component on a host of its own, which here is a session of processes and a folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests

from dev.airflow import AIRFLOW, COMPONENTS, environment, migrate
from dev.airflow_client import AirflowClient
from dev.distributed import hostname
from dev.distributed.backends import Backend
from dev.processes import LOOPBACK, ServerFailedError, end, free_ports, start, tail, wait_until_ready

DAG_FILE = Path(__file__).with_name("clips_dag.py")
#: Tasks at once on each worker.
CONCURRENCY = 4
_FIRST = ("api-server", "scheduler", "dag-processor", "triggerer-0", "triggerer-1", "worker-0", "worker-1")
# A lost worker must be noticed within a minute, not within five; and what it had taken from the queue must be given to
# another one, which the usual 24 hours would put off. A lost triggerer is noticed after 30 s as it is.
_NOTICES_SOON = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "45",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "120",
}


@dataclass
class Cluster:
    """
    A running Airflow.

    ``hosts`` maps the name of each host that is up (``scheduler``, ``worker-0``, ...) to the process that leads it.
    """

    folder: Path
    client: AirflowClient
    shared_env: Mapping[str, str]
    hosts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str) -> None:
        """Start a host with a home, a Dag folder and a folder for temporary files of its own, all new."""
        place = self.place(name)
        for part in ("home", "tmp", "airflow/dags"):
            (place / part).mkdir(parents=True)
        shutil.copy(DAG_FILE, place / "airflow" / "dags")
        process = start(_command(name), log=self.log(name), env=self.env(name), cwd=place)
        self.hosts[name] = process
        self._started.append(process)

    def env(self, name: str) -> dict[str, str]:
        """Return the variables of a host."""
        place = self.place(name)
        return {
            **self.shared_env,
            "HOME": str(place / "home"),
            "TMPDIR": str(place / "tmp"),
            "AIRFLOW_HOME": str(place / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(place / "airflow" / "dags"),
            hostname.VARIABLE: name,
        }

    def place(self, name: str) -> Path:
        """Return the folder of a host."""
        return self.folder / "hosts" / name

    def log(self, name: str) -> Path:
        """Return the log file of a host's component."""
        return self.folder / f"{name}.log"

    def freeze(self, name: str) -> None:
        """Stop every process of a host where it stands, until it is thawed or lost."""
        session = self.hosts[name].pid
        stopped: set[int] = set()
        # What was started while the first ones were being stopped is stopped in the next round.
        while running := members(session) - stopped:
            _signal(running, signal.SIGSTOP)
            stopped |= running

    def thaw(self, name: str) -> None:
        """Let a frozen host go on."""
        _signal(members(self.hosts[name].pid), signal.SIGCONT)

    def lose(self, name: str) -> int:
        """Kill every process of a host at once, as when its machine is gone, and return how many there were."""
        self.freeze(name)
        leader = self.hosts.pop(name)
        lost = members(leader.pid)
        _signal(lost, signal.SIGKILL)
        leader.wait()
        return len(lost)

    def must_be_up(self) -> None:
        """Raise ServerFailedError if the leader of a host has ended by itself."""
        for name, process in self.hosts.items():
            if process.poll() is not None:
                raise ServerFailedError(f"{name} ended with {process.returncode}:\n{tail(self.log(name))}")

    def end(self) -> None:
        """End every host that was ever started."""
        for name in list(self.hosts):
            self.thaw(name)
        end(*self._started)


@contextmanager
def cluster(
    folder: Path, database: Backend, broker: Backend, *, env: Mapping[str, str], timeout: float = 600.0
) -> Iterator[Cluster]:
    """
    Run Airflow with two Celery workers and two triggerers while the block runs.

    :param folder: where the hosts have their folders and logs.
    :param env: the variables of the connections.
    :param timeout: seconds until every host must be up and the Dag parsed.
    :raises ServerFailedError: a component ended or did not become healthy.
    """
    (port,) = free_ports(1)
    shared = {
        **environment(folder, port, parallelism=2 * 2 * CONCURRENCY),
        **_NOTICES_SOON,
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{hostname.__name__}.get",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url,
        "AIRFLOW__CELERY__BROKER_URL": broker.url,
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(CONCURRENCY),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **env,
    }
    running = Cluster(folder, AirflowClient(f"http://{LOOPBACK}:{port}"), shared)
    try:
        running.place("migration").mkdir(parents=True)
        migrate(folder, running.env("migration"))
        for name in _FIRST:
            running.start(name)
        processes = {running.log(name): process for name, process in running.hosts.items()}
        wait_until_ready(processes, lambda: _is_ready(running), timeout)
        yield running
    finally:
        running.end()


def members(session: int) -> set[int]:
    """Return the processes of a session."""
    found = set()
    for pid in psutil.pids():
        with suppress(ProcessLookupError):
            if os.getsid(pid) == session:
                found.add(pid)
    return found


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _command(name: str) -> list[str]:
    component = name.rstrip("-0123456789")
    if component == "worker":
        # No log server: it would listen on all interfaces.
        return [*AIRFLOW, "celery", "worker", "--skip-serve-logs", "--celery-hostname", f"celery@{name}"]
    return [*AIRFLOW, *COMPONENTS[component]]


def _is_ready(running: Cluster) -> bool:
    workers = [name for name in running.hosts if name.startswith("worker")]
    if not all(f"celery@{name} ready" in running.log(name).read_text(errors="replace") for name in workers):
        return False
    with suppress(requests.RequestException):
        return running.client.is_healthy() and running.client.dag_count() == 1
    return False
