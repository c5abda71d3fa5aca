"""
Two thousand triggers that come and go for half an hour, in one loop, against a server that fails now and then.

Each lives a random while; some are handed over, as a triggerer does when it stops; now and then all leave and come
back. Ends with 1 unless memory, sockets and tasks are at the end what they were after the first minutes, nothing is
left open when all have left, and no trigger fails.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import signal
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.status_server import StatusServer, request, status_server
from benchmarks.stored_triggers import connect, environment, event_of, stored

_MOST_GROWTH = 1.05
# The pool opens as many sockets as the moment needs: so many more are no growth.
_MOST_MORE = 10
_SAMPLE_SECONDS = 10.0
_LIFE_SECONDS = (20.0, 180.0)
#: Every so many seconds all leave; then this long nobody is there.
_TIDE_SECONDS, _EMPTY_SECONDS = 240.0, 10.0
_FAULTS_EVERY_SECONDS, _FAULTS_SECONDS, _FAULTS_SHARE = 100.0, 15.0, 0.5
_TOKEN_EVERY_SECONDS, _TOKENS_OVERLAP_SECONDS = 150.0, 5.0
_HANDED_OVER_PER_SECOND = 5
_DEADLINE_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Sample:
    """The process at a moment: seconds since the start, MiB resident, and how many of each."""

    at: float
    waiting: int
    rss: float
    sockets: int
    files: int
    tasks: int
    objects: int


@dataclass
class Soak:
    """A run: its triggers by their rows in Airflow's database, what was sampled, and what went wrong."""

    server: StatusServer
    triggers: int
    started: float = field(default_factory=time.time)
    running: dict[asyncio.Task[None], str] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    lows: list[Sample] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    succeeded: int = 0
    handed_over: int = 0
    number: int = 0
    tide: float = _TIDE_SECONDS
    is_low: bool = False
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, minutes: float) -> None:
        self.tide = min(_TIDE_SECONDS, minutes * 60 / 3)
        jobs = (self.sampling, self.tides, self.faults, self.tokens, self.handing_over)
        self.fill()
        tasks = [asyncio.create_task(job()) for job in jobs]
        await asyncio.wait(tasks, timeout=minutes * 60, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError):
                self.wrong.append(f"the benchmark itself: {ended!r}")
        await self.leave()
        self.lows.append(self.sample())

    def fill(self) -> None:
        while len(self.running) < self.triggers:
            now, life = time.time(), random.uniform(*_LIFE_SECONDS)
            self.number += 1
            request_id = request(now + life * random.uniform(0, 0.5), now + life, self.number)
            self.start(stored(request_id, end_time=now + _DEADLINE_SECONDS, submitted_at=now, max_poll_interval=15.0))

    def start(self, row: str) -> None:
        task = asyncio.create_task(self.one(row))
        self.running[task] = row
        task.add_done_callback(self.ended)

    def ended(self, task: asyncio.Task[None]) -> None:
        self.running.pop(task, None)
        # One that was cancelled is handed over: whoever has cancelled it has its row.
        if not self.is_low and not task.cancelled():
            self.fill()

    async def one(self, row: str) -> None:
        try:
            ending = await event_of(row)
            if ending["end"] == "succeeded":
                self.succeeded += 1
            else:
                self.wrong.append(f"{ending['end']}: {ending['reason']}")
        except Exception as error:
            self.wrong.append(f"{type(error).__name__}: {error}")

    async def leave(self) -> list[str]:
        """Cancel every trigger, as a triggerer does when it stops, and return the rows that are left."""
        self.is_low, rows = True, list(self.running.values())
        left = list(self.running)
        while left:
            for task in left:
                task.cancel()
            # The triggerer asks again each second for the end of what has not ended.
            left = list((await asyncio.wait(left, timeout=1.0))[1])
        await asyncio.sleep(_EMPTY_SECONDS)
        return rows

    async def tides(self) -> None:
        while True:
            await asyncio.sleep(self.tide)
            rows = await self.leave()
            # The benchmark's own calls have sockets, too.
            async with self.asking:
                self.lows.append(self.sample())
            self.is_low = False
            for row in rows:
                self.start(row)
            self.fill()

    async def handing_over(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if self.is_low:
                continue
            for task in random.sample(list(self.running), min(_HANDED_OVER_PER_SECOND, len(self.running))):
                row = self.running.get(task)
                if row is None:
                    continue
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                self.handed_over += 1
                if not self.is_low:
                    self.start(row)

    async def faults(self) -> None:
        while True:
            await asyncio.sleep(_FAULTS_EVERY_SECONDS)
            await self.ask("faults", share=_FAULTS_SHARE)
            await asyncio.sleep(_FAULTS_SECONDS)
            await self.ask("faults", share=0.0)

    async def tokens(self) -> None:
        """Replace the token as people do: the new one is made, put into Airflow, then the old one is revoked."""
        new, number = "the-first-token", 0
        while True:
            await asyncio.sleep(_TOKEN_EVERY_SECONDS)
            old, new, number = new, f"the-token-after-{number}", number + 1
            await self.ask("tokens", tokens=[old, new])
            connect(self.server.connection(new))
            await asyncio.sleep(_TOKENS_OVERLAP_SECONDS)
            await self.ask("tokens", tokens=[new])

    async def ask(self, name: str, **body: Any) -> None:
        async with self.asking:
            await asyncio.to_thread(self.server.ask, name, **body)

    async def sampling(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLE_SECONDS)
            if not self.is_low:
                self.samples.append(self.sample())

    def sample(self) -> Sample:
        process, rss = psutil.Process(), psutil.Process().memory_info().rss
        return Sample(
            time.time() - self.started, len(self.running), rss / 2**20, len(process.net_connections("tcp")),
            process.num_fds(), len(asyncio.all_tasks()), len(gc.get_objects()),
        )  # fmt: skip


_MEMORY = "memory, MiB, median"
#: What is compared, early and late: of what comes in bursts the most, of what grows slowly the median.
FIGURES: dict[str, tuple[Callable[[Sample], float], Callable[[list[float]], float]]] = {
    "waiting, median": (lambda sample: sample.waiting, statistics.median),
    _MEMORY: (lambda sample: sample.rss, statistics.median),
    "sockets, most": (lambda sample: sample.sockets, max),
    "open files, most": (lambda sample: sample.files, max),
    "tasks, most": (lambda sample: sample.tasks, max),
    "gc objects, median": (lambda sample: sample.objects, statistics.median),
}
_FLAT = (_MEMORY, "sockets, most", "open files, most", "tasks, most")


def parts(samples: list[Sample], minutes: float) -> tuple[list[Sample], list[Sample]]:
    """Return the samples of minutes 5 to 10, and of the last five; of shorter runs the second and the last sixth."""
    part = min(5.0, minutes / 6) * 60
    early = [sample for sample in samples if part <= sample.at < 2 * part]
    return early, [sample for sample in samples if sample.at >= minutes * 60 - part]


def judged(soak: Soak, noted: list[str], minutes: float) -> Iterator[str]:
    """Print the run's figures, and yield which promises were missed."""
    early, late = parts(soak.samples, minutes)
    if not early or not late or not soak.lows:
        yield "the run was too short for samples"
        return
    print("| | early | late | late / early | when all had left, most |")
    print("|---|--:|--:|--:|--:|")
    for name, (figure, fold) in FIGURES.items():
        first, last = (fold([figure(sample) for sample in some]) for some in (early, late))
        print(f"| {name} | {first:.0f} | {last:.0f} | {last / first:.3f} | {max(map(figure, soak.lows)):.0f} |")
        if name in _FLAT and last > first * _MOST_GROWTH and (name == _MEMORY or last > first + _MOST_MORE):
            yield f"{name}: {last:.0f} at the end, {first:.0f} at first"
    tenth = max(len(soak.samples) // 10, 1)
    tenths = [soak.samples[at : at + tenth] for at in range(0, len(soak.samples), tenth)]
    medians = ", ".join(f"{statistics.median(sample.rss for sample in some):.0f}" for some in tenths)
    print(f"\nMemory in each tenth of the run, median, MiB: {medians}.\n")
    if left := max(sample.sockets for sample in soak.lows):
        yield f"{left} sockets were open when all triggers had left"
    # Those of the benchmark itself.
    if (left := max(sample.tasks for sample in soak.lows)) > 6:
        yield f"{left} tasks were left when all triggers had left"
    if soak.wrong:
        yield f"{len(soak.wrong)} triggers failed, the first: {soak.wrong[0]}"
    if noted:
        yield f"{len(noted)} warnings, the first: {noted[0]}"


def note(loop: asyncio.AbstractEventLoop, noted: list[str]) -> None:
    """Take down every warning about what was not closed, and every error that nobody has handled."""

    def show(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, ResourceWarning | RuntimeWarning):
            noted.append(f"{category.__name__}: {message}")

    warnings.simplefilter("always", ResourceWarning)
    warnings.showwarning = show
    loop.set_exception_handler(lambda _, context: noted.append(f"{context['message']}: {context.get('exception')!r}"))
    sys.unraisablehook = lambda error: noted.append(f"{error.err_msg}: {error.exc_value!r}")


async def soaked(server: StatusServer, triggers: int, minutes: float, noted: list[str]) -> Soak:
    note(asyncio.get_running_loop(), noted)
    soak = Soak(server, triggers)
    await soak.run(minutes)
    gc.collect()
    return soak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="default: 30")
    parser.add_argument("--triggers", type=int, default=2000, help="how many wait (default: 2000)")
    parser.add_argument("--tls", action=argparse.BooleanOptionalAction, default=True, help="default: over TLS")
    arguments = parser.parse_args()
    # The server ends with the block that runs it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    noted: list[str] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        status_server(Path(folder), tls=arguments.tls) as server,
        environment(server.connection(), server.ca),
    ):
        cpu = time.process_time()
        soak = asyncio.run(soaked(server, arguments.triggers, arguments.minutes, noted))
        cpu, calls = time.process_time() - cpu, sum(offered for offered, _, _ in server.counts().values())
    print(
        f"{arguments.minutes:.0f} minutes, {arguments.triggers} triggers{' over TLS' if arguments.tls else ''}: "
        f"{soak.succeeded} have succeeded, {soak.handed_over} were handed over, all left {len(soak.lows)} times; "
        f"{calls} calls, {cpu * 1000 / max(calls, 1):.2f} ms of CPU for each (load of the machine: "
        f"{os.getloadavg()[0]:.1f}).\n"
    )
    missed = list(judged(soak, noted, arguments.minutes))
    for promise in missed:
        print(f"MISSED: {promise}.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
