"""How the demo ends, on the real RunComfy above all: what is paid for is told of, and kept."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dev import demo
from dev.processes import ServerFailedError

ACCEPTED = "RunComfy accepted request req-1 for kling/kling-3.0/pro/text-to-video; it will be charged.\n"


def run_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: BaseException | None) -> tuple[int, Path]:
    """Run the demo with a stage that accepts one request and ends so; return the exit code and the folder."""
    folders: list[Path] = []

    def run(folder: Path, **kwargs: Any) -> None:
        folders.append(folder)
        log = folder / "airflow" / "logs" / "attempt=1.log"
        log.parent.mkdir(parents=True)
        log.write_text(ACCEPTED)
        if end:
            raise end

    monkeypatch.setattr(sys, "argv", ["demo", "--folder", str(tmp_path / "demo")])
    monkeypatch.setattr(demo, "_run", run)
    monkeypatch.setattr(demo, "end_children", lambda: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return demo.main(), folders[0]


@pytest.mark.parametrize(
    ("end", "code", "says"),
    [
        pytest.param(
            KeyboardInterrupt(), 130, "\nInterrupted. Everything that was started has been ended.", id="Ctrl-C"
        ),
        pytest.param(ServerFailedError("no port"), 1, "\nThe demo ended: no port", id="failure"),
    ],
)
def test_on_the_real_runcomfy_it_names_what_goes_on(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    end: BaseException,
    code: int,
    says: str,
) -> None:
    monkeypatch.setenv("RUNCOMFY_TOKEN", "token")
    got, folder = run_demo(monkeypatch, tmp_path, end)
    assert (got, folder.parent) == (code, tmp_path / "demo-real")
    said = capsys.readouterr().err
    assert said.startswith(f"{says}\nThis was the real RunComfy")
    assert "these requests, which go on and are charged:\n  req-1  kling/" in said


def test_also_an_error_that_nobody_thought_of_names_what_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNCOMFY_TOKEN", "token")
    with pytest.raises(KeyError):
        run_demo(monkeypatch, tmp_path, KeyError("oops"))
    assert "  req-1  kling/" in capsys.readouterr().err


def test_a_real_run_that_ends_well_and_any_on_the_sandbox_have_nothing_to_tell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNCOMFY_TOKEN", "token")
    assert run_demo(monkeypatch, tmp_path, None)[0] == 0
    assert capsys.readouterr().err == ""
    monkeypatch.delenv("RUNCOMFY_TOKEN")
    assert run_demo(monkeypatch, tmp_path, KeyboardInterrupt()) == (130, tmp_path / "demo")
    assert "real RunComfy" not in capsys.readouterr().err


KEPT = """
import signal
from dev import demo
signal.signal(signal.SIGINT, demo._interrupt)
demo._wait_for_interrupt("Airflow's UI: here")
"""


def test_what_is_kept_up_is_told_at_once_and_ended_by_ctrl_c() -> None:
    with subprocess.Popen([sys.executable, "-c", KEPT], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Airflow's UI: here\n"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "\nEnding everything.\n")
