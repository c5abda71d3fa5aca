"""What a clear pays, and the two ways out of an unknown submission, by what a person can do in the UI."""

from __future__ import annotations

from typing import Any

from dev.airflow_client import TaskKey
from dev.faults.points import POINTS, Kills
from dev.faults.stage import Stage, account
from dev.gate import Stop

_RECORD = "runcomfy"


def clear_all(stage: Stage) -> list[tuple[str, str, str, str]]:
    """Return, for each case, its name, what must be paid, what was, and what is wrong (empty if nothing)."""
    return [
        _clear(stage, "cleared with the same inputs", "reuse", changes=False, paid=1),
        _clear(stage, "cleared with other inputs", "reuse", changes=True, paid=2),
        _clear(stage, "cleared with on_clear='resubmit'", "resubmit", changes=False, paid=2),
        _settle(stage, "unknown, its id written into the record, cleared", adopts=True, paid=1),
        _settle(stage, "unknown, the record deleted, cleared", adopts=False, paid=2),
    ]


def _clear(stage: Stage, name: str, on_clear: str, *, changes: bool, paid: int) -> tuple[str, str, str, str]:
    prefix, dag_id = _prefix(name), f"faults_clear_{on_clear}"
    stage.airflow.client.set_variable(prefix, "first")
    run_id = stage.start(dag_id, prefix, 1)
    stage.wait(dag_id, run_id)
    if changes:
        stage.airflow.client.set_variable(prefix, "second")
    stage.airflow.client.clear(TaskKey(dag_id, "make"), run_id)
    return _paid(stage, name, prefix, dag_id, run_id, paid)


def _settle(stage: Stage, name: str, *, adopts: bool, paid: int) -> tuple[str, str, str, str]:
    prefix, dag_id = _prefix(name), "faults_clear_reuse"
    key = TaskKey(dag_id, "make")
    [taken] = [point for point in POINTS if point.name == "inside the POST, taken"]
    with stage.to_runcomfy.stopping(Stop(taken.matches(), taken.when, Kills(taken, 1).act)):
        run_id = stage.start(dag_id, prefix, 1)
        # Without retries the kill itself fails the task; the clear is the try that finds the intent.
        stage.wait(dag_id, run_id)
    stage.airflow.client.clear(key, run_id)
    [instance] = stage.wait(dag_id, run_id)
    if "UnknownSubmissionError" not in stage.log(instance, run_id):
        return name, str(paid), "?", "the clear did not report an unknown submission"
    if adopts:
        record: dict[str, Any] = stage.airflow.client.stored(key, run_id, _RECORD)
        [[request_id]] = account(stage, prefix, 1).paid.values()
        record["submissions"][-1]["request_id"] = request_id
        stage.airflow.client.store(key, run_id, _RECORD, record)
    else:
        stage.airflow.client.forget(key, run_id, _RECORD)
    stage.airflow.client.clear(key, run_id)
    return _paid(stage, name, prefix, dag_id, run_id, paid)


def _paid(stage: Stage, name: str, prefix: str, dag_id: str, run_id: str, paid: int) -> tuple[str, str, str, str]:
    [instance] = stage.wait(dag_id, run_id)
    found = account(stage, prefix, 1).submits
    wrong = "" if (found, instance.state) == (paid, "success") else f"paid {found}, the task is {instance.state}"
    return name, f"{paid} paid", f"{found} paid", wrong


def _prefix(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)
