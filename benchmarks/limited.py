"""
A server that takes 50 calls a second and answers 429 beyond, and 5,000 triggers in one loop that wait for it.

Ends with 1 unless, from 20 s on, at most 1.2 times the limit is offered, in the mean and in every ten seconds, no
trigger fails, and every completion is seen.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.status_server import StatusServer, end_of, request, status_server
from benchmarks.stored_triggers import environment, event_of, stored

_RATE = 50
_MOST = 1.2
_SETTLED_SECONDS = 20
_WINDOW_SECONDS = 10
_DEADLINE_SECONDS = 24 * 3600.0
_POLLS = {"poll_interval": 5.0, "max_poll_interval": 30.0}
#: How the server limits, and what it is started with.
VARIANTS = {
    "token bucket, Retry-After": ("--limit=bucket", "--retry-after"),
    "token bucket": ("--limit=bucket",),
    "one-second window, Retry-After": ("--limit=window", "--retry-after"),
    "one-second window": ("--limit=window",),
}


@dataclass
class Waited:
    """
    What became of the triggers of a run.

    ``delays`` are seconds from each completion to its event; ``crowded`` is the second up to which there are so many
    left that, at their usual pace, they offer more than the limit.
    """

    started: float
    delays: list[float]
    wrong: list[str]
    left: int
    crowded: float
    ended: float
    cpu: float


async def wait_for_all(triggers: int, span: float, patience: float) -> Waited:
    """Run the triggers until the last has sent its event, or ``patience`` seconds are over."""
    # At the slowest usual pace, fewer than these no longer offer what the server would take.
    crowd = _RATE * _POLLS["max_poll_interval"]
    chance = random.Random(1)
    # Imports everything that a triggerer has imported long since.
    stored("r", end_time=0.0, submitted_at=0.0)
    started = time.time()
    ids = [request(started, started + chance.uniform(0, span), number) for number in range(triggers)]
    rows = [stored(each, end_time=started + _DEADLINE_SECONDS, submitted_at=started, **_POLLS) for each in ids]
    waited = Waited(started, [], [], triggers, started, started, time.process_time())

    async def one(request_id: str, row: str) -> None:
        try:
            ending = await event_of(row)
        except Exception as error:
            waited.wrong.append(f"{type(error).__name__}: {error}")
        else:
            if ending["end"] == "succeeded":
                waited.delays.append(time.time() - end_of(request_id))
            else:
                waited.wrong.append(f"{ending['end']}: {ending['reason']}")
        waited.left -= 1
        if waited.left >= crowd:
            waited.crowded = time.time()

    tasks = [asyncio.create_task(one(each, row)) for each, row in zip(ids, rows, strict=True)]
    _, late = await asyncio.wait(tasks, timeout=patience)
    waited.ended, waited.cpu = time.time(), time.process_time() - waited.cpu
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return waited


def seconds_of(server: StatusServer, waited: Waited) -> list[list[int]]:
    """Return offered, accepted and 429 calls of each whole second of the run."""
    counts = server.counts()
    return [counts.get(second, [0, 0, 0]) for second in range(int(waited.started), int(waited.ended) + 1)]


def show(seconds: list[list[int]]) -> None:
    print("| seconds | offered/s | accepted/s | 429/s |")
    print("|--------:|----------:|-----------:|------:|")
    for at in range(0, len(seconds), _WINDOW_SECONDS):
        window = seconds[at : at + _WINDOW_SECONDS]
        offered, accepted, limited = (sum(column) / len(window) for column in zip(*window, strict=True))
        print(f"| {at:>3}-{at + len(window):>3} | {offered:>9.1f} | {accepted:>10.1f} | {limited:>5.1f} |")


def judged(name: str, seconds: list[list[int]], waited: Waited, triggers: int) -> Iterator[str]:
    """Print the run's figures, and yield which promises were missed."""
    settled = [offered for offered, _, _ in seconds[_SETTLED_SECONDS:]]
    windows = [sum(settled[at : at + _WINDOW_SECONDS]) for at in range(max(len(settled) - _WINDOW_SECONDS, 0) + 1)]
    worst = max(windows, default=0) / _WINDOW_SECONDS / _RATE
    crowded = seconds[_SETTLED_SECONDS : max(int(waited.crowded - waited.started), _SETTLED_SECONDS + _WINDOW_SECONDS)]
    mean = statistics.fmean(offered for offered, _, _ in crowded) / _RATE
    used = statistics.fmean(accepted for _, accepted, _ in crowded) / _RATE
    least = 2 * triggers / _RATE
    print(
        f"\nOffered from {_SETTLED_SECONDS} s on, times the limit: {mean:.2f} in the mean (of {len(crowded)} crowded "
        f"seconds), {worst:.2f} in the worst {_WINDOW_SECONDS} s; of what the server takes {used:.0%} were used."
    )
    p50, p99 = (_percentile(waited.delays, share) for share in (0.5, 0.99))
    print(
        f"{len(waited.delays)} of {triggers} seen in {waited.ended - waited.started:.0f} s (at two calls each no one "
        f"could in less than {least:.0f}); seen after p50 {p50:.0f} s, p99 {p99:.0f} s; {waited.cpu:.1f} CPU s.\n"
    )
    sys.stdout.flush()
    if mean > _MOST:
        yield f"{name}: {mean:.2f} times the limit offered in the mean, not {_MOST}"
    if worst > _MOST:
        yield f"{name}: {worst:.2f} times the limit offered in {_WINDOW_SECONDS} s, not {_MOST}"
    if waited.wrong:
        yield f"{name}: {len(waited.wrong)} triggers failed, the first: {waited.wrong[0]}"
    if waited.left:
        yield f"{name}: {waited.left} completions not seen"


