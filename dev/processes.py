"""Start a local server as a session of its own, wait until it is ready, and end it with all that it started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
# Below the range from which the kernel hands out ports, so that nobody takes one between the look and the use.
_PORTS = range(20000, 22000)
# SeaweedFS opens P + 10000 beside each port P.
_TWIN = 10000


class ServerFailedError(RuntimeError):
    """A local server ended, or did not become ready in time; the message has the end of its log."""


def free_ports(count: int) -> list[int]:
    """Return ports on which, and on whose twins 10000 above, nothing listens on the loopback address."""
    start = (os.getpid() * 37 + time.monotonic_ns() // 1000) % len(_PORTS)
    found: list[int] = []
    for offset in range(len(_PORTS)):
        port = _PORTS[(start + offset) % len(_PORTS)]
        if _is_free(port) and _is_free(port + _TWIN):
            found.append(port)
        if len(found) == count:
            return found
    raise ServerFailedError(f"no {count} free ports between {_PORTS.start} and {_PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


@contextmanager
def server(
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` while the block runs: entered when ``ready()`` holds, its whole session ended on exit."""
    process = start(command, log=log, env=env, cwd=cwd)
    try:
        wait_until_ready({log: process}, ready, timeout)
        yield process
    finally:
        end(process)


def start(
    command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start ``command`` as the leader of a new session, its output appended to ``log``."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd, start_new_session=True
        )


def wait_until_ready(
    processes: Mapping[Path, subprocess.Popen[bytes]], ready: Callable[[], bool], timeout: float
) -> None:
    """
    Wait until ``ready()`` holds.

    :param processes: what is being waited for, by log file.
    :param timeout: seconds.
    :raises ServerFailedError: one of the processes ended, or the time is up.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        for log, process in processes.items():
            if process.poll() is not None:
                raise ServerFailedError(f"{process.args!r} ended with {process.returncode}:\n{tail(log)}")
        if time.monotonic() > deadline:
            logs = "\n".join(tail(log) for log in processes)
            raise ServerFailedError(f"not ready after {timeout:.0f} s:\n{logs}")
        time.sleep(0.05)


def end(*leaders: subprocess.Popen[bytes], grace: float = 10.0) -> None:
    """
    End these processes and everything in their sessions: SIGTERM first, SIGKILL after ``grace`` seconds.

    A leader may have ended before; what it has left behind is ended too.
    """
    # No pid is given anew while a session is named after it: where a leader is gone, its pid is a stranger's.
    sessions = {leader.pid for leader in leaders if leader.poll() is None or not psutil.pid_exists(leader.pid)}
    for session in sessions:
        with suppress(ProcessLookupError):
            os.killpg(session, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while members := _members(sessions):
        if time.monotonic() > deadline:
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    for leader in leaders:
        leader.wait()


def _members(sessions: set[int]) -> list[int]:
    # By session, not by process group: Airflow gives each task a group of its own.
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def tail(log: Path, lines: int = 40) -> str:
    """Return the last lines of a log file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def end_children() -> None:
    """End what this process has started and, because it was interrupted, not ended."""
    for child in psutil.Process().children():
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
    for child in psutil.wait_procs(psutil.Process().children(), timeout=10)[1]:
        with suppress(psutil.NoSuchProcess):
            child.kill()
