"""One clip, awaited without a worker, copied to a folder; the same operator copies to Azure and other stores."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_object_storage import RunComfyToObjectStorageOperator

with DAG(
    dag_id="example_runcomfy_to_folder",
    schedule=None,
    tags=["example", "runcomfy"],
    # A retry pays nothing: it goes on with the request that was submitted.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    params={"folder": Param("/tmp/clips", type="string", description="Folder, which every worker has to have")},
    doc_md=__doc__,
) as dag:
    generate = RunComfyGenerateOperator(
        task_id="generate",
        model_id="kling/kling-3.0/standard/text-to-video",
        inputs={
            "prompt": "A kite climbs over a windy beach, seen from below.",
            "duration": 3,
            "aspect_ratio": "16:9",
            "sound": False,
        },
    )

    # [START howto_operator_runcomfy_to_object_storage]
    RunComfyToObjectStorageOperator(
        task_id="copy",
        request_id=generate.output,
        destination="file://{{ params.folder }}/{request_id}/{index}.{ext}",
    )
    # [END howto_operator_runcomfy_to_object_storage]
