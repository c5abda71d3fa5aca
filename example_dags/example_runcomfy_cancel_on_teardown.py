"""
A clip that is cancelled, rather than paid for, when nobody needs it any more.

The clip is submitted first, so that it moves up RunComfy's queue while another step is done. When that step fails, the
wait takes too long, or a person gives up (marks *wait* as failed), the teardown cancels the request. Only a request
that is still queued can be cancelled, and costs nothing then; one that runs already goes on and is charged.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from airflow_provider_runcomfy.operators.runcomfy import RunComfyCancelOperator, RunComfySubmitOperator
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

with DAG(
    dag_id="example_runcomfy_cancel_on_teardown",
    schedule=None,
    tags=["example", "runcomfy"],
    # A retry pays nothing: it goes on with the request that was submitted.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    params={
        "bucket": Param("videos", type="string", title="S3 bucket"),
        "track": Param("music/theme.mp3", type="string", title="Key of the music that goes with the clip"),
    },
    doc_md=__doc__,
) as dag:
    submit = RunComfySubmitOperator(
        task_id="submit",
        model_id="kling/kling-3.0/pro/text-to-video",
        inputs={
            "prompt": "A dancer crosses an empty square in the rain, long shot, neon reflections.",
            "duration": 5,
            "aspect_ratio": "16:9",
            "sound": False,
        },
    )

    # The sooner it gives up, the likelier the request is still queued: no retries.
    @task(retries=0)
    def find_track(uri: str) -> str:
        """Make sure that the music is there; without it nobody needs the clip."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        if not S3Hook().check_for_key(uri):
            raise FileNotFoundError(f"{uri} is not there.")
        return uri

    wait = RunComfyRequestSensor(task_id="wait", request_id=submit.output, timeout=60 * 60)
    copy = RunComfyToS3Operator(
        task_id="copy",
        request_id=wait.output,
        s3_bucket="{{ params.bucket }}",
        s3_key="cancel-on-teardown/{request_id}.{ext}",
    )

    track = find_track("s3://{{ params.bucket }}/{{ params.track }}")
    # [START howto_operator_runcomfy_cancel]
    # It runs whatever became of the steps before it, as long as something was submitted. Of a clip that is finished
    # it says `not_cancellable`, which is no error. Whoever clears a later step clears `submit` with it, as its setup:
    # what was cancelled is submitted anew; what was not is used, and not paid again.
    cancel = RunComfyCancelOperator(task_id="cancel", request_id=submit.output)
    submit >> track >> wait >> copy >> cancel.as_teardown(setups=submit)
    # [END howto_operator_runcomfy_cancel]
