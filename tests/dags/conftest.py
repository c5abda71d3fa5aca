from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from tests.runcomfy import CONNECTION_VARIABLE, connection_to


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox in which generations take no time, and the connection to it; triggers poll at once."""
    # Only Airflow's scheduler, which dag.test() does without, needs the first poll to come late.
    monkeypatch.setattr("airflow_provider_runcomfy.triggers.runcomfy._FIRST_POLL_SECONDS", 0.0)
    with running_sandbox(queue_seconds=0, run_seconds=0) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox
