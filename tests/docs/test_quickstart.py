"""What `docs/quickstart.md` tells a newcomer to type is right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from airflow_provider_runcomfy.sandbox.settings import SandboxSettings
from tests.airflow_db import states, xcom
from tests.dags.parts import RunDag
from tests.docs.tables import docs
from tests.runcomfy import CONNECTION_VARIABLE, connection_to


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setattr("airflow_provider_runcomfy.waiting.SHORTEST_DEFERRAL_SECONDS", 0.0)
    with running_sandbox(queue_seconds=0, run_seconds=0) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox


@pytest.mark.slow
def test_the_first_dag_makes_a_video(sandbox: Sandbox, run_dag: RunDag, tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", docs("quickstart.md"), re.DOTALL)
    assert "file:///tmp/clips/" in code
    names: dict[str, Any] = {}
    exec(compile(code.replace("/tmp/clips", str(tmp_path)), "quickstart.md", "exec"), names)

    run = run_dag(names["dag"])

    assert states(run) == {"generate": "success", "copy": "success"}
    [request] = sandbox.requests()
    [line] = xcom(run, "copy")
    [clip] = tmp_path.iterdir()
    assert (clip.name, clip.stat().st_size) == (f"{request['request_id']}.mp4", line["size"])


@pytest.mark.parametrize("page", ["quickstart.md", "connection.md", "../README.md"])
def test_the_connection_is_the_one_that_the_sandbox_prints(page: str) -> None:
    default = SandboxSettings()
    [text] = re.findall(r"AIRFLOW_CONN_RUNCOMFY_DEFAULT='(.*127\.0\.0\.1.*)'", docs(page))
    host = f"http://{default.host}:{default.port}"
    assert json.loads(text) == {"conn_type": "runcomfy", "host": host, "password": "anything"}
