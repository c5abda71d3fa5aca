"""
What type checkers say of operators, sensor, transfers, trigger, hooks and errors: checked by mypy, run by nobody.

Each wrong line is told to be wrong: should mypy take it, its "type: ignore" would be unused, which mypy reports.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_type

from airflow.sdk import Context, task
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy import exceptions
from airflow_provider_runcomfy.api.types import Balance, CancelOutcome, GenerationResult, RequestState, RequestStatus
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyAsyncHook, RunComfyHook
from airflow_provider_runcomfy.operators.runcomfy import (
    RunComfyCancelOperator,
    RunComfyGenerateOperator,
    RunComfySubmitOperator,
)
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from airflow_provider_runcomfy.transfers.runcomfy_to_gcs import RunComfyToGCSOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_object_storage import RunComfyToObjectStorageOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator
from airflow_provider_runcomfy.triggers.runcomfy import RunComfyRequestTrigger

SCENE: dict[str, str | int] = {"prompt": "a fox", "duration": 5}


@task
def scene() -> dict[str, Any]:
    return {"prompt": "a fox"}


# What people write: literals, templates, and what upstream tasks return.
submit = RunComfySubmitOperator(task_id="submit", model_id="a/model", inputs=SCENE, max_cost_usd="{{ params.limit }}")
RunComfySubmitOperator(task_id="of_upstream", model_id="a/model", inputs=scene(), on_clear="resubmit", retries=2)
generate = RunComfyGenerateOperator(
    task_id="make", model_id="a/model", inputs=scene(), timeout=timedelta(minutes=20), poll_interval=1, deferrable=False
)
RunComfyGenerateOperator.partial(task_id="each", model_id="a/model").expand(inputs=[SCENE, SCENE])
RunComfyRequestSensor(task_id="wait", request_id=submit.output, timeout=600, mode="reschedule", soft_fail=True)
# Airflow's XComArg does not say that it can be indexed, which its documentation does.
by_key = generate.output["request_id"]  # type: ignore[index]
RunComfyCancelOperator(task_id="cancel", request_id=by_key).as_teardown()
to_s3 = RunComfyToS3Operator(
    task_id="to_s3", request_id=generate.output, s3_bucket="clips", extra_args={"StorageClass": "STANDARD_IA"}
)
RunComfyToGCSOperator(task_id="to_gcs", request_id=["an-id"], bucket_name="clips", impersonation_chain=["a", "b"])
RunComfyToObjectStorageOperator(task_id="to_store", request_id=scene(), destination="file:///clips/{index}.{ext}")

# What they get wrong.
RunComfySubmitOperator(task_id="submit", inputs=SCENE)  # type: ignore[call-arg]
RunComfySubmitOperator(task_id="submit", model_id=7, inputs=SCENE)  # type: ignore[arg-type]
RunComfySubmitOperator(task_id="submit", model_id="a/model", inputs="a fox")  # type: ignore[arg-type]
RunComfySubmitOperator(task_id="submit", model_id="a/model", inputs=SCENE, on_clear="pay")  # type: ignore[arg-type]
RunComfyGenerateOperator(task_id="make", model_id="a/model", inputs=SCENE, timeout=3600)  # type: ignore[arg-type]
RunComfyRequestSensor(task_id="wait")  # type: ignore[call-arg]
RunComfyRequestSensor(task_id="wait", request_id="an-id", deferrable="no")  # type: ignore[arg-type]
RunComfyCancelOperator(task_id="cancel")  # type: ignore[call-arg]
RunComfyToS3Operator(task_id="to_s3", request_id="an-id")  # type: ignore[call-arg]
RunComfyToGCSOperator(task_id="to_gcs", request_id="an-id", bucket_name=7)  # type: ignore[arg-type]
RunComfyToObjectStorageOperator(task_id="to_store", request_id="an-id", destination=None)  # type: ignore[arg-type]
RunComfyRequestTrigger(request_id="an-id")  # type: ignore[call-arg]
RunComfyRequestTrigger(request_id=7, end_time=0)  # type: ignore[arg-type]


def whoever_calls_the_hook(hook: RunComfyHook, context: Context) -> None:
    assert_type(hook.submit("a/model", SCENE), str)
    assert_type(hook.get_status("an-id"), RequestStatus)
    assert_type(hook.get_status("an-id").state, RequestState)
    assert_type(hook.get_status("an-id").queue_position, int | None)
    assert_type(hook.get_result("an-id"), GenerationResult)
    assert_type(hook.get_result("an-id").cost_usd, float | None)
    assert_type([medium.url for medium in hook.get_result("an-id").media], list[str])
    assert_type(hook.cancel("an-id"), CancelOutcome)
    assert_type(hook.get_balance(), Balance)
    assert_type(to_s3.execute(context), list[dict[str, Any]])
    hook.submit("a/model", inputs="a fox")  # type: ignore[arg-type]
    hook.list_models("video")  # type: ignore[call-arg]


async def whoever_waits() -> None:
    async with RunComfyAsyncHook("runcomfy_default") as hook:
        assert_type(hook, RunComfyAsyncHook)
        assert_type(await hook.get_status("an-id"), RequestStatus)
        assert_type(await hook.get_result("an-id"), GenerationResult)
        assert_type(await hook.cancel("an-id"), CancelOutcome)


# Whoever catches Airflow's error catches ours.
caught: list[type[AirflowException]] = [
    exceptions.RunComfyRetryableError,
    exceptions.RunComfyFailError,
    exceptions.UnknownSubmissionError,
    exceptions.GenerationModeratedError,
]
