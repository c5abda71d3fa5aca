"""The example with an approval, on a real Airflow: one clip approved and one rejected, over the REST API."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev.airflow import airflow
from dev.airflow_client import AirflowClient, TaskKey
from dev.sandbox import sandbox
from dev.seaweedfs import BUCKET, SeaweedFS, seaweedfs
from tests.airflow_db import AWAITING_INPUT

pytestmark = pytest.mark.slow

NAME = "example_runcomfy_approve_and_publish"
FILE = Path(__file__).parents[2] / "example_dags" / f"{NAME}.py"
APPROVE = TaskKey(NAME, "approve")
# In the body of the question this is neither a heading nor a link, but what it says.
PROMPT = "# A [fox](https://example.org)\n{{ in tall grass }}, **slowly**"

QUESTION = """\
[Watch the clip](<{url}>) (the link works for as long as RunComfy keeps the file)

- Copy that will be published: `s3://videos/review/{request_id}.mp4`
- Size: {size}, video/mp4
- Made by kling/kling-3.0/pro/text-to-video for {cost} USD, which a rejection does not bring back

Prompt:

    # A [fox](https://example.org)
    {{{{ in tall grass }}}}, **slowly**"""


def wait_for(expected: Any, look: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120.0
    while (seen := look()) != expected:
        assert time.monotonic() < deadline, seen
        time.sleep(0.5)


def is_off_its_worker(scheduler_log: Path, run_id: str) -> bool:
    """
    Whether the executor has told the scheduler that the worker is done with the approval, for now.

    An answer that comes before that, a second after the question, makes Airflow ask once more.
    """
    lines = scheduler_log.read_text().splitlines()
    return any("Received executor event" in line and "'approve'" in line and run_id in line for line in lines)


def states(client: AirflowClient, run_id: str) -> dict[str, str | None]:
    return {str(one.key): one.state for one in client.task_instances(NAME, run_id)}


def contents(s3: SeaweedFS) -> dict[str, bytes]:
    client = s3.client()
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
    return {f"s3://{BUCKET}/{key}": client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def test_only_what_was_approved_is_published(tmp_path: Path) -> None:
    with (
        sandbox(tmp_path, queue_seconds=0, run_seconds=0, concurrency=2) as runcomfy,
        seaweedfs(tmp_path / "s3") as s3,
        airflow(
            tmp_path / "airflow",
            [FILE],
            env={
                "AIRFLOW_CONN_RUNCOMFY_DEFAULT": runcomfy.connection(),
                "AIRFLOW_CONN_AWS_DEFAULT": s3.connection(),
            },
        ) as running,
    ):
        client = running.client
        client.unpause(NAME)
        good, bad = (client.trigger(NAME, {"prompt": PROMPT}) for _ in range(2))

        waiting = {"generate": "success", "copy_to_review": "success", "approve": AWAITING_INPUT, "publish": None}
        wait_for([waiting] * 2, lambda: [states(client, run_id) for run_id in (good, bad)])
        wait_for([True] * 2, lambda: [is_off_its_worker(running.log("scheduler"), run_id) for run_id in (good, bad)])
        assert [states(client, run_id) for run_id in (good, bad)] == [waiting, waiting]

        made: dict[str, Any] = client.xcom(TaskKey(NAME, "generate"), good)
        [copy] = client.xcom(TaskKey(NAME, "copy_to_review"), good)
        question = client.question(APPROVE, good)
        assert question["subject"] == "Publish this clip? " + PROMPT
        assert question["options"] == ["Approve", "Reject"]
        assert question["body"] == QUESTION.format(
            url=made["media"][0]["url"],
            request_id=made["request_id"],
            size=f"{copy['size'] / 1024:.1f} KiB",
            cost=made["cost_usd"],
        )

        client.answer(APPROVE, good, "Approve")
        client.answer(APPROVE, bad, "Reject")
        wait_for(["success"] * 2, lambda: [client.run_state(NAME, run_id) for run_id in (good, bad)])

        assert states(client, good) == {**waiting, "approve": "success", "publish": "success"}
        assert states(client, bad) == {**waiting, "approve": "success", "publish": "skipped"}
        [rejected] = client.xcom(TaskKey(NAME, "copy_to_review"), bad)
        published = client.xcom(TaskKey(NAME, "publish"), good)
        objects = contents(s3)
        assert sorted(objects) == sorted([copy["uri"], rejected["uri"], published])
        assert published == f"s3://{BUCKET}/published/{made['request_id']}.mp4"
        assert objects[published] == objects[copy["uri"]]
        assert hashlib.sha256(objects[published]).hexdigest() == copy["sha256"]
        assert len(runcomfy.requests()) == 2
