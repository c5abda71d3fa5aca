"""Stop a task's processes for longer than their heartbeat may be missing: Airflow replaces the try, then it wakes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from dev.airflow_client import TaskInstance
from dev.faults.points import is_intent, is_submit
from dev.faults.processes import peer, runner, ti_id
from dev.faults.stage import Stage, account
from dev.faults.table import Row
from dev.gate import Exchange, Stop, When

_PATIENCE = 180.0


@dataclass(frozen=True)
class Point:
    """
    Where a try is stopped, by the exchange that is held with it.

    :param passed: whether a task's next try has come so far that the old one may wake.
    :param unknown: whether the next try stops and asks a person.
    """

    name: str
    gate: str
    when: When
    matches: Callable[[Exchange], bool]
    passed: Callable[[TaskInstance], bool]
    unknown: bool


POINTS = (
    Point(
        "stalled before the intent", "to_airflow", When.BEFORE, is_intent,
        lambda one: one.try_number > 1 and one.state in ("deferred", "success"), unknown=False,
    ),
    Point(
        "stalled inside the POST, taken", "to_runcomfy", When.AFTER, is_submit,
        lambda one: one.state == "failed", unknown=True,
    ),
)  # fmt: skip


def stall_at(stage: Stage, point: Point, *, kills: int) -> Row:
    """Stop the first try of each clip at the point, and wake it when the next one has passed it."""
    dag_id, prefix = "faults_generate", point.name.replace(" ", "-").replace(",", "")
    stalls = _Stalls(stage, point, dag_id, prefix)
    gate = stage.to_airflow if point.gate == "to_airflow" else stage.to_runcomfy
    with gate.stopping(Stop(stalls.matches, point.when, stalls.act, times=kills)):
        stalls.run_id = stage.start(dag_id, prefix, kills)
        stage.wait(dag_id, stalls.run_id, timeout=480)
        # A run can end before the last old try has found out that it is over.
        _until(stage, lambda: stalls.under_way == 0, "every old try is awake")
    time.sleep(5.0)
    faults = list(stalls.faults)
    for one in _makes(stage, dag_id, stalls.run_id):
        record: dict[str, Any] = stage.airflow.client.stored(one.key, stalls.run_id, "runcomfy")
        last = record["submissions"][-1]
        # The old try's id came after it had been replaced: the store has refused it. Its intent came before.
        mine = last["request_id"] is None if point.unknown else last["try_number"] > 1
        if not mine or len(record["submissions"]) != 1:
            faults.append(f"{one.key}: the try that was replaced has written into the record: {record}")
    return _row(stage, point.name, dag_id, stalls.run_id, prefix, stalls.count, kills, faults, unknown=point.unknown)


def stall_waiting(stage: Stage, *, kills: int) -> Row:
    """Stop tasks that wait on a worker, and wake each when its next try has attached to the request."""
    name, dag_id, prefix = "stalled while waiting on a worker", "faults_worker", "stalled-while-waiting"
    # No poll sees the end before all are awake again.
    stage.sandbox.add_fault("status", code=503, calls=["status", "result"], prompt=f"{prefix}/", times=None)
    faults: list[str] = []
    stopped: dict[int, list[psutil.Process]] = {}
    try:
        run_id = stage.start(dag_id, prefix, kills)

        def submitted() -> bool:
            found = _makes(stage, dag_id, run_id)
            return len(found) == kills and all("accepted request" in stage.log(one, run_id) for one in found)

        _until(stage, submitted, "all are submitted")
        for one in _makes(stage, dag_id, run_id):
            own_id = stage.database.task_instance_id(dag_id, run_id, one.key.task_id, one.key.map_index)
            stopped[one.key.map_index] = _stop(runner(own_id))
        count = sum(bool(processes) for processes in stopped.values())
        deadline = time.monotonic() + _PATIENCE * stage.slow_by
        while stopped and time.monotonic() < deadline:
            for one in _makes(stage, dag_id, run_id):
                if one.try_number > 1 and "Attached to request" in stage.log(one, run_id):
                    _wake(stopped.pop(one.key.map_index, []))
            time.sleep(1.0)
        if stopped:
            faults.append(f"{len(stopped)} tries were not replaced within {_PATIENCE * stage.slow_by:.0f} s")
        time.sleep(10.0)
    finally:
        for processes in stopped.values():
            _wake(processes)
        stage.sandbox.clear_faults()
    stage.wait(dag_id, run_id, timeout=300)
    return _row(stage, name, dag_id, run_id, prefix, count, kills, faults, unknown=False)


@dataclass
class _Stalls:
    """Stops each clip's first try with its exchange."""

    stage: Stage
    point: Point
    dag_id: str
    prefix: str
    run_id: str = ""
    count: int = 0
    under_way: int = 0
    faults: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def matches(self, exchange: Exchange) -> bool:
        """Return whether a clip's first try is at the point."""
        if not self.point.matches(exchange):
            return False
        prompt = _prompt(exchange)
        if not prompt.startswith(f"{self.prefix}/") or prompt in self._seen:
            return False
        self._seen.add(prompt)
        return True

    def act(self, exchange: Exchange) -> bool:
        """Stop whoever made this exchange until its next try has passed; then it goes on."""
        process = runner(ti_id(exchange) or "") if self.point.gate == "to_airflow" else peer(exchange)
        processes = _stop(process)
        with self._lock:
            self.count += bool(processes)
            self.under_way += 1
        try:
            index = int(_prompt(exchange).rpartition("/")[2])
            _until(self.stage, lambda: self._has_passed(index), "its next try has passed")
        except TimeoutError as error:
            self.faults.append(str(error))
        finally:
            _wake(processes)
            with self._lock:
                self.under_way -= 1
        return True

    def _has_passed(self, index: int) -> bool:
        makes = _makes(self.stage, self.dag_id, self.run_id) if self.run_id else []
        return any(one.key.map_index == index and self.point.passed(one) for one in makes)


