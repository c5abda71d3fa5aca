"""RunComfy repeats the token in what it answers: what it says must be seen, the token nowhere."""

from __future__ import annotations

import time
from typing import Any

from dev.airflow_client import TaskKey
from dev.faults.stage import TOKEN, Stage

_DAG = "faults_clear_reuse"
_KEY = TaskKey(_DAG, "make")
_SAYS = "the node has seen"
_STRUCK_OUT = f"{_SAYS} ***"

Case = tuple[str, str, str, str]


def echo_all(stage: Stage) -> list[Case]:
    """Return, for each case, its name, what must be, what is, and what is wrong (empty if nothing)."""
    refusal = {"error_code": 422000, "error_message": f"{_SAYS} {TOKEN}"}
    return [
        _echo(stage, "the token in a failed generation's error", "failed", "fail", error=f"{_SAYS} {TOKEN}"),
        _echo(stage, "the token in a refused submit", "failed", "status", code=422, calls=["submit"], body=refusal),
        _echo(
            stage, "the token in a page for a submit", "failed", "status", code=500, calls=["submit"],
            body=f"<p>{_SAYS} {TOKEN}</p>",
        ),
        _echo_success(stage),
    ]  # fmt: skip


def leave_one_waiting(stage: Stage) -> list[Case]:
    """Start a task that waits until the end, so that there is a trigger in the database that is searched; one case."""
    dag_id = "faults_wait_deferred_off"
    run_id = stage.start(dag_id, "waits-until-the-end", 1)
    deadline = time.monotonic() + 120 * stage.slow_by
    state: str | None = None
    while state != "deferred" and time.monotonic() < deadline:
        time.sleep(0.5)
        state = stage.airflow.client.task_instances(dag_id, run_id)[0].state
    return [("waits until the end", "deferred", str(state), "" if state == "deferred" else "it does not wait")]


def _echo(stage: Stage, name: str, state: str, effect: str, **keys: Any) -> Case:
    prefix = name.replace(" ", "-").replace("'", "")
    stage.sandbox.add_fault(effect, prompt=f"{prefix}/", times=1, **keys)
    run_id = stage.start(_DAG, prefix, 1)
    [instance] = stage.wait(_DAG, run_id)
    return _judge(name, state, instance.state, stage.log(instance, run_id))


def _echo_success(stage: Stage) -> Case:
    name, prefix = "the token in a success's output and remark", "the-token-in-a-success"
    run_id = stage.start(_DAG, prefix, 1)
    request_id = _request_id(stage, prefix)
    # Before it is polled first, which takes some seconds: its answer then is this one.
    output = {"video": f"{stage.sandbox.url}/clip.mp4?key={TOKEN}", "note": f"{_SAYS} {TOKEN}"}
    body = {"request_id": request_id, "status": "succeeded", "output": output, "error": f"{_SAYS} {TOKEN}"}
    stage.sandbox.add_fault("status", code=200, calls=["result"], request_id=request_id, body=body, times=1)
    [instance] = stage.wait(_DAG, run_id)
    seen = stage.log(instance, run_id)
    if instance.state == "success":
        # Both must have come through: the remark in the log, the note in the XCom.
        note = str(stage.airflow.client.xcom(_KEY, run_id)["output"].get("note"))
        seen = seen if note == _STRUCK_OUT else f"the note is {note!r}"
    return _judge(name, "success", instance.state, seen)


def _request_id(stage: Stage, prefix: str) -> str:
    deadline = time.monotonic() + 120 * stage.slow_by
    while time.monotonic() < deadline:
        for request in stage.sandbox.requests():
            if str(request["inputs"].get("prompt")).startswith(f"{prefix}/"):
                return str(request["request_id"])
        time.sleep(0.1)
    raise TimeoutError(f"no request of {prefix} in time")


def _judge(name: str, wanted: str, state: str | None, seen: str) -> Case:
    shown = "struck out" if _STRUCK_OUT in seen else "not seen"
    wrong = "" if (state, shown) == (wanted, "struck out") else f"the task is {state}, {seen[-1500:]}"
    return name, f"{wanted}, struck out", f"{state}, {shown}", wrong
