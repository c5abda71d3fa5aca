"""Kill a task's process at each point of its way, and look what every clip came to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psutil

from dev.faults.processes import kill, peer, runner, ti_id
from dev.faults.stage import Stage, account
from dev.faults.table import Row
from dev.gate import Exchange, Stop, When

KILLS = 5


@dataclass
class Point:
    """
    Where a process is killed.

    :param name: as the table shows it.
    :param gate: ``to_airflow`` or ``to_runcomfy``.
    :param dags: the Dags that have this point.
    :param stops: makes what is stopped, anew for each run.
    :param unknown: whether a person has to settle it, since nobody can know whether it was paid.
    :param paid: how many submits per clip are paid.
    :param both: whether the supervisor is killed too, so that nobody carries on for the task.
    """

    name: str
    gate: str
    when: When
    matches: Callable[[], Callable[[Exchange], bool]]
    dags: tuple[str, ...] = ("faults_generate", "faults_submit")
    unknown: bool = False
    paid: int = 1
    both: bool = False


def run_point(stage: Stage, point: Point, dag_id: str, *, kills: int = KILLS) -> Row:
    """Run as many clips as there are kills, kill each once at the point, and return the account."""
    prefix = f"{point.name} {dag_id}".replace(" ", "-").replace("_", "-").replace(",", "")
    killed = Kills(point, kills)
    gate = stage.to_airflow if point.gate == "to_airflow" else stage.to_runcomfy
    is_own, matches = _of_run(stage, dag_id, prefix), point.matches()
    stop = Stop(lambda exchange: is_own(exchange) and matches(exchange), point.when, killed.act, times=kills)
    with ExitStack() as stack:
        stack.enter_context(gate.stopping(stop))
        run_id = stage.start(dag_id, prefix, kills)
        instances = stage.wait(dag_id, run_id)
    found = account(stage, prefix, kills)
    makes = [one for one in instances if one.key.task_id.endswith(".make")]
    failed = [one for one in makes if one.state == "failed"]
    faults = []
    reported = 0
    for one in failed:
        log = stage.log(one, run_id)
        if "UnknownSubmissionError" not in log:
            faults.append(f"{one.key} failed otherwise: {log[-1500:]}")
            continue
        reported += 1
        if point.name.startswith("between its answer"):
            prompt = f"{prefix}/{one.key.map_index}"
            if not any(request_id in log for request_id in found.paid.get(prompt, ["?"])):
                faults.append(f"{one.key}: the id of what was paid is not in the log")
    wanted_unknown = kills if point.unknown else 0
    if killed.count != kills:
        faults.append(f"only {killed.count} of {kills} kills")
    if found.submits != kills * point.paid or any(len(ids) > 1 for ids in found.paid.values()):
        faults.append(f"paid {found.submits}, expected {kills * point.paid}: {found.paid}")
    if reported != wanted_unknown:
        faults.append(f"{reported} unknown submissions reported, expected {wanted_unknown}")
    if found.stored != (0 if point.unknown else kills) or found.wrong:
        faults.append(f"stored {found.stored}, wrong {found.wrong}")
    return Row(f"{point.name}, {dag_id.removeprefix('faults_')}", killed.count, kills, found, reported, tuple(faults))


def _of_run(stage: Stage, dag_id: str, prefix: str) -> Callable[[Exchange], bool]:
    """Return what tells the exchanges of a run from those of others beside it, by Airflow's id or by its prompts."""

    def is_own(exchange: Exchange) -> bool:
        own_id = ti_id(exchange)
        if own_id is None:
            return f'"{prefix}/'.encode() in exchange.body
        return stage.database.dag_id(own_id) == dag_id

    return is_own


@dataclass
class Kills:
    """Kills whoever comes to a point, and counts."""

    point: Point
    wanted: int
    count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def act(self, exchange: Exchange) -> bool:
        """Kill whoever made this exchange; it is cut."""
        process = peer(exchange) if self.point.gate == "to_runcomfy" else runner(ti_id(exchange) or "")
        supervisor = _parent(process) if self.point.both else None
        if kill([supervisor, process]):
            with self._lock:
                self.count += 1
        return False


def _parent(process: psutil.Process | None) -> psutil.Process | None:
    return process.parent() if process else None


def _record(exchange: Exchange) -> dict[str, Any] | None:
    """Return the newest submission that a call writes into the record; None for any other call."""
    if exchange.method != "PUT" or not exchange.path.endswith("/runcomfy"):
        return None
    value = json.loads(exchange.body)["value"]
    return value["submissions"][-1]  # type: ignore[no-any-return]


def _first_read() -> Callable[[Exchange], bool]:
    seen: set[str | None] = set()

    def matches(exchange: Exchange) -> bool:
        first = _is_read(exchange) and ti_id(exchange) not in seen
        if first:
            seen.add(ti_id(exchange))
        return first

    return matches


def _read_on_resume() -> Callable[[Exchange], bool]:
    first = _first_read()
    return lambda exchange: _is_read(exchange) and not first(exchange)


def _is_read(exchange: Exchange) -> bool:
    return exchange.method == "GET" and exchange.path.endswith("/runcomfy")


def is_intent(exchange: Exchange) -> bool:
    """Return whether a call writes an intent into a record."""
    record = _record(exchange)
    return record is not None and record["request_id"] is None and record["outcome"] is None


def is_new_id(exchange: Exchange) -> bool:
    """Return whether a call writes a request id into a record."""
    record = _record(exchange)
    return record is not None and record["request_id"] is not None and record["outcome"] is None


def is_submit(exchange: Exchange) -> bool:
    """Return whether a call is a submit."""
    return exchange.method == "POST" and exchange.path.startswith("/v1/models/")


def _succeeds() -> Callable[[Exchange], bool]:
    # Only tasks that submit write a record, and it is theirs whose success is stopped.
    makes: set[str | None] = set()

    def matches(exchange: Exchange) -> bool:
        if _record(exchange) is not None:
            makes.add(ti_id(exchange))
        ends = exchange.method == "PATCH" and exchange.path.endswith("/state") and b'"success"' in exchange.body
        return ends and ti_id(exchange) in makes

    return matches


POINTS = (
    Point("before the intent", "to_airflow", When.BEFORE, _first_read),
    Point("between intent and POST", "to_airflow", When.AFTER, lambda: is_intent, unknown=True, paid=0),
    Point("inside the POST, not yet taken", "to_runcomfy", When.BEFORE, lambda: is_submit, unknown=True, paid=0),
    Point("inside the POST, taken", "to_runcomfy", When.AFTER, lambda: is_submit, unknown=True),
    Point("between its answer and the record", "to_airflow", When.BEFORE, lambda: is_new_id, unknown=True, both=True),
    Point("after the record", "to_airflow", When.AFTER, lambda: is_new_id),
    Point("on resume", "to_airflow", When.BEFORE, _read_on_resume, dags=("faults_generate",)),
    Point("between result and success", "to_airflow", When.BEFORE, _succeeds, both=True),
)
