"""What a run on the real RunComfy leaves behind is kept, and told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.submitted import real_folder, submitted, tell_what_goes_on

MODEL = "kling/kling-3.0/pro/text-to-video"


def log(folder: Path, name: str, *events: str) -> None:
    file = folder / "airflow" / "logs" / name / "attempt=1.log"
    file.parent.mkdir(parents=True)
    file.write_text("".join(f'{{"level":"info","event":"{event}"}}\n' for event in events))


def accepted(request_id: str) -> str:
    return f"RunComfy accepted request {request_id} for {MODEL}; it will be charged."


def test_every_run_has_a_folder_of_its_own_outside_the_one_that_is_emptied(tmp_path: Path) -> None:
    first, second = real_folder(tmp_path / ".demo"), real_folder(tmp_path / ".demo")
    assert first != second
    assert {first.parent, second.parent} == {tmp_path / ".demo-real"}


def test_what_was_accepted_is_read_from_the_logs_of_tasks(tmp_path: Path) -> None:
    log(tmp_path, "task_id=a", "Something else", accepted("req-1"), accepted("req_2"))
    log(tmp_path, "task_id=b", "Attached to request req-1, submitted by try 1.")
    assert submitted(tmp_path) == {"req-1": MODEL, "req_2": MODEL}


def test_the_requests_that_go_on_are_named_with_where_the_logs_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(tmp_path, "task_id=a", accepted("req-1"), accepted("req-2"))
    tell_what_goes_on(tmp_path)
    assert capsys.readouterr().err == (
        "This was the real RunComfy: it does not stop because the demo has. By the logs it has accepted these "
        f"requests, which go on and are charged:\n  req-1  {MODEL}\n  req-2  {MODEL}\n"
        f"Logs, copied clips and whatever else there is are kept in {tmp_path}\n"
    )


def test_a_run_that_submitted_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_what_goes_on(tmp_path)
    assert "By the logs it has accepted no request." in capsys.readouterr().err


def test_a_run_that_was_not_allowed_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_what_goes_on(tmp_path / "nowhere")
    assert capsys.readouterr().err == ""
