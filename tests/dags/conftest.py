from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from airflow_provider_runcomfy.api.client import RunComfyClient
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from tests.runcomfy import CONNECTION_VARIABLE, PRO, connection_to


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Only Airflow's scheduler, which dag.test() does without, needs the first poll to come late.
    monkeypatch.setattr("airflow_provider_runcomfy.waiting.SHORTEST_DEFERRAL_SECONDS", 0.0)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[Sandbox]]:
    """Return what runs a sandbox, with the default connection leading to it."""

    @contextmanager
    def run(run_seconds: float, concurrency: int = 2) -> Iterator[Sandbox]:
        with running_sandbox(queue_seconds=0, run_seconds=run_seconds, concurrency=concurrency) as sandbox:
            monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
            yield sandbox

    return run


@pytest.fixture
def sandbox(connected: Callable[..., AbstractContextManager[Sandbox]]) -> Iterator[Sandbox]:
    """A sandbox in which generations take no time."""
    with connected(run_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def working(connected: Callable[..., AbstractContextManager[Sandbox]]) -> Iterator[Sandbox]:
    """A sandbox in which the first two looks at a result, however late they come, find that it is not there yet."""
    with connected(run_seconds=0) as sandbox:
        sandbox.add_fault("status", code=200, body={"status": "in_progress"}, calls=["result"], times=2)
        yield sandbox


@pytest.fixture
def endless(connected: Callable[..., AbstractContextManager[Sandbox]]) -> Iterator[Sandbox]:
    """A sandbox in which generations run at once, and do not end."""
    with connected(run_seconds=1000, concurrency=9) as sandbox:
        yield sandbox


@pytest.fixture
def full(connected: Callable[..., AbstractContextManager[Sandbox]]) -> Iterator[Sandbox]:
    """A sandbox whose one slot is taken by another account for ever, so that every request is queued."""
    with connected(run_seconds=1000, concurrency=1) as sandbox:
        with RunComfyClient(Settings("another-account-0123", sandbox.url)) as client:
            client.submit(client.prepare_submit(PRO, {"prompt": "in the way", "duration": 3}))
        yield sandbox
