"""The transfer in Dags that Airflow runs, from the sandbox into SeaweedFS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator
from dev.seaweedfs import WRITER, SeaweedFS
from tests.airflow_db import states, xcom
from tests.dags.parts import RunDag
from tests.runcomfy import CONNECTION_VARIABLE, PRO, STANDARD, connection_to
from tests.transfers.targets.s3 import S3Target

pytestmark = pytest.mark.slow

CLIP = {"prompt": "a paper boat on a rainy street", "duration": 3, "sound": False}
MAKE: dict[str, Any] = {"deferrable": False, "poll_interval": 0.1, "max_poll_interval": 0.1}


@pytest.fixture
def sandbox(seaweed: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with running_sandbox(queue_seconds=0, run_seconds=0) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", seaweed.connection(WRITER))
        yield sandbox


def test_results_flow_from_mapped_generations_into_mapped_copies_and_into_one(
    sandbox: Sandbox, run_dag: RunDag, bucket: S3Target
) -> None:
    given: dict[str, Any] = {"s3_bucket": "{{ params.bucket }}", "aws_conn_id": "{{ 'aws_' + 'default' }}"}
    with DAG("copy_mapped", schedule=None, params={"bucket": bucket.name, "prefix": bucket.prefix}) as dag:
        make = RunComfyGenerateOperator.partial(task_id="make", inputs=CLIP, **MAKE).expand(model_id=[PRO, STANDARD])
        RunComfyToS3Operator.partial(
            task_id="each", s3_key="{{ params.prefix }}each/{request_id}-{index}.{ext}", **given
        ).expand(request_id=make.output)
        RunComfyToS3Operator(
            task_id="all", request_id=make.output, s3_key="{{ params.prefix }}all/{request_id}.{ext}", **given
        )
        make >> RunComfyToS3Operator(
            task_id="one",
            request_id="{{ ti.xcom_pull(task_ids='make', key='request_id', map_indexes=0) }}",
            s3_key="{{ params.prefix }}one/{request_id}.{ext}",
            **given,
        )

    run = run_dag(dag)

    assert set(states(run).values()) == {"success"}
    ids = [result["request_id"] for result in xcom(run, "make")]
    each, together, one = xcom(run, "each"), xcom(run, "all"), xcom(run, "one")
    assert [line["uri"] for [line] in each] == [bucket.uri(f"each/{request_id}-0.mp4") for request_id in ids]
    assert [line["uri"] for line in together] == [bucket.uri(f"all/{request_id}.mp4") for request_id in ids]
    assert [line["uri"] for line in one] == [bucket.uri(f"one/{ids[0]}.mp4")]
    assert [line["sha256"] for [line] in each] == [line["sha256"] for line in together]
    assert len(bucket.keys()) == 5
    assert bucket.head(f"all/{ids[1]}.mp4")["Metadata"]["runcomfy-model-id"] == STANDARD
    files = [call for call in sandbox.calls() if call.kind == "file"]
    assert [call.has_authorization for call in files] == [False] * 5


def test_a_cut_file_goes_on_by_range(sandbox: Sandbox, run_dag: RunDag, bucket: S3Target) -> None:
    with DAG("copy_cut", schedule=None) as dag:
        make = RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=CLIP, **MAKE)
        RunComfyToS3Operator(
            task_id="copy", request_id=make.output, s3_bucket=bucket.name, s3_key=bucket.prefix + "{index}.{ext}"
        )
    sandbox.add_fault("truncate", after_bytes=20_000)

    run = run_dag(dag)

    assert states(run) == {"copy": "success", "make": "success"}
    [line] = xcom(run, "copy")
    assert len(bucket.body("0.mp4")) == line["size"] > 20_000
    files = [call for call in sandbox.calls() if call.kind == "file"]
    assert [call.range for call in files] == [None, "bytes=20000-"]


def test_one_generation_that_failed_keeps_no_other_from_being_copied(
    sandbox: Sandbox, run_dag: RunDag, bucket: S3Target
) -> None:
    with DAG("copy_the_rest", schedule=None) as dag:
        make = RunComfyGenerateOperator.partial(task_id="make", model_id=PRO, **MAKE).expand(
            inputs=[CLIP, {**CLIP, "prompt": "doomed"}, CLIP]
        )
        RunComfyToS3Operator.partial(
            task_id="copy", s3_bucket=bucket.name, s3_key=bucket.prefix + "{request_id}.{ext}", trigger_rule="all_done"
        ).expand(request_id=make.output)
    sandbox.add_fault("fail", prompt="doomed", error="out of memory")

    run = run_dag(dag)

    assert sorted(states(run).items()) == [
        ("copy[0]", "success"),
        ("copy[1]", "success"),
        ("make[0]", "success"),
        ("make[1]", "failed"),
        ("make[2]", "success"),
    ]
    assert len(bucket.keys()) == 2
