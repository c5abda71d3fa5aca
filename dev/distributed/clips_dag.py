"""The Dag that the cluster runs: each clip is generated and copied in a chain of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task, task_group

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

with DAG(
    "clips",
    schedule=None,
    params={"clips": Param(300, type="integer"), "bucket": Param("videos", type="string")},
    # The pool and the workers are to be the limits.
    max_active_tasks=1000,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=2), "weight_rule": "absolute"},
):

    @task
    def prompts(params: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the inputs of each clip: the smallest that there is, as the machine that runs all this draws it."""
        return [
            {"prompt": f"clip {number}", "duration": 3, "aspect_ratio": "1:1", "sound": False}
            for number in range(params["clips"])
        ]

    @task_group
    def clip(inputs: dict[str, Any]) -> None:
        """Generate and copy one clip."""
        generate = RunComfyGenerateOperator(
            task_id="generate", model_id="kling/kling-3.0/standard/text-to-video", inputs=inputs, pool="generations"
        )
        RunComfyToS3Operator(
            task_id="copy",
            request_id=generate.output,
            s3_bucket="{{ params.bucket }}",
            s3_key="clips/{request_id}.{ext}",
            # Before further submits: RunComfy's URLs expire.
            priority_weight=2,
        )

    clip.expand(inputs=prompts())  # type: ignore[call-arg,misc]
