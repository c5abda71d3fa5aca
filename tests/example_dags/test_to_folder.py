"""The example that copies to a folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from airflow_provider_runcomfy.sandbox.server import running_sandbox
from tests.airflow_db import states, xcom
from tests.dags.parts import RunDag
from tests.runcomfy import CONNECTION_VARIABLE, connection_to

pytestmark = pytest.mark.slow


def test_the_clip_is_in_the_folder(run_dag: RunDag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_sandbox(queue_seconds=0, run_seconds=0) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        run = run_dag(import_module("example_dags.example_runcomfy_to_folder").dag, run_conf={"folder": str(tmp_path)})
        [request] = sandbox.requests()

    assert states(run) == {"copy": "success", "generate": "success"}
    [line] = xcom(run, "copy")
    copy = tmp_path / request["request_id"] / "0.mp4"
    assert line["uri"] == f"file://{copy}"
    assert copy.stat().st_size == line["size"]
