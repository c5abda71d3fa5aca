"""One clip, awaited without a worker, copied to Google Cloud Storage."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_gcs import RunComfyToGCSOperator

with DAG(
    dag_id="example_runcomfy_to_gcs",
    schedule=None,
    tags=["example", "runcomfy"],
    # A retry pays nothing: it goes on with the request that was submitted.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    params={"bucket": Param("videos", type="string", description="GCS bucket that the clip goes to")},
    doc_md=__doc__,
) as dag:
    # [START howto_operator_runcomfy_generate]
    generate = RunComfyGenerateOperator(
        task_id="generate",
        model_id="kling/kling-3.0/standard/text-to-video",
        inputs={
            "prompt": "A tram climbs a steep street at first light, the city below still in fog.",
            "duration": 3,
            "aspect_ratio": "16:9",
            "sound": False,
        },
    )
    # [END howto_operator_runcomfy_generate]

    # [START howto_operator_runcomfy_to_gcs]
    RunComfyToGCSOperator(
        task_id="copy",
        request_id=generate.output,
        bucket_name="{{ params.bucket }}",
        object_name="to-gcs/{request_id}.{ext}",
        gcp_conn_id="google_cloud_default",
    )
    # [END howto_operator_runcomfy_to_gcs]
