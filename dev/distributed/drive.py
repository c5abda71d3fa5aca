"""Run the Dag, and lose a triggerer and a worker on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dev.distributed.cluster import Cluster
from dev.distributed.database import Database, Instance
from dev.distributed.sampling import Sampler

DAG = "clips"
GENERATE, COPY = "generate", "copy"
_POOL = "generations"
# Longer than Airflow takes to notice the loss of a triggerer, so that the other one carries on alone in between.
_REPLACED_AFTER = 60.0
_REPORT_EVERY = 15.0


class RunFailedError(RuntimeError):
    """The run did not end, or ended before what was to be lost was lost."""


@dataclass
class Loss:
    """A host that was lost: what it was doing, in words, and how many processes died."""

    host: str
    second: float
    doing: str
    processes: int
    tasks: list[Instance] = field(default_factory=list)


@dataclass
class Drive:
    """
    One run of the Dag.

    :param clips: how many.
    """

    cluster: Cluster
    database: Database
    sampler: Sampler
    clips: int
    run_id: str = ""
    losses: list[Loss] = field(default_factory=list)
    seconds: float = 0.0
    _began: float = 0.0
    _replacements: list[tuple[float, str]] = field(default_factory=list)

    def run(self, bucket: str, slots: int, timeout: float) -> None:
        """
        Start the Dag, and return when the run has ended, whatever became of it.

        :param slots: how many clips may be under way at once, the waiting ones included.
        :param timeout: seconds.
        :raises RunFailedError: it has not ended by then, or a host could not be lost.
        """
        self.cluster.client.make_pool(_POOL, slots, include_deferred=True)
        self.cluster.client.unpause(DAG)
        self._began = time.monotonic()
        self.run_id = self.cluster.client.trigger(DAG, {"clips": self.clips, "bucket": bucket})
        plan: list[Callable[[], bool]] = [self._lose_triggerer, self._lose_worker]
        reported = 0.0
        while (state := self.database.run_state()) not in ("success", "failed"):
            self.cluster.must_be_up()
            if plan and plan[0]():
                plan.pop(0)
            self._replace()
            if self._now() > timeout:
                raise RunFailedError(f"not ended after {timeout:.0f} s: {dict(self.database.states())}")
            if self._now() - reported > _REPORT_EVERY:
                reported = self._now()
                self._say(self._progress())
            time.sleep(0.3)
        self.seconds = self._now()
        self._say(f"the run ended: {state}; {self._progress()}")
        if plan:
            raise RunFailedError(f"the run ended when {len(plan)} of 2 hosts were still to be lost")

    def _lose_triggerer(self) -> bool:
        """Lose it as soon as it waits for 20 clips, or for any when a sixth of all have been made."""
        waiting = self.database.waiting_on("triggerer-0")
        late = self.database.states()[GENERATE, "success"] >= self.clips // 6
        if waiting < (1 if late else min(20, max(1, self.clips // 4))):
            return False
        self._lose("triggerer-0", f"waited for {waiting} clips")
        return True

    def _lose_worker(self) -> bool:
        """
        Lose it when a third of the clips are stored, and it copies.

        It is frozen, looked at, and let go on if a task has not yet been deferred: one that dies around its POST stops
        by design, for a person to settle. `make faults` kills at that point.
        """
        if self.database.states()[COPY, "success"] < self.clips // 3:
            return False
        if not _may_be_lost(self.database.running_on("worker-0")):
            return False
        self.cluster.freeze("worker-0")
        tasks = self.database.running_on("worker-0")
        if not _may_be_lost(tasks):
            self.cluster.thaw("worker-0")
            return False
        self._lose("worker-0", f"ran {', '.join(map(str, tasks))}", tasks)
        return True

    def _lose(self, host: str, doing: str, tasks: list[Instance] | None = None) -> None:
        self.sampler.sample()
        processes = self.cluster.lose(host)
        self.losses.append(Loss(host, self._now(), doing, processes, tasks or []))
        self._replacements.append((self._now() + _REPLACED_AFTER, f"{host.rstrip('0123456789')}2"))
        self._say(f"lost {host}: {processes} processes killed; it {doing}")

    def _replace(self) -> None:
        for due, host in self._replacements:
            if self._now() >= due:
                self.cluster.start(host)
                self.sampler.watch(host, self.cluster.hosts[host].pid)
                self._say(f"started {host} as a replacement")
        self._replacements = [(due, host) for due, host in self._replacements if self._now() < due]

    def _progress(self) -> str:
        states = self.database.states()
        parts = []
        for task_id in (GENERATE, COPY):
            counts = [f"{count} {state}" for (name, state), count in sorted(states.items()) if name == task_id]
            parts.append(f"{task_id}: {', '.join(counts) or 'none yet'}")
        return "; ".join(parts)

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _say(self, text: str) -> None:
        print(f"{self._now():7.1f} s  {text}", flush=True)


def _may_be_lost(tasks: list[Instance]) -> bool:
    submit = any(one.task_id == GENERATE and not one.resumes for one in tasks)
    return not submit and any(one.task_id == COPY for one in tasks)
