"""What becomes of a waiting request when a person marks or clears its task: by state, flag and mode."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from dev.airflow_client import TaskInstance, TaskKey
from dev.faults.stage import Stage

_RUNNING_SLOTS = 6


@dataclass(frozen=True)
class Case:
    """One task that waits, and what a person does to it."""

    state: str
    mode: str
    flag: str
    act: str

    @property
    def name(self) -> str:
        """The case in words."""
        return f"{self.act}, {self.mode}, {self.state}, cancel_on_kill {self.flag}"

    @property
    def dag_id(self) -> str:
        """The Dag that has this mode and flag."""
        return f"faults_wait_{self.mode}_{self.flag}"

    @property
    def prefix(self) -> str:
        """What the prompt begins with."""
        return self.name.replace(", ", "-").replace(" ", "-").replace("_", "-")

    @property
    def becomes(self) -> str:
        """What the request must be afterwards."""
        if self.state == "in_progress":
            return "in_progress"
        cancels = self.flag == "on" and self.act != "cleared"
        return "cancelled" if cancels else "in_queue"

    @property
    def said(self) -> str:
        """What the log of the task must say of the request."""
        if self.act == "cleared":
            return "Attached to request"
        if self.flag == "off":
            return "cancel_on_kill is off"
        if self.state == "in_progress":
            return "could not be cancelled: it runs or has ended, and is charged"
        return "was cancelled while it was queued; nothing is charged"


# The six running ones first: they take the sandbox's slots, so that all that follow are queued.
CASES = (
    *(Case("in_progress", "deferred", flag, act) for flag in ("on", "off") for act in ("failed", "success", "cleared")),
    *(Case("in_queue", "deferred", flag, act) for flag in ("on", "off") for act in ("failed", "success", "cleared")),
    *(Case("in_queue", "worker", flag, "failed") for flag in ("on", "off")),
)


def mark_all(stage: Stage) -> list[tuple[str, str, str, str]]:
    """Return, for each case, its name, what must be, what is, and what is wrong (empty if nothing)."""
    runs: dict[Case, str] = {}
    for number, case in enumerate(CASES):
        if number == _RUNNING_SLOTS:
            _until(lambda: len(stage.full.requests()) == _RUNNING_SLOTS, "six requests run")
        runs[case] = stage.start(case.dag_id, case.prefix, 1)
    for case, run_id in runs.items():
        wanted = "deferred" if case.mode == "deferred" else "running"
        _until(lambda c=case, r=run_id, w=wanted: _waits(stage, c, r, w), f"{case.name} waits")  # type: ignore[misc]
    for case, run_id in runs.items():
        key = TaskKey(case.dag_id, "make")
        if case.act == "cleared":
            stage.airflow.client.clear(key, run_id)
        else:
            stage.airflow.client.mark(key, run_id, case.act)
    return [_look(stage, case, run_id) for case, run_id in runs.items()]


def _waits(stage: Stage, case: Case, run_id: str, state: str) -> bool:
    # Airflow calls on_kill of a trigger that runs; a deferred task's may not have begun to.
    instance = _instance(stage, case, run_id)
    return instance.state == state and f"is {case.state}" in stage.log(instance, run_id)


def _look(stage: Stage, case: Case, run_id: str) -> tuple[str, str, str, str]:
    # The log tells that the kill is over; only then does the state of the request say anything.
    log = ""

    def told() -> bool:
        nonlocal log
        log = stage.log(_instance(stage, case, run_id), run_id)
        return case.said in log

    wrong = ""
    try:
        _until(told, case.name, timeout=60)
    except TimeoutError:
        wrong = f"the log does not say {case.said!r}: {log[-800:]}"
    found = [r for r in stage.full.requests() if str(r["inputs"]["prompt"]).startswith(f"{case.prefix}/")]
    states = [str(request["state"]) for request in found]
    if states != [case.becomes]:
        wrong += f" requests: {states}"
    return case.name, case.becomes, ", ".join(states), wrong


def _instance(stage: Stage, case: Case, run_id: str) -> TaskInstance:
    [instance] = stage.airflow.client.task_instances(case.dag_id, run_id)
    return instance


def _until(holds: Callable[[], bool], what: str, timeout: float = 120.0) -> None:
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not after {timeout:.0f} s: {what}")
        time.sleep(0.5)
