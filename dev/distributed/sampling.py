"""Watch how much memory and CPU time each part of the cluster takes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

_MIB = 2**20
_INTERVAL = 2.0


@dataclass
class Usage:
    """
    What one part took so far, all its processes together.

    :param processes: how many there were at most.
    :param pss: MiB at most, memory that processes share counted once; ``rss``: MiB at most, counted in each of them.
    :param cpu: seconds, those of the processes that have ended included.
    """

    processes: int = 0
    pss: float = 0.0
    rss: float = 0.0
    cpu: float = 0.0


@dataclass
class Sampler:
    """
    Looks at the processes of each part every 2 s.

    :param leaders: the process that leads each part, by name.
    """

    leaders: dict[str, int] = field(default_factory=dict)
    usages: dict[str, Usage] = field(default_factory=dict)
    _cpu_before: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, name: str, leader: int) -> None:
        """Watch one more part: the session that ``leader`` leads, and its descendants."""
        with self._lock:
            self.leaders[name] = leader
            self.usages[name] = Usage()

    def sample(self) -> None:
        """Look once."""
        with self._lock:
            trees = _trees(self.leaders)
            for name, usage in self.usages.items():
                _add(usage, trees[name])

    def begin(self) -> None:
        """Have CPU time count from now on."""
        self.sample()
        self._cpu_before = {name: usage.cpu for name, usage in self.usages.items()}

    def cpu(self, name: str) -> float:
        """Return the CPU seconds of a part since the beginning."""
        return self.usages[name].cpu - self._cpu_before.get(name, 0.0)


@contextmanager
def sampling() -> Iterator[Sampler]:
    """Sample in a thread while the block runs."""
    sampler = Sampler()
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(_INTERVAL):
            sampler.sample()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield sampler
    finally:
        ended.set()
        thread.join()


def _trees(leaders: Mapping[str, int]) -> dict[str, list[psutil.Process]]:
    """Return the processes of each leader: its session, and its descendants in other ones (as PostgreSQL's are)."""
    names = {leader: name for name, leader in leaders.items()}
    running = {process.pid: process for process in psutil.process_iter(["ppid"])}
    found: dict[str, list[psutil.Process]] = {name: [] for name in leaders}
    for pid, process in running.items():
        with suppress(ProcessLookupError):
            name = names.get(os.getsid(pid))
            above: psutil.Process | None = process
            while name is None and above is not None:
                name = names.get(above.pid)
                above = running.get(above.info["ppid"])
            if name is not None:
                found[name].append(process)
    return found


def _add(usage: Usage, processes: list[psutil.Process]) -> None:
    pss = rss = cpu = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            times = process.cpu_times()
            # Of those children that have ended, too.
            cpu += times.user + times.system + times.children_user + times.children_system
            memory = process.memory_full_info()
            pss += memory.pss / _MIB
            rss += memory.rss / _MIB
    usage.processes = max(usage.processes, len(processes))
    usage.pss = max(usage.pss, pss)
    usage.rss = max(usage.rss, rss)
    # Less than before: one has just ended, and its parent has not taken note of it yet.
    usage.cpu = max(usage.cpu, cpu)
