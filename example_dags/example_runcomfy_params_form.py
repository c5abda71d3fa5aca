"""Make me a clip: a form in Airflow's UI, one generation, the file in S3."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

# [START howto_runcomfy_params_form]
with DAG(
    dag_id="example_runcomfy_params_form",
    schedule=None,
    tags=["example", "runcomfy"],
    # A retry pays nothing: it goes on with the request that was submitted.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    params={
        "model_id": Param(
            "kling/kling-3.0/standard/text-to-video",
            type="string",
            title="Model",
            enum=["kling/kling-3.0/standard/text-to-video", "kling/kling-3.0/pro/text-to-video"],
        ),
        "prompt": Param(
            "A lighthouse in a storm, waves breaking over the rocks, slow aerial shot.",
            type="string",
            title="Prompt",
            format="multiline",
            minLength=1,
        ),
        "duration": Param(3, type="integer", title="Duration in seconds", minimum=3, maximum=15),
        "aspect_ratio": Param("16:9", type="string", title="Aspect ratio", enum=["16:9", "9:16", "1:1"]),
        "sound": Param(False, type="boolean", title="With sound (costs half as much again)"),
        "bucket": Param("videos", type="string", title="S3 bucket"),
    },
    doc_md=__doc__,
) as dag:
    generate = RunComfyGenerateOperator(
        task_id="generate",
        model_id="{{ params.model_id }}",
        # Jinja makes text of numbers and booleans; they are read back as the model's schema says.
        inputs={
            "prompt": "{{ params.prompt }}",
            "duration": "{{ params.duration }}",
            "aspect_ratio": "{{ params.aspect_ratio }}",
            "sound": "{{ params.sound }}",
        },
    )
    RunComfyToS3Operator(
        task_id="copy",
        request_id=generate.output,
        s3_bucket="{{ params.bucket }}",
        s3_key="make-me-a-clip/{request_id}.{ext}",
    )
# [END howto_runcomfy_params_form]
