from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from tests.runcomfy import CONNECTION_VARIABLE, connection_to


@pytest.fixture
def busy_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox in which every request waits."""
    with running_sandbox(queue_seconds=1000) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox
