"""The teardown cancels what nobody needs any more, and does no harm to what went well."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from dev.seaweedfs import BUCKET, SeaweedFS, seaweedfs
from tests.airflow_db import states, xcom
from tests.dags.parts import RunDag
from tests.runcomfy import CONNECTION_VARIABLE, connection_to

pytestmark = pytest.mark.slow

TRACK = "music/theme.mp3"


@pytest.fixture
def dag() -> Any:
    return import_module("example_dags.example_runcomfy_cancel_on_teardown").dag


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SeaweedFS]:
    with seaweedfs(tmp_path) as running:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", running.connection())
        yield running


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox that keeps every request in its queue."""
    with running_sandbox(queue_seconds=1000) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox in which generations take no time."""
    with running_sandbox(run_seconds=0) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox


def test_a_step_that_fails_costs_nothing(busy: Sandbox, s3: SeaweedFS, run_dag: RunDag, dag: Any) -> None:
    before = RunComfyHook().get_balance()

    run = run_dag(dag)

    assert states(run) == {
        "cancel": "success",
        "copy": "upstream_failed",
        "find_track": "failed",
        "submit": "success",
        "wait": "upstream_failed",
    }
    assert run.state == "failed"
    [request] = busy.requests()
    assert (request["state"], request["charged_usd"]) == ("cancelled", 0.0)
    assert xcom(run, "cancel") == {"request_id": request["request_id"], "outcome": "cancelled"}
    assert RunComfyHook().get_balance() == before


def test_a_wait_that_takes_too_long_costs_nothing(
    busy: Sandbox, s3: SeaweedFS, run_dag: RunDag, dag: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.client().put_object(Bucket=BUCKET, Key=TRACK, Body=b"la la la")
    monkeypatch.setattr(dag.get_task("wait"), "timeout", 1)

    run = run_dag(dag)

    assert states(run) == {
        "cancel": "success",
        "copy": "upstream_failed",
        "find_track": "success",
        "submit": "success",
        "wait": "failed",
    }
    [request] = busy.requests()
    assert (request["state"], request["charged_usd"]) == ("cancelled", 0.0)


def test_where_nothing_fails_the_clip_is_kept(idle: Sandbox, s3: SeaweedFS, run_dag: RunDag, dag: Any) -> None:
    s3.client().put_object(Bucket=BUCKET, Key=TRACK, Body=b"la la la")

    run = run_dag(dag)

    assert set(states(run).values()) == {"success"}
    [request] = idle.requests()
    assert request["state"] == "succeeded"
    assert xcom(run, "cancel") == {"request_id": request["request_id"], "outcome": "not_cancellable"}
    [clip] = xcom(run, "copy")
    assert clip["uri"] == f"s3://{BUCKET}/cancel-on-teardown/{request['request_id']}.mp4"
