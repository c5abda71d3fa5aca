"""The RunComfy sandbox as a process of its own, and what it was asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from dev.processes import LOOPBACK, free_ports, server


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox; ``pid`` is that of its process."""

    url: str
    pid: int = 0

    def connection(self, token: str = "sandbox") -> str:
        """Return an Airflow connection as JSON, as AIRFLOW_CONN_RUNCOMFY_DEFAULT takes it."""
        return json.dumps({"conn_type": "runcomfy", "host": self.url, "password": token})

    def calls(self) -> list[dict[str, Any]]:
        """Return every call that it got, oldest first."""
        return list(self._get("calls"))

    def requests(self) -> list[dict[str, Any]]:
        """Return every request that it took, oldest first."""
        return list(self._get("requests"))

    def video(self, request_id: str, token: str = "sandbox") -> bytes:
        """Return the video of a request that has succeeded, as whoever paid for it with ``token`` gets it."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(
                f"{self.url}/v1/requests/{request_id}/result", headers={"Authorization": f"Bearer {token}"}, timeout=30
            )
            answer.raise_for_status()
            file = session.get(answer.json()["output"]["video"], timeout=60)
        file.raise_for_status()
        return file.content

    def add_fault(self, effect: str, **keys: Any) -> None:
        """Put a fault in; see the sandbox's table of faults."""
        self._send("POST", "faults", {"effect": effect, **keys})

    def clear_faults(self) -> None:
        """Take all faults out."""
        self._send("DELETE", "faults", None)

    def _send(self, method: str, name: str, body: Any) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.request(method, f"{self.url}/_sandbox/{name}", json=body, timeout=10).raise_for_status()

    def _get(self, name: str) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{self.url}/_sandbox/{name}", timeout=10)
        answer.raise_for_status()
        return answer.json()[name]


@contextmanager
def sandbox(
    folder: Path, *, queue_seconds: float, run_seconds: float, concurrency: int, balance: float = 1000.0
) -> Iterator[Sandbox]:
    """Run a sandbox that logs to ``folder`` while the block runs; see its ``--help`` for the parameters."""
    (port,) = free_ports(1)
    running = Sandbox(f"http://{LOOPBACK}:{port}")
    options = {
        "port": port,
        "queue-seconds": queue_seconds,
        "run-seconds": run_seconds,
        "concurrency": concurrency,
        "balance": balance,
    }
    command = [sys.executable, "-m", "airflow_provider_runcomfy.sandbox"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with server(command, log=folder / "sandbox.log", ready=lambda: _answers(running)) as process:
        yield replace(running, pid=process.pid)


def _answers(running: Sandbox) -> bool:
    with suppress(requests.RequestException):
        running.calls()
        return True
    return False
