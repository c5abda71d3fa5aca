"""
The Dags that the browser looks at: a gallery with everything that can happen to a clip, one clip that waits, and one
by a connection that a person makes in the form.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

PRO = "kling/kling-3.0/pro/text-to-video"
PROMPTS = [
    "A paper boat sails down a rainy street at dusk, the camera close to the water.",
    "A red fox looks out of tall grass in morning light, then trots away.",
    "<script>document.title = 'taken over'</script><img src=x onerror=\"document.title='taken over'\">",
    "This one fails.",
]
SHAPES = ["16:9", "9:16", "1:1", "16:9"]
MADE_IN_THE_FORM = "made_in_the_form"
QUICK: dict[str, Any] = {"poll_interval": 1.0, "max_poll_interval": 2.0}

with DAG("clips", schedule=None, default_args={"retries": 0}) as clips:
    inputs = [
        {"prompt": prompt, "duration": 3, "aspect_ratio": shape, "sound": False}
        for prompt, shape in zip(PROMPTS, SHAPES, strict=True)
    ]
    generate = RunComfyGenerateOperator.partial(task_id="generate", model_id=PRO, **QUICK).expand(inputs=inputs)
    copy = RunComfyToS3Operator.partial(task_id="copy", s3_bucket="videos", trigger_rule="all_done")
    copy.expand(request_id=generate.output)
    not_copied = RunComfyGenerateOperator(
        task_id="not_copied", model_id=PRO, inputs={"prompt": "A lighthouse in fog.", "duration": 3}, **QUICK
    )
    # It gives up long before the queue lets it through.
    RunComfyGenerateOperator(
        task_id="given_up",
        model_id=PRO,
        inputs={"prompt": "A train leaves the station.", "duration": 3},
        timeout=timedelta(seconds=7),
        **QUICK,
    )

    @task
    def count_the_clips() -> int:
        """Return a number, as the tasks of others do."""
        return 5

    count_the_clips()

with DAG("waiting", schedule=None, default_args={"retries": 0}):
    RunComfyGenerateOperator(
        task_id="generate",
        model_id=PRO,
        inputs={"prompt": "Clouds over a mountain lake, time lapse.", "duration": 3},
        **QUICK,
    )

with DAG("connected", schedule=None, default_args={"retries": 0}):
    RunComfyGenerateOperator(
        task_id="generate",
        model_id=PRO,
        inputs={"prompt": "A kite over the dunes.", "duration": 3},
        runcomfy_conn_id=MADE_IN_THE_FORM,
        **QUICK,
    )

    @task
    def limits() -> list[Any]:
        """Return what the connection lets transfers download."""
        from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook

        policy = RunComfyHook(MADE_IN_THE_FORM).download_policy
        return [list(policy.hosts), policy.max_bytes]

    limits()
