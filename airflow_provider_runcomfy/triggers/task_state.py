"""Ask Airflow what became of a trigger's task instance."""

from __future__ import annotations

from typing import Any


async def state_of(task_instance: Any) -> str | None:
    """
    Return the state that a task instance has now; ``removed`` where its whole run is gone.

    :returns: the state, or None where it has none or Airflow could not tell: also where the run is there and the
        task instance is not, since then it may only go by another name than is expected here.
    """
    from airflow.sdk.exceptions import AirflowRuntimeError

    try:
        states = await _states(task_instance)
        if (name := _name(task_instance)) in states:
            return states[name]
        return "removed" if await _is_run_gone(task_instance) else None
    except AirflowRuntimeError:
        return None


async def _states(task_instance: Any) -> dict[str, str | None]:
    """Return the states by task instance; empty where there is none."""
    from airflow.sdk.execution_time.comms import GetTaskStates, TaskStatesResult
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    answer: Any = await SUPERVISOR_COMMS.asend(
        GetTaskStates(
            dag_id=task_instance.dag_id,
            task_ids=[task_instance.task_id],
            run_ids=[task_instance.run_id],
            map_index=task_instance.map_index,
        )
    )
    return answer.task_states.get(task_instance.run_id, {}) if isinstance(answer, TaskStatesResult) else {}


def _name(task_instance: Any) -> str:
    """Return how Airflow's execution API names a task instance among a run's states."""
    mapped = task_instance.map_index is not None and task_instance.map_index >= 0
    return f"{task_instance.task_id}_{task_instance.map_index}" if mapped else task_instance.task_id


async def _is_run_gone(task_instance: Any) -> bool:
    from airflow.sdk.execution_time.comms import DRCount, GetDRCount
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    answer: Any = await SUPERVISOR_COMMS.asend(GetDRCount(dag_id=task_instance.dag_id, run_ids=[task_instance.run_id]))
    return isinstance(answer, DRCount) and answer.count == 0
