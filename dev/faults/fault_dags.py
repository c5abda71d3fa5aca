"""The Dags that are killed: each clip has a chain of its own, from its inputs to its object."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from airflow.sdk import DAG, Param, task, task_group

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator, RunComfySubmitOperator
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

MODEL = "kling/kling-3.0/standard/text-to-video"
PARAMS = {"prefix": Param("", type="string"), "clips": Param(1, type="integer"), "bucket": Param("videos")}
PATIENT: dict[str, Any] = {"retries": 20, "retry_delay": timedelta(seconds=1)}


@task
def clips(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the inputs of each clip; the prompt tells the sandbox's account which one it is."""
    return [
        {"prompt": f"{params['prefix']}/{number}", "duration": 3, "sound": False} for number in range(params["clips"])
    ]


def copy(request_id: Any, conn_id: str = "runcomfy_default") -> RunComfyToS3Operator:
    """Return the last link of each chain."""
    return RunComfyToS3Operator(
        task_id="copy",
        request_id=request_id,
        s3_bucket="{{ params.bucket }}",
        s3_key="{{ params.prefix }}/{request_id}.{ext}",
        runcomfy_conn_id=conn_id,
    )


def generate_dag(dag_id: str, conn_id: str, *, deferrable: bool = True) -> None:
    """Make a Dag that generates and copies each clip."""
    with DAG(dag_id, schedule=None, params=PARAMS, default_args=PATIENT, max_active_tasks=100):

        @task_group
        def generated(inputs: dict[str, Any]) -> None:
            """Generate and copy one clip."""
            made = RunComfyGenerateOperator(
                task_id="make",
                model_id=MODEL,
                inputs=inputs,
                runcomfy_conn_id=conn_id,
                deferrable=deferrable,
                poll_interval=2.0,
                max_poll_interval=4.0,
            )
            copy(made.output, conn_id)

        generated.expand(inputs=clips())  # type: ignore[call-arg,misc]


generate_dag("faults_generate", "runcomfy_default")
generate_dag("faults_slow", "runcomfy_slow")
generate_dag("faults_outage", "runcomfy_outage")
generate_dag("faults_worker", "runcomfy_default", deferrable=False)

with DAG("faults_submit", schedule=None, params=PARAMS, default_args=PATIENT):

    @task_group
    def submitted(inputs: dict[str, Any]) -> None:
        """Submit, wait for and copy one clip."""
        made = RunComfySubmitOperator(task_id="make", model_id=MODEL, inputs=inputs)
        waited = RunComfyRequestSensor(
            task_id="wait", request_id=made.output, poke_interval=2.0, max_poll_interval=4.0, timeout=1200
        )
        copy(waited.output)

    submitted.expand(inputs=clips())  # type: ignore[call-arg,misc]

# Only submits, to be measured, without and with TLS.
for conn_id in ("runcomfy_default", "runcomfy_tls"):
    with DAG(f"faults_window_{conn_id.removeprefix('runcomfy_')}", schedule=None, params=PARAMS, default_args=PATIENT):
        submit = RunComfySubmitOperator.partial(task_id="make", model_id=MODEL, runcomfy_conn_id=conn_id)
        submit.expand(inputs=clips())  # type: ignore[call-arg,misc]

# Requests that have ended, and a copy of each group of them.
with DAG("faults_copy", schedule=None, params=PARAMS | {"requests": Param([], type="array")}, default_args=PATIENT):

    @task
    def groups(params: dict[str, Any]) -> list[list[str]]:
        """Return the ids that each copy is given."""
        given: list[list[str]] = params["requests"]
        return given

    @task_group
    def copied(request_ids: list[str]) -> None:
        """Copy one group."""
        copy(request_ids, "runcomfy_large")

    copied.expand(request_ids=groups())  # type: ignore[call-arg,misc]

# One task that waits for what does not end, for each flag, deferred and on a worker.
for deferrable in (True, False):
    for cancel_on_kill in (True, False):
        with DAG(
            f"faults_wait_{'deferred' if deferrable else 'worker'}_{'on' if cancel_on_kill else 'off'}",
            schedule=None,
            params=PARAMS,
            # A clear of what runs is a retry to Airflow.
            default_args={"retry_delay": timedelta(seconds=1)},
        ):
            RunComfyGenerateOperator(
                task_id="make",
                model_id=MODEL,
                inputs={"prompt": "{{ params.prefix }}/0", "duration": 3},
                runcomfy_conn_id="runcomfy_full",
                deferrable=deferrable,
                cancel_on_kill=cancel_on_kill,
                poll_interval=2.0,
                max_poll_interval=4.0,
            )

# One task that gives up, for each flag.
for cancel_on_timeout in (True, False):
    with DAG(f"faults_timeout_{'on' if cancel_on_timeout else 'off'}", schedule=None, params=PARAMS):
        RunComfyGenerateOperator(
            task_id="make",
            model_id=MODEL,
            inputs={"prompt": "{{ params.prefix }}/0", "duration": 3},
            runcomfy_conn_id="runcomfy_full",
            cancel_on_timeout=cancel_on_timeout,
            timeout=timedelta(seconds=20),
            poll_interval=2.0,
            max_poll_interval=4.0,
        )

# One task whose inputs a person can change between a run and a clear.
on_clear: Literal["reuse", "resubmit"]
for on_clear in ("reuse", "resubmit"):
    with DAG(f"faults_clear_{on_clear}", schedule=None, params=PARAMS):
        RunComfyGenerateOperator(
            task_id="make",
            model_id=MODEL,
            inputs={"prompt": "{{ params.prefix }}/{{ var.value.get(params.prefix, 'first') }}", "duration": 3},
            on_clear=on_clear,
            poll_interval=2.0,
        )
