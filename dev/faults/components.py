"""Kill the scheduler and the triggerer, and know when a new one is at work."""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import psutil

from dev.faults.processes import kill
from dev.faults.stage import Stage

SCHEDULER = "scheduler"
TRIGGERER = "triggerer-0"
_JOBS = {SCHEDULER: "SchedulerJob", TRIGGERER: "TriggererJob"}


def is_at_work(stage: Stage, name: str) -> bool:
    """Return whether a component has begun to work since it was started; a triggerer, whether it has a trigger."""
    process = psutil.Process(stage.airflow.components[name].pid)
    job = stage.database.job(_JOBS[name], since=process.create_time())
    if job is None:
        return False
    return name == SCHEDULER or stage.database.triggers_of(job) > 0


def has_every_trigger(stage: Stage) -> bool:
    """Return whether the one triggerer has taken every trigger that there is, one at least."""
    process = psutil.Process(stage.airflow.components[TRIGGERER].pid)
    job = stage.database.job(_JOBS[TRIGGERER], since=process.create_time())
    return job is not None and 0 < stage.database.triggers() == stage.database.triggers_of(job)


def wait_for_triggers(stage: Stage, timeout: float = 120.0) -> bool:
    """Wait until the one triggerer has taken every trigger; returns False if there is none any more."""
    deadline = time.monotonic() + timeout * stage.slow_by
    while not has_every_trigger(stage):
        if not stage.database.triggers():
            return False
        if time.monotonic() > deadline:
            raise TimeoutError(f"the triggerer has not taken all triggers after {timeout * stage.slow_by:.0f} s")
        time.sleep(0.5)
    return True


def replace(stage: Stage, name: str) -> None:
    """Kill a component, and start a new one."""
    leader = stage.airflow.components[name]
    children: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        # The triggers' process goes with its parent; a scheduler's tasks go on without it, as on another host.
        children = psutil.Process(leader.pid).children() if name == TRIGGERER else []
    leader.send_signal(signal.SIGKILL)
    leader.wait()
    kill(children)
    stage.airflow.start(name)
