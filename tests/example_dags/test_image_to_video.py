"""The example that chains two models: the second one is given the very image that the first one has made."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import requests

from airflow_provider_runcomfy.sandbox.server import running_sandbox
from dev.objects import fetch
from dev.seaweedfs import seaweedfs
from tests.airflow_db import states, xcom
from tests.dags.parts import RunDag
from tests.runcomfy import CONNECTION_VARIABLE, connection_to

pytestmark = pytest.mark.slow


def test_the_clip_is_made_of_the_image_that_was_kept(
    run_dag: RunDag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_sandbox(run_seconds=0) as sandbox, seaweedfs(tmp_path / "s3") as s3:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.connection())

        run = run_dag(import_module("example_dags.example_runcomfy_image_to_video").dag)

        assert states(run) == dict.fromkeys(("clip", "copy", "keep", "still"), "success")
        image, video = sandbox.requests()
        given = requests.get(video["inputs"]["image_url"], timeout=30).content
        made = requests.get(xcom(run, "still", "url"), timeout=30).content
        [copy] = xcom(run, "copy")
        clip = fetch(s3, copy["uri"], tmp_path).video
    assert (image["model_id"], video["model_id"]) == ("sandbox/text-to-image", "sandbox/image-to-video")
    assert given == made
    assert made.startswith(b"\x89PNG")
    assert (clip.width, clip.height, clip.has_sound) == (1280, 720, False)
