"""What becomes of a waiting request when a person marks or clears its task, or when it times out, on a real Airflow."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

import requests

from dev.airflow_client import TaskInstance, TaskKey
from dev.faults.marking_cases import RUNNING, Case, cases
from dev.faults.stage import Stage, submit

_ENDED = ("success", "failed")


def mark_all(stage: Stage, *, short: bool = False) -> list[tuple[str, str, str, str]]:
    """
    Return, for each case, its name, what must be, what is, and what is wrong (empty if nothing).

    :param short: only some of the cases.
    """
    seen = []
    # The running ones first: they take the sandbox's slots, so that all that follow are queued.
    for state in ("in_progress", "in_queue"):
        chosen = [case for case in cases(state) if not short or case.is_in_short]
        if state == "in_queue":
            _fill(stage)
        runs = {case: stage.start(case.dag_id, case.prefix, 1) for case in chosen}
        if state == "in_progress":
            _wait_for_requests(stage, len(chosen))
        acted = {case: run_id for case, run_id in runs.items() if not case.times_out}
        for case, run_id in acted.items():
            _until(stage, lambda c=case, r=run_id: _waits(stage, c, r), f"{case.name} waits", timeout=300)  # type: ignore[misc]
        for case, run_id in acted.items():
            _act(stage, case, run_id)
        for case, run_id in runs.items():
            seen.append(_look(stage, case, run_id))
            print(f"         {case.name}: {'FAULT' if seen[-1][3] else 'ok'}", flush=True)
        # What a cleared task's next try waits for never ends, and one on a worker would hold that for ever.
        for case, run_id in acted.items():
            if case.mode == "worker" and stage.airflow.client.run_state(case.dag_id, run_id) not in _ENDED:
                stage.airflow.client.mark(TaskKey(case.dag_id, "make"), run_id, "failed")
    return seen


def _wait_for_requests(stage: Stage, number: int) -> None:
    _until(stage, lambda: len(stage.full.requests()) == number, f"{number} requests run", timeout=300)


def _fill(stage: Stage) -> None:
    """Take what is left of the sandbox's running slots, so that all that follow are queued."""
    for _ in range(RUNNING - len(stage.full.requests())):
        submit(stage.full, "fills a slot")


def _act(stage: Stage, case: Case, run_id: str) -> None:
    key = TaskKey(case.dag_id, "make")

    def acted() -> bool:
        try:
            if case.act == "cleared":
                stage.airflow.client.clear(key, run_id)
            else:
                stage.airflow.client.mark(key, run_id, case.act)
        except requests.HTTPError as error:
            # SQLite is locked now and then on a busy machine; Airflow has then done nothing.
            if error.response is None or error.response.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            return False
        return True

    _until(stage, acted, f"{case.name}: done", timeout=30)


def _waits(stage: Stage, case: Case, run_id: str) -> bool:
    # Airflow calls on_kill of a trigger that runs; a deferred task's may not have begun to.
    instance = _instance(stage, case, run_id)
    wanted = "deferred" if case.mode == "deferred" else "running"
    return instance.state == wanted and f"is {case.state}" in stage.log(instance, run_id)


def _look(stage: Stage, case: Case, run_id: str) -> tuple[str, str, str, str]:
    # The log tells that the kill is over; only then does the state of the request say anything.
    log = ""

    def missing() -> list[str]:
        return [said for said, times in Counter(case.said).items() if log.count(said) < times]

    def told() -> bool:
        nonlocal log
        log = stage.log(_instance(stage, case, run_id), run_id)
        return not missing()

    wrong = ""
    try:
        _until(stage, told, case.name, timeout=90)
    except TimeoutError:
        wrong = f"the log does not say {missing()}: {log[-1500:]}"
    found = [r for r in stage.full.requests() if str(r["inputs"]["prompt"]).startswith(f"{case.prefix}/")]
    states = [str(request["state"]) for request in found]
    if states != case.becomes:
        wrong += f" requests: {states}"
    return case.name, ", ".join(case.becomes), ", ".join(states), wrong


def _instance(stage: Stage, case: Case, run_id: str) -> TaskInstance:
    [instance] = stage.airflow.client.task_instances(case.dag_id, run_id)
    return instance


def _until(stage: Stage, holds: Callable[[], bool], what: str, timeout: float = 120.0) -> None:
    deadline = time.monotonic() + timeout * stage.slow_by
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not after {timeout * stage.slow_by:.0f} s: {what}")
        time.sleep(0.5)