def _percentile(numbers: list[float], share: float) -> float:
    return sorted(numbers)[int(share * (len(numbers) - 1))] if numbers else float("nan")


def run(name: str, triggers: int, span: float, patience: float) -> list[str]:
    """Run one variant in this process."""
    options = (*VARIANTS[name], f"--rate={_RATE}")
    with (
        tempfile.TemporaryDirectory() as folder,
        status_server(Path(folder), *options) as server,
        environment(server.connection()),
    ):
        waited = asyncio.run(wait_for_all(triggers, span, patience))
        seconds = seconds_of(server, waited)
    print(f"\n{name}: {_RATE} calls/s for {triggers} triggers (load of the machine: {os.getloadavg()[0]:.1f}):\n")
    show(seconds)
    return list(judged(name, seconds, waited, triggers))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=VARIANTS, action="append", help="which limit (default: all)")
    parser.add_argument("--triggers", type=int, default=5000, help="how many wait (default: 5000)")
    parser.add_argument("--span", type=float, default=60, help="seconds in which the requests end (default: 60)")
    parser.add_argument("--patience", type=float, default=480, help="seconds until the rest is given up (default: 480)")
    parser.add_argument("--at-once", action="store_true", help="run the variants at once, not one after the other")
    arguments = parser.parse_args()
    # The server ends with the block that runs it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    names = arguments.variant or list(VARIANTS)
    if len(names) > 1:
        return in_processes(names, arguments)
    missed = run(names[0], arguments.triggers, arguments.span, arguments.patience)
    for promise in missed:
        print(f"MISSED: {promise}.")
    return 1 if missed else 0


def in_processes(names: list[str], arguments: argparse.Namespace) -> int:
    """Run each variant in a process of its own."""
    given = [f"--{name}={getattr(arguments, name)}" for name in ("triggers", "span", "patience")]
    command = [sys.executable, "-m", "benchmarks.limited", *given]
    running: list[subprocess.Popen[bytes]] = []
    for name in names:
        running.append(subprocess.Popen([*command, f"--variant={name}"]))
        if not arguments.at_once:
            running[-1].wait()
    return max(abs(process.wait()) for process in running)


if __name__ == "__main__":
    sys.exit(main())
