"""The example with a function that gives the inputs: a row is a clip, and a clip is an object."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from airflow_provider_runcomfy.sandbox.server import running_sandbox
from dev.objects import fetch
from dev.seaweedfs import seaweedfs
from tests.airflow_db import states, xcom
from tests.dags.parts import RunDag
from tests.runcomfy import CONNECTION_VARIABLE, connection_to

pytestmark = pytest.mark.slow

EXAMPLE = "example_dags.example_runcomfy_nightly_clips"
CLIP_USD = 3 * 0.084


def test_each_row_is_a_clip_in_the_bucket(run_dag: RunDag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_sandbox(run_seconds=0) as sandbox, seaweedfs(tmp_path / "s3") as s3:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.connection())

        # Both just fit.
        run = run_dag(import_module(EXAMPLE).dag, run_conf={"budget_usd": 2 * CLIP_USD})

        assert set(states(run)) == {"rows", "clip[0]", "clip[1]", "copy[0]", "copy[1]"}
        assert set(states(run).values()) == {"success"}
        inputs = {request["request_id"]: request["inputs"] for request in sandbox.requests()}
        made = [inputs[result["request_id"]] for result in xcom(run, "clip")]
        copies = [fetch(s3, manifest["uri"], tmp_path) for [manifest] in xcom(run, "copy")]
    assert [one["prompt"] for one in made] == [
        "Product shot of a brass desk lamp, on a walnut desk at dusk, slow push in.",
        "Product shot of a {{ blue }} mug, steaming by a rainy window, handheld.",
    ]
    assert [(copy.video.width, copy.video.height) for copy in copies] == [(1280, 720), (720, 1280)]


def test_no_clip_is_submitted_that_would_cost_more_than_its_share_of_the_budget(
    run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_sandbox(run_seconds=0) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))

        run = run_dag(import_module(EXAMPLE).dag, run_conf={"budget_usd": 2 * CLIP_USD - 0.001})

        assert sandbox.requests() == []
    assert [states(run)[f"clip[{index}]"] for index in (0, 1)] == ["failed", "failed"]
