"""Before Airflow 3.3 nothing of a try outlives it: a retry counts as one whose earlier try may have paid."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator, RunComfySubmitOperator
from airflow_provider_runcomfy.sandbox.server import Sandbox
from tests.airflow_db import has_task_state_store, states, tries, xcom
from tests.dags.parts import CLIP, QUICK, RunDag, raised
from tests.runcomfy import PRO, count

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(has_task_state_store, reason="this Airflow has a task state store; see `make test-floor`"),
]

RETRIED: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=0)}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"effect": "lost_answer"}, id="the answer is lost"),
        pytest.param({"effect": "status", "code": 503, "calls": ["submit"]}, id="503"),
    ],
)
def test_an_unanswered_submit_is_not_retried_and_the_error_says_that_nothing_is_kept(
    sandbox: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str], fault: dict[str, Any]
) -> None:
    sandbox.add_fault(**fault)
    with DAG("unanswered", schedule=None) as dag:
        RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP, **RETRIED)

    run = run_dag(dag)

    assert (states(run), tries(run, "submit")) == ({"submit": "failed"}, 1)
    assert count(sandbox)["submit"] == 1
    assert "Before Airflow 3.3 nothing of a try outlives it" in raised(capfd, "UnknownSubmissionError")


def test_a_retry_submits_nothing_since_the_first_try_may_have_paid(
    sandbox: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str]
) -> None:
    sandbox.add_fault("fail", times=1)
    with DAG("retried", schedule=None) as dag:
        RunComfyGenerateOperator(
            task_id="make", model_id=PRO, inputs=CLIP, resubmit_failed=True, **RETRIED, **QUICK
        )  # fmt: skip

    run = run_dag(dag)

    assert (states(run), tries(run, "make")) == ({"make": "failed"}, 2)
    assert count(sandbox)["submit"] == 1
    message = raised(capfd, "UnknownSubmissionError")
    for said in ("An earlier try began to submit", "Before Airflow 3.3", "on_unknown_submission='resubmit'"):
        assert said in message


@pytest.mark.parametrize(
    "fault", [pytest.param("lost_answer", id="the answer is lost"), pytest.param("fail", id="failed generation")]
)
def test_a_retry_submits_anew_where_that_was_asked_for(sandbox: Sandbox, run_dag: RunDag, fault: str) -> None:
    sandbox.add_fault(fault, times=1)
    with DAG("resubmits", schedule=None) as dag:
        RunComfyGenerateOperator(
            task_id="make", model_id=PRO, inputs=CLIP, on_unknown_submission="resubmit", resubmit_failed=True,
            **RETRIED, **QUICK,
        )  # fmt: skip

    run = run_dag(dag)

    assert (states(run), tries(run, "make")) == ({"make": "success"}, 2)
    assert count(sandbox)["submit"] == 2
    assert xcom(run, "make")["request_id"] == sandbox.requests()[-1]["request_id"]
