"""Let some triggers of one kind wait, in a process of their own, and measure what they take once all of them poll."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.poll_server import PollServer, poll_server
from benchmarks.waiters import BARE, EMPTY, INTERVAL, environment
from dev.processes import LOOPBACK

# Airflow admits the triggers of a restarted triggerer by and by, too.
_START_SECONDS = 2.0 * INTERVAL
_MOST_STARTED_PER_SECOND = 500.0
# Ours spreads its first poll over 10 s.
_WARM_UP_SECONDS = 3.0 * INTERVAL
_LOOKS = 4
# A loop that polls more than it can has no time left to let the rest start.
_LONGEST_START_SECONDS = 120.0
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True)
class Waited:
    """
    What it took, in a steady window.

    :param cpu: milliseconds of CPU per poll, user and system.
    :param memory: KiB per waiting trigger.
    :param sockets: the most that were open.
    :param kept: polls that were answered, as a share of those that were due.
    :param rate: polls that were answered per second.
    :param p50: milliseconds by which the event loop wakes too late, half of the time.
    :param p99: the same, at most for 99 of 100 times.
    :param busy: seconds of CPU per second.
    :param server: the same, of the server.
    :param ended: triggers that did not wait any more.
    """

    cpu: float
    memory: float
    sockets: int
    kept: float
    rate: float
    p50: float
    p99: float
    busy: float
    server: float
    ended: int


class NotStartedError(Exception):
    """So many triggers of this kind could not be started."""


Ask = Callable[..., Any]


def measured(name: str, number: int, window: float) -> Waited:
    """
    Let ``number`` triggers wait, and measure them for ``window`` seconds.

    :raises NotStartedError: if they had not all begun after two minutes.
    """
    with tempfile.TemporaryDirectory() as home, poll_server(Path(home)) as server, _process(name, server, home) as made:
        process, ask = made
        ask("start", 1, 0)
        _until_polled(name, server)
        ask("collect")
        before = process.memory_info().rss
        with _at_most(_LONGEST_START_SECONDS, process):
            ask("start", number - 1, max(_START_SECONDS, number / _MOST_STARTED_PER_SECOND))
        time.sleep(_WARM_UP_SECONDS)
        return _steady(name, number, window, before, process, ask, server)


def _steady(
    name: str, number: int, window: float, before: int, process: psutil.Process, ask: Ask, server: PollServer
) -> Waited:
    began, first, served = time.monotonic(), ask("mark"), server.standing()
    sockets = []
    for _ in range(_LOOKS):
        time.sleep(window / _LOOKS)
        sockets.append(sum(bool(it.raddr) for it in process.net_connections("tcp")))
    memory = process.memory_info().rss - before
    last, now = ask("mark"), server.standing()
    seconds, polls = time.monotonic() - began, now.answered - served.answered
    if not polls and name != EMPTY:
        raise RuntimeError(f"{name} does not poll")
    spent = last["cpu"] - first["cpu"]
    return Waited(
        cpu=1000 * spent / max(polls, 1),
        memory=memory / 1024 / number,
        sockets=max(sockets),
        kept=polls / (seconds * number / INTERVAL),
        rate=polls / seconds,
        p50=1000 * last["p50"],
        p99=1000 * last["p99"],
        busy=spent / seconds,
        server=(now.cpu - served.cpu) / seconds,
        ended=number - int(last["waiting"]),
    )


@contextmanager
def _at_most(seconds: float, process: psutil.Process) -> Iterator[None]:
    """End the process if the block takes longer."""
    watch = threading.Timer(seconds, process.kill)
    watch.start()
    began = time.monotonic()
    try:
        yield
    except EOFError:
        if time.monotonic() - began < seconds:
            raise
        raise NotStartedError(f"could not be started within {seconds:.0f} s") from None
    finally:
        watch.cancel()


def _until_polled(name: str, server: PollServer, timeout: float = 300.0) -> None:
    deadline = time.monotonic() + timeout
    while name != EMPTY and not server.standing().answered:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not poll within {timeout:.0f} s")
        time.sleep(0.2)
    time.sleep(1.0)


@contextmanager
def _process(name: str, server: PollServer, home: str) -> Iterator[tuple[psutil.Process, Ask]]:
    base = f"https://{LOOPBACK}:{server.port}"
    env = {key: value for key, value in os.environ.items() if key.lower() not in _PROXIES}
    env |= environment(name, LOOPBACK, server.port)
    env |= {"_AIRFLOW_PROCESS_CONTEXT": "client"}
    env |= {"AIRFLOW_HOME": home, "SSL_CERT_FILE": str(server.bundle), "REQUESTS_CA_BUNDLE": str(server.bundle)}
    command = [sys.executable, "-m", "benchmarks.triggerer", name, base]
    # Sessions share the machine evenly, so each process that is measured has one.
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=env, text=True, start_new_session=True, **pipes) as running:
        assert running.stdin
        assert running.stdout
        answers, commands = running.stdout, running.stdin

        def answer() -> Any:
            if not (line := answers.readline()):
                raise EOFError(f"{name} failed: see above")
            return json.loads(line)

        def ask(*command: object) -> Any:
            print(json.dumps(command), file=commands, flush=True)
            return answer()

        try:
            answer()
            yield psutil.Process(running.pid), ask
        finally:
            # A loop that is stalled does not see the end of its standard input.
            running.kill()


if __name__ == "__main__":
    print(measured(sys.argv[1] if len(sys.argv) > 1 else BARE, 50, 10.0))
