"""What is started is ended, whole."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from dev.processes import ServerFailedError, end, server

# A leader whose child leaves the process group and ignores SIGTERM, as a task of Airflow may.
STUBBORN = """
import os, signal, sys, time
if os.fork() == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(60)
"""


def is_written(file: Path) -> bool:
    return file.exists() and file.read_text() != ""


def test_a_child_that_left_the_group_and_ignores_sigterm_is_ended(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    command = [sys.executable, "-c", STUBBORN, str(pid_file)]
    with server(command, log=tmp_path / "log", ready=lambda: is_written(pid_file)) as process:
        child = int(pid_file.read_text())
        assert psutil.pid_exists(child)
        end(process, grace=0.2)
        assert process.returncode is not None
        assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_what_a_killed_leader_leaves_behind_is_ended(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    command = [sys.executable, "-c", STUBBORN, str(pid_file)]
    with server(command, log=tmp_path / "log", ready=lambda: is_written(pid_file)) as process:
        process.kill()
        process.wait()
        child = psutil.Process(int(pid_file.read_text()))
        assert child.is_running()
        end(process, grace=0.2)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_server_that_ends_early_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('port is taken')"]
    with (
        pytest.raises(ServerFailedError, match=r"(?s)ended with 1:.*port is taken"),
        server(command, log=tmp_path / "log", ready=lambda: False),
    ):
        pass


def test_a_server_that_is_never_ready_is_ended_and_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; print('still loading', flush=True); time.sleep(60)"]
    with (
        pytest.raises(ServerFailedError, match=r"(?s)not ready after 1 s:.*still loading"),
        server(command, log=tmp_path / "log", ready=lambda: False, timeout=1.0),
    ):
        pass
    assert not [child for child in psutil.Process().children() if "still loading" in " ".join(child.cmdline())]
