"""
Nightly clips within a budget: a row is a clip.

A function turns each row of tonight into inputs; S3 keeps what comes of them. The night's budget is shared out among
the clips: one that would cost more than its share, by estimate, is not submitted, and fails by itself.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_runcomfy.decorators.runcomfy import runcomfy_task
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

# What a table would hold. The second row was written by somebody who knows Jinja: it stays what it says.
ROWS = (
    {"product": "a brass desk lamp", "setting": "on a walnut desk at dusk, slow push in", "tall": False},
    {"product": "a {{ blue }} mug", "setting": "steaming by a rainy window, handheld", "tall": True},
)

with DAG(
    dag_id="example_runcomfy_nightly_clips",
    # Give it a schedule of yours: "@daily", or the asset that your rows are.
    schedule=None,
    tags=["example", "runcomfy"],
    # A retry pays nothing: it goes on with the request that was submitted, and does not call the function again.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    params={
        "bucket": Param("videos", type="string", description="S3 bucket that the clips go to"),
        "budget_usd": Param(1.0, type="number", exclusiveMinimum=0, description="what a night may cost, in US dollars"),
    },
    doc_md=__doc__,
) as dag:

    @task
    def rows() -> list[dict[str, Any]]:
        """Return the rows of tonight: here from this file, with you from a query."""
        return [*ROWS]

    # [START howto_decorator_runcomfy]
    @runcomfy_task(
        model_id="kling/kling-3.0/standard/text-to-video",
        max_cost_usd="{{ params.budget_usd / (ti.xcom_pull('rows') | length) }}",
        timeout=timedelta(hours=2),
    )
    def clip(row: dict[str, Any]) -> dict[str, Any]:
        """Return the inputs of a row's clip."""
        return {
            "prompt": f"Product shot of {row['product']}, {row['setting']}.",
            "duration": 3,
            "aspect_ratio": "9:16" if row["tall"] else "16:9",
            "sound": False,
        }

    clips = clip.expand(row=rows())
    # [END howto_decorator_runcomfy]

    # all_done: one clip that failed keeps no other, which was paid for, from being copied.
    RunComfyToS3Operator.partial(
        task_id="copy",
        s3_bucket="{{ params.bucket }}",
        s3_key="nightly/{{ dag_run.run_after | ds }}/{request_id}.{ext}",
        trigger_rule="all_done",
    ).expand(request_id=clips)
