from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.conftest import plain_environment as plain_environment
from tests.api.raw_server import RawServer, raw_server

SetConnection = Callable[..., None]


@pytest.fixture
def server() -> Iterator[RawServer]:
    with raw_server() as running:
        yield running


@pytest.fixture
def set_connection(monkeypatch: pytest.MonkeyPatch) -> SetConnection:
    """Return a function that sets an Airflow connection: outside a task Airflow reads it from the environment."""
    monkeypatch.delenv("RUNCOMFY_TOKEN", raising=False)

    def set_it(conn_id: str = "runcomfy_default", **fields: Any) -> None:
        extra = fields.pop("extra", None)
        if extra is not None:
            fields["extra"] = extra if isinstance(extra, str) else json.dumps(extra)
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": "runcomfy", **fields}))

    return set_it


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that were asked for; nobody really waits."""
    pauses: list[float] = []

    class Clock:
        time = 0.0

        def monotonic(self) -> float:
            return self.time

        def sleep(self, seconds: float) -> None:
            self.time += seconds
            pauses.append(seconds)

    clock = Clock()
    monkeypatch.setattr("tenacity.nap.time", clock)
    monkeypatch.setattr("tenacity.time", clock)
    return pauses
