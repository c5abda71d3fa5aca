"""The Dags that are killed: each clip has a chain of its own, from its inputs to its object."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task, task_group

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator, RunComfySubmitOperator
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

MODEL = "kling/kling-3.0/standard/text-to-video"
PARAMS = {"prefix": Param("", type="string"), "clips": Param(1, type="integer"), "bucket": Param("videos")}
PATIENT: dict[str, Any] = {"retries": 20, "retry_delay": timedelta(seconds=1)}


@task
def clips(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the inputs of each clip; the prompt tells the sandbox's account which one it is."""
    return [
        {"prompt": f"{params['prefix']}/{number}", "duration": 3, "sound": False} for number in range(params["clips"])
    ]


def copy(request_id: Any) -> RunComfyToS3Operator:
    """Return the last link of each chain."""
    return RunComfyToS3Operator(
        task_id="copy",
        request_id=request_id,
        s3_bucket="{{ params.bucket }}",
        s3_key="{{ params.prefix }}/{request_id}.{ext}",
    )


with DAG("faults_generate", schedule=None, params=PARAMS, default_args=PATIENT):

    @task_group
    def generated(inputs: dict[str, Any]) -> None:
        """Generate and copy one clip."""
        made = RunComfyGenerateOperator(
            task_id="make", model_id=MODEL, inputs=inputs, poll_interval=2.0, max_poll_interval=4.0
        )
        copy(made.output)

    generated.expand(inputs=clips())  # type: ignore[call-arg]

with DAG("faults_submit", schedule=None, params=PARAMS, default_args=PATIENT):

    @task_group
    def submitted(inputs: dict[str, Any]) -> None:
        """Submit, wait for and copy one clip."""
        made = RunComfySubmitOperator(task_id="make", model_id=MODEL, inputs=inputs)
        waited = RunComfyRequestSensor(
            task_id="wait", request_id=made.output, poke_interval=2.0, max_poll_interval=4.0, timeout=1200
        )
        copy(waited.output)

    submitted.expand(inputs=clips())  # type: ignore[call-arg]
