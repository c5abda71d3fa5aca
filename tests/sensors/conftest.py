"""A sandbox that the sensor's connection leads to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from tests.runcomfy import CONNECTION_VARIABLE, connection_to


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox with one slot, in which nothing ever ends."""
    with running_sandbox(queue_seconds=0, run_seconds=1000, concurrency=1) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox
