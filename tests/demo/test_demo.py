"""The demo as people start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import requests

from airflow_provider_runcomfy.sandbox.server import running_sandbox
from dev.media import measure
from dev.submitted import submitted
from tests.airflow_db import needs_task_events

pytestmark = pytest.mark.slow

DEMO = (sys.executable, "-m", "dev.demo", "--folder")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("RUNCOMFY_")}


@contextmanager
def started(folder: Path, *options: str, env: Mapping[str, str] = ENVIRONMENT) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*DEMO, folder, *options], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def children(process: subprocess.Popen[str]) -> dict[psutil.Process, str]:
    """Return everything that the demo has started and that lives, with its command."""
    found = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found[child] = " ".join(child.cmdline())
    return found


@needs_task_events
def test_it_makes_a_film_shows_that_nobody_waited_and_nothing_was_paid_twice_and_stays_up(tmp_path: Path) -> None:
    with started(tmp_path, "--keep") as process:
        assert process.stdout is not None
        said = ""
        while not (ui := re.search(r"^Airflow's UI: (\S+) ", said, re.MULTILINE)):
            line = process.stdout.readline()
            assert line, said + process.communicate()[1]
            said += line
        assert requests.get(ui[1], timeout=30).status_code == 200
        running = children(process)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "\nEnding everything.\n")
    assert len(running) >= 6
    assert [child for child in running if child.is_running()] == []
    film = measure(tmp_path / "film.mp4")
    # Three scenes of 3 s each.
    assert (film.width, film.height, film.has_sound) == (1280, 720, True)
    assert film.seconds == pytest.approx(9.0, abs=0.2)
    clips = [measure(file) for file in (tmp_path / "clips").glob("*.mp4")]
    assert [(clip.width, clip.height) for clip in clips] == [(1280, 720)] * 5
    assert [clip.seconds for clip in clips] == pytest.approx([3.0] * 5, abs=0.1)
    log = (tmp_path / "sandbox.log").read_text()
    assert sorted(re.findall(r"kling/kling-3.0/(\w+)/text-to-video", log)) == ["pro", *["standard"] * 4]
    assert "All 5 waiting tasks were deferred" in said
    assert re.search(r"the longest that one of them held a worker is \d+\.\d\d s\.", said)
    assert re.search(r"5 submits for 5 clips, one each; \d+ polls; 5 file requests, 0 of them with", said)
    assert re.search(r"generate\[\d\] .* is in_queue, position \d", said)


@needs_task_events
def test_interrupted_with_everything_up_it_ends_everything(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        assert process.stdout is not None
        assert any("submit_pro" in line for line in process.stdout), "it did not get that far"
        running = children(process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("Interrupted. Everything that was started has been ended.\n")
    # The sandbox, SeaweedFS, four components of Airflow, and a worker at least.
    assert len(running) >= 7
    assert [child for child in running if child.is_running()] == []


def test_a_real_run_that_is_interrupted_names_what_goes_on_and_keeps_its_folder(tmp_path: Path) -> None:
    real = {**ENVIRONMENT, "RUNCOMFY_TOKEN": "token-of-a-real-account", "RUNCOMFY_SPEND": "yes"}
    with (
        running_sandbox(run_seconds=1000, concurrency=10) as runcomfy,
        started(tmp_path / "demo", "--host", runcomfy.url, env=real) as process,
    ):
        while len(found := [one for folder in (tmp_path / "demo-real").glob("*") for one in submitted(folder)]) < 5:
            assert process.poll() is None
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert {made["request_id"] for made in runcomfy.requests()} == set(found)
    (folder,) = (tmp_path / "demo-real").iterdir()
    assert process.returncode == 130
    assert "these requests, which go on and are charged:" in errors
    assert [request_id for request_id in found if f"  {request_id}  kling/" not in errors] == []
    assert errors.endswith(f"are kept in {folder}\n")
    assert len(submitted(folder)) == 5
    assert "token-of-a-real-account" not in errors
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(("keep", "options"), [("KEEP=1", " --keep"), ("KEEP=", "")])
def test_make_demo_passes_keep_on(keep: str, options: str) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "demo", keep],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.rstrip("\n").splitlines()[-1].rstrip(" ") == f"exec .venv/bin/python -m dev.demo{options}"


def test_when_something_does_not_start_it_says_so_and_ends_everything(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        while not (schedulers := [child for child, command in children(process).items() if "scheduler" in command]):
            assert process.poll() is None
        running = children(process)
        schedulers[0].kill()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(r"The demo ended: .*'scheduler'.* ended with -9", errors)
    assert [child for child in running if child.is_running()] == []
