"""An image that is generated becomes a video: the still is kept in S3, and another model makes it move."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from airflow_provider_runcomfy.decorators.runcomfy import runcomfy_task
from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

with DAG(
    dag_id="example_runcomfy_image_to_video",
    schedule=None,
    tags=["example", "runcomfy"],
    # A retry pays nothing: it goes on with the request that was submitted.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    # These two models are the sandbox's. RunComfy's catalogue has many, and each names its inputs in its own way.
    params={
        "image_model": Param("sandbox/text-to-image", type="string", description="model that makes the still"),
        "video_model": Param("sandbox/image-to-video", type="string", description="model that makes it move"),
        "bucket": Param("videos", type="string", description="S3 bucket that still and clip go to"),
    },
    doc_md=__doc__,
) as dag:
    # [START howto_runcomfy_image_to_video]
    still = RunComfyGenerateOperator(
        task_id="still",
        model_id="{{ params.image_model }}",
        inputs={"prompt": "A paper boat on a rainy street, dusk, 35 mm."},
    )
    keep = RunComfyToS3Operator(
        task_id="keep",
        request_id=still.output,
        s3_bucket="{{ params.bucket }}",
        s3_key="stills/{request_id}.{ext}",
    )

    @runcomfy_task(model_id="{{ params.video_model }}")
    def clip(stills: Any) -> dict[str, Any]:
        """Return the inputs of the clip. RunComfy gets a signed URL of the still; its own would expire."""
        return {
            "prompt": "The boat drifts off, slow dolly in.",
            "image_url": stills[0]["uri"],
            "duration": 3,
            "sound": False,
        }

    RunComfyToS3Operator(
        task_id="copy",
        request_id=clip(keep.output),
        s3_bucket="{{ params.bucket }}",
        s3_key="clips/{request_id}.{ext}",
    )
    # [END howto_runcomfy_image_to_video]
