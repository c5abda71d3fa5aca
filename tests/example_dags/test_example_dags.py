"""The example Dags: what they cost, and those parts of them that the demo does not show."""

from __future__ import annotations

import re
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from dev.media import measure
from dev.objects import fetch
from dev.seaweedfs import seaweedfs
from dev.spend import CLIPS
from tests.airflow_db import states, xcom
from tests.dags.parts import RunDag
from tests.runcomfy import CONNECTION_VARIABLE, connection_to

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "example_dags"
NAMES = sorted(file.stem for file in FOLDER.glob("*.py"))


def example(name: str) -> Any:
    return import_module(f"example_dags.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_named_after_its_file_and_runs_only_when_it_is_told_to(name: str) -> None:
    dag = example(name).dag
    assert (dag.dag_id, dag.schedule) == (name, None)


@pytest.mark.parametrize("name", NAMES)
def test_its_markers_for_the_docs_come_in_pairs(name: str) -> None:
    lines = (FOLDER / f"{name}.py").read_text().splitlines()
    starts, ends = (
        [line.strip().removeprefix(f"# [{word} ").removesuffix("]") for line in lines if f"# [{word} " in line]
        for word in ("START", "END")
    )
    assert starts
    assert starts == ends


def test_the_how_to_shows_every_marked_piece() -> None:
    marked = {name for file in FOLDER.glob("*.py") for name in re.findall(r"# \[START (\w+)\]", file.read_text())}
    shown = re.findall(r"\[START (\w+)\]", (FOLDER.parent / "docs" / "howto.md").read_text())
    assert sorted(shown) == sorted(marked)


def test_the_demo_asks_for_money_for_exactly_what_the_dags_submit() -> None:
    tasks = example("example_runcomfy_text_to_video").dag.tasks
    single = [(task.model_id, task.inputs) for task in tasks if task.task_type == "RunComfySubmitOperator"]
    generate = example("example_runcomfy_storyboard").generate
    mapped = [(generate.partial_kwargs["model_id"], inputs) for inputs in generate.expand_input.value["inputs"]]
    submitted = [(model, {name: inputs[name] for name in ("duration", "sound")}) for model, inputs in single + mapped]
    assert submitted == [(model, dict(inputs)) for model, inputs in CLIPS]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Any:
    with running_sandbox() as running:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(running))
        yield running


def test_the_form_makes_the_clip_that_was_asked_for(
    sandbox: Sandbox, run_dag: RunDag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {
        "model_id": "kling/kling-3.0/pro/text-to-video",
        "prompt": 'A "quoted" {word}',
        "duration": 4,
        "aspect_ratio": "9:16",
        "sound": True,
    }
    with seaweedfs(tmp_path / "s3") as s3:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.connection())
        run = run_dag(example("example_runcomfy_params_form").dag, run_conf=asked)
        assert states(run) == {"copy": "success", "generate": "success"}
        (manifest,) = xcom(run, "copy")
        video = fetch(s3, manifest["uri"], tmp_path).video
    (request,) = sandbox.requests()
    assert {"model_id": request["model_id"], **request["inputs"]} == asked
    assert (video.width, video.height, video.has_sound) == (720, 1280, True)
    assert video.seconds == pytest.approx(4.0, abs=0.1)


def clip(file: Path, size: str, *, sound: bool) -> Path:
    audio = ("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac") if sound else ()
    picture = ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=24:duration=1")
    command = [get_ffmpeg_exe(), "-y", "-loglevel", "error", *picture, *audio, "-pix_fmt", "yuv420p", file]
    subprocess.run(command, check=True)
    return file


@pytest.mark.parametrize(
    ("clips", "expected"),
    [
        pytest.param([("720x1280", True), ("720x1280", True)], (720, 1280, True), id="alike: as they are"),
        pytest.param([("720x720", False), ("720x720", False)], (720, 720, False), id="alike and silent"),
        pytest.param([("720x1280", True), ("1280x720", True)], (1280, 720, True), id="other sizes"),
        pytest.param([("1280x720", False), ("1280x720", True)], (1280, 720, True), id="one of them silent"),
    ],
)
def test_clips_are_joined_whatever_they_are(
    clips: list[tuple[str, bool]], expected: tuple[int, int, bool], tmp_path: Path
) -> None:
    files = [clip(tmp_path / f"{number}.mp4", size, sound=sound) for number, (size, sound) in enumerate(clips)]
    example("example_runcomfy_storyboard").join(files, tmp_path / "film.mp4")
    film = measure(tmp_path / "film.mp4")
    assert (film.width, film.height, film.has_sound) == expected
    assert film.seconds == pytest.approx(2.0, abs=0.15)
