"""What a kill does to a task that waits on a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from tests.airflow_db import needs_task_state_store, record, states, tries
from tests.runcomfy import CONNECTION_VARIABLE, PRO, connection_to, count

pytestmark = pytest.mark.slow

CLIP = {"prompt": "a kite over the dunes", "duration": 3, "sound": False}


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox whose one slot is taken for ever, so that every further request is queued."""
    with running_sandbox(queue_seconds=0, run_seconds=1000, concurrency=1) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox


@needs_task_state_store
@pytest.mark.parametrize(
    ("cancel_on_kill", "cancels", "submits"),
    [pytest.param(True, 1, 2, id="cancelled, and a retry submits anew"), pytest.param(False, 0, 1, id="left alone")],
)
def test_a_kill_on_a_worker(
    full: Sandbox,
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    cancel_on_kill: bool,
    cancels: int,
    submits: int,
) -> None:
    from airflow_provider_runcomfy import waiting

    kills = 0
    step = waiting._take
    killed: list[RunComfyGenerateOperator] = []
    execute = RunComfyGenerateOperator.execute

    def remember(self: RunComfyGenerateOperator, context: Any) -> Any:
        killed.append(self)
        return execute(self, context)

    def take(*args: Any) -> Any:
        nonlocal kills
        if kills == 0:
            kills += 1
            killed[-1].on_kill()
        return step(*args)

    monkeypatch.setattr(waiting, "_take", take)
    monkeypatch.setattr(RunComfyGenerateOperator, "execute", remember)
    occupy(full)
    with DAG("killed", schedule=None) as dag:
        RunComfyGenerateOperator(
            task_id="make", model_id=PRO, inputs=CLIP, deferrable=False, cancel_on_kill=cancel_on_kill,
            timeout=timedelta(seconds=2), poll_interval=0.1, retries=1, retry_delay=timedelta(seconds=0),
        )  # fmt: skip

    run = run_dag(dag)

    # Nothing ever ends here, so the last try times out; that is not retried.
    assert states(run) == {"make": "failed"}
    assert count(full)["cancel"] == cancels
    assert count(full)["submit"] - 1 == submits
    assert tries(run, "make") == submits
    outcomes = [submission["outcome"] for submission in record(run, "make")["submissions"]]
    assert outcomes == (["cancelled", None] if cancel_on_kill else [None])


def occupy(sandbox: Sandbox) -> None:
    from airflow_provider_runcomfy.api.client import RunComfyClient
    from airflow_provider_runcomfy.api.settings import Settings

    with RunComfyClient(Settings("another-account-0123", sandbox.url)) as client:
        client.submit(client.prepare_submit(PRO, {"prompt": "in the way", "duration": 3}))
