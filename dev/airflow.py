"""A real Airflow on this machine: every component a process of its own, on free ports, in a folder of its own."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

from dev.airflow_client import AirflowClient
from dev.processes import LOOPBACK, ServerFailedError, end, free_ports, start, tail, wait_until_ready

#: The command line of this environment's Airflow.
AIRFLOW = (sys.executable, "-m", "airflow")
#: The arguments of each component.
COMPONENTS = {
    "api-server": ("api-server",),
    # The log servers would listen on all interfaces; the API server reads the files itself.
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}


@dataclass(frozen=True)
class Airflow:
    """
    A running Airflow.

    ``components`` maps a name (``api-server``, ``scheduler``, ``dag-processor``, ``triggerer-0``, ...)
    to its process; each leads a session of its own and logs to ``<home>/<name>.log``.
    """

    home: Path
    url: str
    env: Mapping[str, str]
    client: AirflowClient
    components: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start the component (again) and return its process; it is ended with the others."""
        command = [*AIRFLOW, *COMPONENTS[name.rstrip("-0123456789")]]
        self.components[name] = start(command, log=self.log(name), env=self.env, cwd=self.home)
        self._started.append(self.components[name])
        return self.components[name]

    def end(self) -> None:
        """End every component that was ever started, and what those that are gone have left behind."""
        end(*self._started)

    def log(self, name: str) -> Path:
        """Return the component's log file."""
        return self.home / f"{name}.log"


@contextmanager
def airflow(
    home: Path,
    dag_files: Sequence[Path],
    *,
    env: Mapping[str, str],
    port: int | None = None,
    triggerers: int = 1,
    parallelism: int = 4,
    timeout: float = 180.0,
) -> Iterator[Airflow]:
    """
    Run Airflow with LocalExecutor and SQLite while the block runs.

    :param home: its AIRFLOW_HOME, made if it is not there.
    :param dag_files: the Dag files that it has, and no others.
    :param env: variables on top of its own: connections as ``AIRFLOW_CONN_...``, options as ``AIRFLOW__...``.
    :param port: where the API server listens; a free one by default.
    :param parallelism: how many tasks run at once.
    :param timeout: seconds until every component must be healthy and every Dag file parsed.
    :raises ServerFailedError: a component ended or did not become healthy.
    """
    (home / "dags").mkdir(parents=True, exist_ok=True)
    for file in dag_files:
        (home / "dags" / file.name).symlink_to(file.resolve())
    port = port or free_ports(1)[0]
    url = f"http://{LOOPBACK}:{port}"
    variables = {**environment(home, port, parallelism), **env}
    migrate(home, variables)
    running = Airflow(home, url, variables, AirflowClient(url))
    try:
        for name in ("api-server", "scheduler", "dag-processor", *(f"triggerer-{n}" for n in range(triggerers))):
            running.start(name)
        processes = {running.log(name): process for name, process in running.components.items()}
        wait_until_ready(processes, lambda: _is_ready(running, len(dag_files)), timeout)
        yield running
    finally:
        running.end()


def environment(home: Path, port: int, parallelism: int) -> dict[str, str]:
    """Return the variables of an Airflow whose API server listens on ``port``, with secrets of its own."""
    # The user's own Airflow must neither be seen nor touched.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    url = f"http://{LOOPBACK}:{port}"
    # What is on this machine is asked directly, whatever proxy the user has.
    no_proxy = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), LOOPBACK)))
    return inherited | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": str(parallelism),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def migrate(home: Path, env: Mapping[str, str]) -> None:
    """
    Make the tables of the metadata database.

    :raises ServerFailedError: Airflow could not.
    """
    log = home / "migrate.log"
    with log.open("ab") as output:
        done = subprocess.run(
            [*AIRFLOW, "db", "migrate"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, check=False
        )
    if done.returncode:
        raise ServerFailedError(f"airflow db migrate ended with {done.returncode}:\n{tail(log)}")


def _is_ready(running: Airflow, dags: int) -> bool:
    with suppress(requests.RequestException):
        return running.client.is_healthy() and running.client.dag_count() >= dags
    return False
