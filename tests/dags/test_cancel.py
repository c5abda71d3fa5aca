"""Cancelling: a list to its end, and as the teardown of what failed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import DAG

from airflow_provider_runcomfy.exceptions import RequestNotAvailableError, RunComfyRetryableError
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from airflow_provider_runcomfy.operators.runcomfy import RunComfyCancelOperator, RunComfyGenerateOperator
from airflow_provider_runcomfy.sandbox.server import Sandbox
from tests.airflow_db import states, xcom
from tests.dags.parts import CLIP, QUICK, RunDag
from tests.runcomfy import PRO

pytestmark = pytest.mark.slow


def state_of(sandbox: Sandbox, request_id: str) -> str:
    state: str = next(request["state"] for request in sandbox.requests() if request["request_id"] == request_id)
    return state


def test_one_that_is_gone_keeps_no_other_from_being_cancelled(full: Sandbox) -> None:
    first, second = (RunComfyHook().submit(PRO, CLIP) for _ in range(2))
    cancel = RunComfyCancelOperator(task_id="cancel", request_id=[first, "gone-1", second])

    with pytest.raises(RequestNotAvailableError, match="gone-1"):
        cancel.execute({})

    assert [state_of(full, request_id) for request_id in (first, second)] == ["cancelled", "cancelled"]


def test_what_a_retry_can_mend_is_raised_before_what_it_cannot(full: Sandbox) -> None:
    queued = RunComfyHook().submit(PRO, CLIP)
    busy = {"code": 429, "headers": {"Retry-After": "0"}, "calls": ["cancel"], "times": None}
    full.add_fault("status", request_id=queued, **busy)
    cancel = RunComfyCancelOperator(task_id="cancel", request_id=["gone-1", queued])

    with pytest.raises(RunComfyRetryableError, match=queued):
        cancel.execute({})


def test_as_a_teardown_it_stops_what_a_failed_task_left(full: Sandbox, run_dag: RunDag) -> None:
    with DAG("teardown", schedule=None) as dag:
        make = RunComfyGenerateOperator(
            task_id="make", model_id=PRO, inputs=CLIP, timeout=timedelta(seconds=1), **QUICK
        )
        cancel = RunComfyCancelOperator(task_id="cancel", request_id=make.output["request_id"])  # type: ignore[index]
        make >> cancel.as_teardown()

    run = run_dag(dag)

    request_id = xcom(run, "make", "request_id")
    assert states(run) == {"cancel": "success", "make": "failed"}
    assert xcom(run, "cancel") == {"request_id": request_id, "outcome": "cancelled"}
    assert state_of(full, request_id) == "cancelled"
