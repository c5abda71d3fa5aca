"""The Dags of which Airflow's cost is measured: one task instance for each clip, and for copies two."""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator
from benchmarks.bare_deferrable import BareOperator

SECONDS = float(os.environ["COST_SECONDS"])
MODEL = "kling/kling-3.0/standard/text-to-video"
PARAMS = {"clips": Param(1, type="integer")}


@task
def clips(params: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"prompt": f"clip {number}", "duration": 3, "sound": False} for number in range(params["clips"])]


def generate() -> Any:
    return RunComfyGenerateOperator.partial(task_id="make", model_id=MODEL, poll_interval=2.0).expand(inputs=clips())


with DAG("bare", schedule=None, params=PARAMS, max_active_tasks=1000):
    BareOperator.partial(task_id="make", seconds=SECONDS).expand(inputs=clips())

with DAG("generate", schedule=None, params=PARAMS, max_active_tasks=1000):
    generate()

with DAG("generate_and_copy", schedule=None, params=PARAMS, max_active_tasks=1000):
    RunComfyToS3Operator.partial(task_id="copy", s3_bucket="videos").expand(request_id=generate().output)
