"""What a Dag run left in Airflow's metadata database."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.execution_time import context
from sqlalchemy import select

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

has_task_state_store = hasattr(context, "TaskStateStoreAccessor")
_NONE = "this Airflow has no task state store: it is before 3.3"
needs_task_state_store = pytest.mark.skipif(not has_task_state_store, reason=_NONE)


# Airflow 3.1 writes no state of a task into its event log.
has_task_events = not version("apache-airflow-core").startswith("3.1.")
needs_task_events = pytest.mark.skipif(not has_task_events, reason="this Airflow's event log has no states of tasks")
AWAITING_INPUT = "awaiting_input" if has_task_state_store else "deferred"


def skip_without_task_state_store() -> None:
    """Skip the test that is running where Airflow has no such store: what is tested cannot come about there."""
    if not has_task_state_store:
        pytest.skip(_NONE)


def states(run: DagRun) -> dict[str, str | None]:
    """Return the state of each task instance, mapped ones as ``task_id[index]``."""
    named = {
        f"{ti.task_id}[{ti.map_index}]" if ti.map_index >= 0 else ti.task_id: ti.state
        for ti in run.get_task_instances()
    }
    return dict(sorted(named.items()))


def tries(run: DagRun, task_id: str) -> int:
    """Return the number of the last try of a task."""
    return next(ti.try_number for ti in run.get_task_instances() if ti.task_id == task_id)


def xcom(run: DagRun, task_id: str, key: str = "return_value") -> Any:
    """Return a task's XCom; a list, in the order of the map index, for a mapped task."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    query = select(XComModel).where(
        XComModel.run_id == run.run_id,
        XComModel.dag_id == run.dag_id,
        XComModel.task_id == task_id,
        XComModel.key == key,
    )
    with create_session() as session:
        found = {item.map_index: XComModel.deserialize_value(item) for item in session.scalars(query)}
    return found[-1] if -1 in found else [found[index] for index in sorted(found)]


def xcom_keys(run: DagRun, task_id: str) -> set[str]:
    """Return the keys of all XComs that a task has pushed."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    query = select(XComModel.key).where(
        XComModel.run_id == run.run_id, XComModel.dag_id == run.dag_id, XComModel.task_id == task_id
    )
    with create_session() as session:
        return set(session.scalars(query))


def record(run: DagRun, task_id: str, map_index: int = -1) -> Any:
    """Return the record that a task instance keeps in the task state store."""
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.utils.session import create_session

    query = select(TaskStateStoreModel.value).where(
        TaskStateStoreModel.dag_run_id == run.id,
        TaskStateStoreModel.task_id == task_id,
        TaskStateStoreModel.map_index == map_index,
        TaskStateStoreModel.key == "runcomfy",
    )
    with create_session() as session:
        return json.loads(session.scalars(query).one())
