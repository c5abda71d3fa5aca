"""The Dag that the cluster runs: many clips are generated, and then copied."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

with DAG(
    "clips",
    schedule=None,
    params={"clips": Param(300, type="integer"), "bucket": Param("videos", type="string")},
    # The pool and the workers are to be the limits.
    max_active_tasks=1000,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=2)},
):

    @task
    def prompts(params: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the inputs of each clip: the smallest that there is, as the machine that runs all this draws it."""
        return [
            {"prompt": f"clip {number}", "duration": 3, "aspect_ratio": "1:1", "sound": False}
            for number in range(params["clips"])
        ]

    # The operators are mapped, not a task group around them: of a group the scheduler asks the database, in each of its
    # loops and for each clip, whether the clip's next task may run; with 300 clips it does hardly anything else.
    generate = RunComfyGenerateOperator.partial(
        task_id="generate", model_id="kling/kling-3.0/standard/text-to-video", pool="generations"
    ).expand(inputs=prompts())  # type: ignore[call-arg,misc]
    RunComfyToS3Operator.partial(
        task_id="copy",
        s3_bucket="{{ params.bucket }}",
        s3_key="clips/{request_id}.{ext}",
        # One clip that failed must not keep the others, which are paid for, from being copied.
        trigger_rule="all_done",
    ).expand(request_id=generate.output)
