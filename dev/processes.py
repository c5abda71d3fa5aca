"""Start a local server as a process group of its own, wait until it is ready, and end it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

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
    """Run ``command`` while the block runs: entered when ``ready()`` holds, its whole group ended on exit."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd, start_new_session=True
        )
    try:
        _wait_until_ready(process, ready, log, timeout)
        yield process
    finally:
        end_group(process)


def _wait_until_ready(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        if process.poll() is not None:
            raise ServerFailedError(f"{process.args!r} ended with {process.returncode}:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise ServerFailedError(f"{process.args!r} was not ready after {timeout:.0f} s:\n{tail(log)}")
        time.sleep(0.05)


def end_group(process: subprocess.Popen[bytes], grace: float = 10.0) -> None:
    """End the process and all of its group: SIGTERM first, SIGKILL to what is left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    deadline = time.monotonic() + grace
    while _group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def tail(log: Path, lines: int = 40) -> str:
    """Return the last lines of a log file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
