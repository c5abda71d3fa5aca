"""The demo as people start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from dev.media import measure

pytestmark = pytest.mark.slow

DEMO = (sys.executable, "-m", "dev.demo", "--folder")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "RUNCOMFY_TOKEN"}


def test_it_makes_a_film_and_shows_that_nobody_waited_and_nothing_was_paid_twice(tmp_path: Path) -> None:
    done = subprocess.run([*DEMO, tmp_path], env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    film = measure(tmp_path / "film.mp4")
    # Three scenes of 3 s each.
    assert (film.width, film.height, film.has_sound) == (1280, 720, True)
    assert film.seconds == pytest.approx(9.0, abs=0.2)
    clips = [measure(file) for file in (tmp_path / "clips").glob("*.mp4")]
    assert [(clip.width, clip.height) for clip in clips] == [(1280, 720)] * 5
    assert [clip.seconds for clip in clips] == pytest.approx([3.0] * 5, abs=0.1)
    log = (tmp_path / "sandbox.log").read_text()
    assert sorted(re.findall(r"kling/kling-3.0/(\w+)/text-to-video", log)) == ["pro", *["standard"] * 4]
    assert "All 5 waiting tasks were deferred" in done.stdout
    assert re.search(r"the longest that one of them held a worker is \d+\.\d\d s\.", done.stdout)
    assert re.search(r"5 submits for 5 clips, one each; \d+ polls; 5 file requests, 0 of them with", done.stdout)
    assert re.search(r"generate\[\d\] .* is in_queue, position \d", done.stdout)


@contextmanager
def started(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*DEMO, folder], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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
