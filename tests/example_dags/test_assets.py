"""The example that edits what has arrived, on a real Airflow that tells a real backend of its lineage."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev.airflow import airflow
from dev.airflow_client import TaskKey
from dev.lineage import lineage
from dev.objects import fetch
from dev.sandbox import sandbox
from dev.seaweedfs import BUCKET, seaweedfs
from tests.airflow_db import has_task_events

pytestmark = pytest.mark.slow

pytest.importorskip("airflow.providers.openlineage", reason="the extra openlineage")

NAME = "example_runcomfy_assets"
REEL = f"{NAME}_reel"
FILE = Path(__file__).parents[2] / "example_dags" / f"{NAME}.py"
STANDARD = "kling/kling-3.0/standard/text-to-video"
TOKEN = "lineage-token-0123456789"


def wait_for(expected: Any, look: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 180.0
    while (seen := look()) != expected:
        assert time.monotonic() < deadline, seen
        time.sleep(0.5)


def names(datasets: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(dataset["namespace"], dataset["name"]) for dataset in datasets}


def told(facet: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facet.items() if not name.startswith("_")}


def test_the_second_dag_waits_for_the_clips_and_generates_nothing() -> None:
    from example_dags import example_runcomfy_assets as example

    assert example.reel_dag.dag_id == REEL
    assert [task.task_type for task in example.reel_dag.tasks] == ["_PythonDecoratedOperator"]
    assert example.dag.get_task("copy").outlets == [example.CLIPS]


def test_the_clips_start_the_dag_that_edits_them_and_the_lineage_leads_from_model_to_object(tmp_path: Path) -> None:
    with (
        sandbox(tmp_path, queue_seconds=0, run_seconds=2, concurrency=2) as runcomfy,
        seaweedfs(tmp_path / "s3") as s3,
        lineage() as backend,
        airflow(
            tmp_path / "airflow",
            [FILE],
            env={
                "AIRFLOW_CONN_RUNCOMFY_DEFAULT": runcomfy.connection(TOKEN),
                "AIRFLOW_CONN_AWS_DEFAULT": s3.connection(),
                **backend.env,
            },
        ) as running,
    ):
        client = running.client
        client.unpause(REEL)
        client.unpause(NAME)
        run_id = client.trigger(NAME)
        wait_for("success", lambda: client.run_state(NAME, run_id))
        made = [client.xcom(TaskKey(NAME, "generate", index), run_id) for index in (0, 1)]
        copies = client.xcom(TaskKey(NAME, "copy"), run_id)
        ids = {result["request_id"] for result in made}

        # One run of the second Dag, by an event for each object.
        wait_for(1, lambda: len(client.run_ids(REEL)))
        [reel_run] = client.run_ids(REEL)
        wait_for("success", lambda: client.run_state(REEL, reel_run))
        reel = client.xcom(TaskKey(REEL, "reel"), reel_run)
        assert reel["clips"] == sorted(line["uri"] for line in copies)
        assert reel["cost_usd"] == pytest.approx(sum(result["cost_usd"] for result in made))
        assert fetch(s3, reel["uri"], tmp_path).video.seconds == pytest.approx(6.0, abs=0.15)

        events = {event["uri"]: event for event in client.asset_events()}
        assert set(events) == set(reel["clips"])
        costs = {result["request_id"]: result["cost_usd"] for result in made}
        for line in copies:
            expected = {name: line[name] for name in line if name != "source_url"}
            assert events[line["uri"]]["extra"] == {
                **expected,
                "index": 0,
                "files": 1,
                "model_id": STANDARD,
                "cost_usd": costs[line["request_id"]],
            }

        # Each has told of its request in another process than the one that submitted it.
        deferred = [event.key for event in client.state_events(NAME, run_id) if event.state == "deferred"]
        clips = [TaskKey(NAME, "generate", index) for index in (0, 1)]
        assert sorted(deferred) == (clips if has_task_events else [])

        # The tasks have ended before OpenLineage is told.
        here = runcomfy.url.replace("http://", "runcomfy://")
        generated, copied = f"{NAME}.generate", f"{NAME}.copy"
        wait_for(2, lambda: len(backend.events(generated, "COMPLETE")))
        wait_for(1, lambda: len(backend.events(copied, "COMPLETE")))
        outputs = []
        for event in backend.events(generated, "COMPLETE"):
            assert names(event["inputs"]) == {(here, f"models/{STANDARD}")}
            outputs += event["outputs"]
        assert names(outputs) == {(here, f"requests/{request_id}") for request_id in ids}
        assert {output["name"]: told(output["facets"]["runcomfy_request"]) for output in outputs} == {
            f"requests/{result['request_id']}": {
                "request_id": result["request_id"],
                "model_id": STANDARD,
                "state": "succeeded",
                "cost_usd": result["cost_usd"],
            }
            for result in made
        }
        [event] = backend.events(copied, "COMPLETE")
        assert names(event["inputs"]) == names(outputs)
        assert names(event["outputs"]) == {
            (f"s3://{BUCKET}", line["uri"].removeprefix(f"s3://{BUCKET}/")) for line in copies
        }

        # A generation that fails has an output for nobody, and starts nothing.
        runcomfy.add_fault("fail", prompt="night market", error="out of memory")
        failed_run = client.trigger(NAME)
        wait_for("failed", lambda: client.run_state(NAME, failed_run))
        wait_for(1, lambda: len(backend.events(generated, "FAIL")))
        [event] = backend.events(generated, "FAIL")
        assert names(event["inputs"]) == {(here, f"models/{STANDARD}")}
        assert event.get("outputs", []) == []
        [request] = event["run"]["facets"]["runcomfy_requests"]["requests"]
        [failed] = [one for one in runcomfy.requests() if one["state"] == "failed"]
        assert (request["request_id"], request["state"]) == (failed["request_id"], "failed")
        assert client.run_ids(REEL) == [reel_run]

        assert [body for body in backend.bodies if TOKEN.encode() in body] == []