def _prompt(exchange: Exchange) -> str:
    body = json.loads(exchange.body)
    # A record comes as the value of its key, a submit as it is.
    inputs = body["value"]["submissions"][-1]["inputs"] if "value" in body else body
    return str(inputs.get("prompt", ""))


def _makes(stage: Stage, dag_id: str, run_id: str) -> list[TaskInstance]:
    instances = stage.airflow.client.task_instances(dag_id, run_id)
    return [one for one in instances if one.key.task_id.endswith(".make") and one.key.map_index >= 0]


def _row(
    stage: Stage, name: str, dag_id: str, run_id: str, prefix: str, count: int, kills: int, faults: Iterable[str], *,
    unknown: bool,
) -> Row:  # fmt: skip
    found = account(stage, prefix, kills)
    makes = _makes(stage, dag_id, run_id)
    reported = sum("UnknownSubmissionError" in stage.log(one, run_id) for one in makes if one.state == "failed")
    wrong = list(faults)
    if count != kills:
        wrong.append(f"only {count} of {kills} were stopped")
    if found.submits != kills or any(len(ids) > 1 for ids in found.paid.values()):
        wrong.append(f"paid {found.submits}, expected {kills}: {found.paid}")
    if found.stored != (0 if unknown else kills) or found.wrong or reported != (kills if unknown else 0):
        states = ", ".join(f"{one.key} is {one.state}" for one in makes)
        wrong.append(f"stored {found.stored}, wrong {found.wrong}, reported {reported}: {states}")
    return Row(name, count, kills, found, reported, tuple(wrong))


def _stop(process: psutil.Process | None) -> list[psutil.Process]:
    """SIGSTOP a task's process and its supervisor; returns what was stopped."""
    with suppress(psutil.NoSuchProcess):
        supervisor = process.parent() if process else None
        if process and supervisor:
            supervisor.suspend()
            process.suspend()
            return [supervisor, process]
    return []


def _wake(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def _until(stage: Stage, holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE * stage.slow_by
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not after {_PATIENCE * stage.slow_by:.0f} s: {what}")
        time.sleep(1.0)
