"""
A clip that a person sees before it is published.

The run stops at *approve*, where the UI asks: approved, the clip is copied from `review/` to `published/`; rejected, it
stays where it is. Waiting for the answer holds no worker, however long it takes. The clip is paid for once, when it is
generated, whatever the answer is; copying and reviewing cost nothing at RunComfy.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param, task

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

# Markdown. The indented prompt is shown as it was sent, whatever Markdown its author has put into it.
WHAT_THE_REVIEWER_SEES = """\
{%- set made = ti.xcom_pull(task_ids="generate") -%}
{%- set clip = ti.xcom_pull(task_ids="copy_to_review")[0] -%}
[Watch the clip](<{{ made.media[0].url }}>) (the link works for as long as RunComfy keeps the file)

- Copy that will be published: `{{ clip.uri }}`
- Size: {{ clip.size | filesizeformat(true) }}, {{ clip.content_type }}
- Made by {{ made.model_id }} for {{ made.cost_usd }} USD, which a rejection does not bring back

Prompt:

    {{ params.prompt | indent(4) }}
"""

with DAG(
    dag_id="example_runcomfy_approve_and_publish",
    schedule=None,
    # Runs that wait for an answer count here: the next clips are generated only when there are fewer to review.
    max_active_runs=16,
    tags=["example", "runcomfy"],
    # A retry pays nothing: it goes on with the request that was submitted.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    params={
        "prompt": Param(
            "A glass of iced tea on a garden table, condensation running down, shallow depth of field.",
            type="string",
            title="Prompt",
            format="multiline",
            minLength=1,
        ),
        "bucket": Param("videos", type="string", title="S3 bucket"),
    },
    doc_md=__doc__,
) as dag:
    generate = RunComfyGenerateOperator(
        task_id="generate",
        model_id="kling/kling-3.0/pro/text-to-video",
        inputs={"prompt": "{{ params.prompt }}", "duration": 3, "aspect_ratio": "16:9", "sound": False},
    )
    # Before anybody looks: RunComfy's own file may be gone when the answer comes.
    copy = RunComfyToS3Operator(
        task_id="copy_to_review",
        request_id=generate.output,
        s3_bucket="{{ params.bucket }}",
        s3_key="review/{request_id}.{ext}",
    )

    # [START howto_runcomfy_approve]
    approve = ApprovalOperator(
        task_id="approve",
        subject="Publish this clip? {{ params.prompt | truncate(80) }}",
        body=WHAT_THE_REVIEWER_SEES,
    )
    # [END howto_runcomfy_approve]

    @task
    def publish(copies: Any) -> str:
        """Copy what was approved within the bucket, and return the URI of the published object."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        bucket, reviewed = S3Hook.parse_s3_url(copies[0]["uri"])
        published = reviewed.replace("review/", "published/", 1)
        S3Hook().copy_object(reviewed, published, bucket, bucket)
        return f"s3://{bucket}/{published}"

    copy >> approve >> publish(copy.output)
