"""One clip of each kling-3.0 model: submitted, awaited without a worker, copied to S3."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_runcomfy.operators.runcomfy import RunComfySubmitOperator
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

CLIPS = {
    "pro": {
        "prompt": "A paper boat sails down a rainy street at dusk, the camera close to the water.",
        "duration": 3,
        "aspect_ratio": "16:9",
        "sound": False,
    },
    "standard": {
        "prompt": "A red fox looks out of tall grass in morning light, then trots away.",
        "duration": 3,
        "aspect_ratio": "16:9",
        "sound": False,
    },
}

with DAG(
    dag_id="example_runcomfy_text_to_video",
    schedule=None,
    tags=["example", "runcomfy"],
    # A retry pays nothing: it goes on with the request that was submitted.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    params={"bucket": Param("videos", type="string", description="S3 bucket that the clips go to")},
    doc_md=__doc__,
) as dag:
    for tier, inputs in CLIPS.items():
        # [START howto_operator_runcomfy_submit]
        submit = RunComfySubmitOperator(
            task_id=f"submit_{tier}",
            model_id=f"kling/kling-3.0/{tier}/text-to-video",
            inputs=inputs,
        )
        # [END howto_operator_runcomfy_submit]

        # [START howto_sensor_runcomfy_request]
        wait = RunComfyRequestSensor(
            task_id=f"wait_{tier}",
            request_id=submit.output,
            timeout=60 * 60,
        )
        # [END howto_sensor_runcomfy_request]

        # [START howto_operator_runcomfy_to_s3]
        RunComfyToS3Operator(
            task_id=f"copy_{tier}",
            request_id=wait.output,
            s3_bucket="{{ params.bucket }}",
            s3_key="text-to-video/{request_id}.{ext}",
        )
        # [END howto_operator_runcomfy_to_s3]
