"""Sandboxes that the triggers' connection leads to, and waits without their usual pauses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_runcomfy.api import polling
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from airflow_provider_runcomfy.triggers import throttle
from tests.runcomfy import CONNECTION_VARIABLE, connection_to


@pytest.fixture
def polls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_runcomfy.waiting.SHORTEST_DEFERRAL_SECONDS", 0.0)
    monkeypatch.setattr(throttle, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(throttle, "_PROBES_PER_SECOND", 100.0)
    monkeypatch.setattr(polling, "_REREAD_SECONDS", 0.05)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with running_sandbox(queue_seconds=0, run_seconds=0) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox with one slot, in which nothing ever ends."""
    with running_sandbox(queue_seconds=0, run_seconds=1000, concurrency=1) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox
