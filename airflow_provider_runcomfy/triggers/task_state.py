"""Ask Airflow what became of a trigger's task instance."""

from __future__ import annotations

from typing import Any


async def state_of(task_instance: Any) -> str | None:
    """
    Return the state that a task instance has now; ``removed`` where it is gone.

    :returns: the state, or None where it has none or Airflow could not tell.
    """
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
    if not isinstance(answer, TaskStatesResult):
        return None
    mapped = task_instance.map_index is not None and task_instance.map_index >= 0
    name = f"{task_instance.task_id}_{task_instance.map_index}" if mapped else task_instance.task_id
    states: dict[str, str | None] = answer.task_states.get(task_instance.run_id, {})
    return states.get(name, "removed")
