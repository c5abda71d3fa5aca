"""`max_cost_usd` and the parameters of media, as people write them in Dags."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator, RunComfySubmitOperator
from airflow_provider_runcomfy.sandbox.server import Sandbox
from tests.airflow_db import states, xcom
from tests.dags.parts import CLIP, QUICK, RunDag, raised
from tests.runcomfy import PRO, count


@pytest.mark.parametrize("limit", [0, -1, True, float("nan"), float("inf")], ids=repr)
def test_a_limit_that_is_none_fails_in_the_dag_file(limit: Any) -> None:
    with pytest.raises(ValueError, match="max_cost_usd must be a number of US dollars above 0, or None; got"):
        RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP, max_cost_usd=limit)


@pytest.mark.parametrize("seconds", [0, 604_801, True, 60.0, "60"], ids=repr)
def test_a_life_that_no_store_signs_for_fails_in_the_dag_file(seconds: Any) -> None:
    with pytest.raises(ValueError, match="media_url_seconds must be a whole number of seconds from 1 to 604800; got"):
        RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP, media_url_seconds=seconds)


@pytest.mark.slow
def test_a_limit_may_be_a_template_and_mapped(sandbox: Sandbox, run_dag: RunDag) -> None:
    with DAG("limits", schedule=None, params={"budget": 1}) as dag:
        RunComfyGenerateOperator(
            task_id="one", model_id=PRO, inputs=CLIP, max_cost_usd="{{ params.budget }}", **QUICK
        )  # fmt: skip
        RunComfyGenerateOperator.partial(task_id="each", model_id=PRO, inputs=CLIP, **QUICK).expand(
            max_cost_usd=[0.34, 0.35]
        )
    run = run_dag(dag)

    assert states(run) == {"each[0]": "success", "each[1]": "success", "one": "success"}
    assert xcom(run, "one")["cost_usd"] == 0.336
    assert count(sandbox)["submit"] == 3


@pytest.mark.slow
def test_what_would_cost_more_is_not_submitted(
    sandbox: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str]
) -> None:
    with DAG("limited", schedule=None) as dag:
        RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP, max_cost_usd=0.33, retries=2)
    run = run_dag(dag)

    assert states(run) == {"submit": "failed"}
    assert "= 0.336 USD" in raised(capfd, "CostLimitError")
    assert count(sandbox)["submit"] == 0


@pytest.mark.slow
def test_a_sensor_tells_the_cost_of_what_another_task_submitted(
    sandbox: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str]
) -> None:
    from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor

    with DAG("told", schedule=None) as dag:
        submit = RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP)
        RunComfyRequestSensor(task_id="wait", request_id=submit.output)
    run = run_dag(dag)

    assert states(run) == {"submit": "success", "wait": "success"}
    assert f"Request {xcom(run, 'submit')} has cost 0.336 USD." in capfd.readouterr().out
