from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from tests.sandbox.client import Caller


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox in which everything has ended by the time of the next call."""
    with running_sandbox(queue_seconds=0, run_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    return Caller(sandbox)


@pytest.fixture
def waiting() -> Iterator[Caller]:
    """A caller of a sandbox with one slot, in which nothing ever ends."""
    with running_sandbox(queue_seconds=0, run_seconds=1000, concurrency=1) as sandbox:
        yield Caller(sandbox)
