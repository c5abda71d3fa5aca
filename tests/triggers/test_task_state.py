"""What Airflow says of a task instance, read from its real messages; where it could mean anything: nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import DRCount, ErrorResponse, GetDRCount, GetTaskStates, TaskStatesResult

from airflow_provider_runcomfy.triggers.task_state import state_of

ONE = SimpleNamespace(dag_id="d", run_id="r", task_id="clip", map_index=-1)
UNMAPPED = SimpleNamespace(dag_id="d", run_id="r", task_id="clip", map_index=None)
THIRD = SimpleNamespace(dag_id="d", run_id="r", task_id="clip", map_index=3)


class Supervisor:
    """Answers as the triggerer's supervisor does: with a message for each kind of question."""

    def __init__(self, states: Any, runs: Any) -> None:
        self.answers: dict[Any, Any] = {GetTaskStates: states, GetDRCount: runs}
        self.asked: list[Any] = []

    async def asend(self, message: Any) -> Any:
        self.asked.append(message)
        answer = self.answers[type(message)]
        if isinstance(answer, Exception):
            raise answer
        return answer


def states(**of_run: Any) -> TaskStatesResult:
    return TaskStatesResult(task_states={"r": of_run})


HERE, GONE = DRCount(count=1), DRCount(count=0)
ERROR = AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR))


@pytest.mark.parametrize(
    ("task_instance", "answer", "runs", "state"),
    [
        pytest.param(ONE, states(clip="deferred"), HERE, "deferred", id="waits"),
        pytest.param(UNMAPPED, states(clip="failed"), HERE, "failed", id="failed"),
        pytest.param(THIRD, states(clip_3="success"), HERE, "success", id="mapped"),
        pytest.param(ONE, states(clip=None), HERE, None, id="cleared: no state yet"),
        pytest.param(ONE, TaskStatesResult(task_states={}), GONE, "removed", id="the run is deleted"),
        pytest.param(ONE, TaskStatesResult(task_states={}), HERE, None, id="only the task instance is missing"),
        pytest.param(THIRD, states(**{"clip[3]": "deferred"}), HERE, None, id="mapped, under another name"),
        pytest.param(THIRD, states(clip="deferred"), HERE, None, id="mapped, named as if it were not"),
        pytest.param(THIRD, states(clip_2="deferred"), HERE, None, id="mapped, another one's state"),
        pytest.param(
            ONE, TaskStatesResult(task_states={"d/r": {"clip": "deferred"}}), HERE, None, id="run of another name"
        ),
        pytest.param(ONE, None, HERE, None, id="no answer"),
        pytest.param(ONE, ERROR, HERE, None, id="an error"),
        pytest.param(ONE, TaskStatesResult(task_states={}), ERROR, None, id="an error to the second question"),
        pytest.param(ONE, TaskStatesResult(task_states={}), None, None, id="no answer to the second question"),
    ],
)
async def test_a_task_instance_is_removed_only_where_its_run_is_certainly_gone(
    monkeypatch: pytest.MonkeyPatch, task_instance: Any, answer: Any, runs: Any, state: str | None
) -> None:
    supervisor = Supervisor(answer, runs)
    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", supervisor, raising=False)

    assert await state_of(task_instance) == state

    assert supervisor.asked[0] == GetTaskStates(
        dag_id="d", task_ids=["clip"], run_ids=["r"], map_index=task_instance.map_index
    )
    assert supervisor.asked[1:] in ([], [GetDRCount(dag_id="d", run_ids=["r"])])


def test_the_names_are_those_of_airflows_execution_api() -> None:
    """Airflow has no function for them: this fails when its route names them otherwise."""
    import inspect

    from airflow.api_fastapi.execution_api.routes import task_instances

    route = inspect.getsource(task_instances.get_task_instance_states)
    assert "{task.task_id: task.state}" in route
    assert 'f"{task.task_id}_{task.map_index}": task.state' in route
