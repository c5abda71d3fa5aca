"""What a kill does to a task that waits on a worker."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState
from airflow_provider_runcomfy.exceptions import RunComfyFailError
from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.sandbox.server import Sandbox
from airflow_provider_runcomfy.triggers.events import to_event
from tests.airflow_db import needs_task_state_store, record, states, tries
from tests.dags.parts import RunDag
from tests.runcomfy import CONNECTION_VARIABLE, PRO, count

pytestmark = pytest.mark.slow

CLIP = {"prompt": "a kite over the dunes", "duration": 3, "sound": False}


@needs_task_state_store
@pytest.mark.parametrize(
    ("cancel_on_kill", "cancels", "submits"),
    [pytest.param(True, 1, 2, id="cancelled, and a retry submits anew"), pytest.param(False, 0, 1, id="left alone")],
)
def test_a_kill_on_a_worker(
    full: Sandbox,
    run_dag: RunDag,
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


def resuming() -> Any:
    """Return the context of a try that resumes."""
    return {"ti": SimpleNamespace(try_number=1, max_tries=1)}


def ended(end: End) -> dict[str, Any]:
    result = GenerationResult("r-1", RequestState.SUCCEEDED) if end is End.SUCCEEDED else None
    return to_event({"r-1": Ending(end, result)})


@pytest.mark.parametrize("end", [End.TIMED_OUT, End.UNAUTHENTICATED])
def test_a_kill_after_the_resume_still_cancels_what_goes_on(full: Sandbox, end: End) -> None:
    make = RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=CLIP)
    request_id = make._hook().submit(PRO, CLIP)

    with pytest.raises(RunComfyFailError):
        make.execute_complete(resuming(), to_event({request_id: Ending(end)}))
    make.on_kill()

    assert {request["request_id"]: request["state"] for request in full.requests()}[request_id] == "cancelled"


@pytest.mark.parametrize("end", list(End))
def test_a_resume_says_how_it_ended_also_without_a_connection(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: End
) -> None:
    monkeypatch.delenv(CONNECTION_VARIABLE, raising=False)
    monkeypatch.delenv("RUNCOMFY_TOKEN", raising=False)
    make = RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=CLIP)

    raises: Any = nullcontext() if end is End.SUCCEEDED else pytest.raises(RunComfyFailError, match="r-1")
    with raises:
        make.execute_complete(resuming(), ended(end))

    capsys.readouterr()
    make.on_kill()
    # Of a request that it could cancel a kill would say what became of it.
    assert "r-1" not in capsys.readouterr().out


def test_an_event_of_two_requests_is_refused() -> None:
    make = RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=CLIP)
    event = to_event({"r-1": Ending(End.CANCELLED), "r-2": Ending(End.CANCELLED)})

    with pytest.raises(RunComfyFailError, match="names 2 requests"):
        make.execute_complete(resuming(), event)
