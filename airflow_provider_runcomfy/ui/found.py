"""What Airflow's metadata database has of a Dag run's requests: read, never written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import String, and_, cast, or_, select

from airflow_provider_runcomfy.progress import KEY as PROGRESS_KEY
from airflow_provider_runcomfy.record import MalformedRecordError, Record
from airflow_provider_runcomfy.store import KEY as RECORD_KEY
from airflow_provider_runcomfy.ui.reading import (
    Copy,
    ResultOf,
    Told,
    manifest_in,
    progress_in,
    request_id_in,
    results_in,
    value_of,
)

try:
    from airflow.models.task_state_store import TaskStateStoreModel
except ImportError:  # before Airflow 3.3
    TaskStateStoreModel = None  # type: ignore[assignment, misc]

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: A task instance within a run: its task and its map index, -1 where it is not mapped.
Key = tuple[str, int]

_RETURNED, _ID = "return_value", "request_id"
# What every value of this package holds, and few others do.
_MARKER = "request_id"
# Others push XComs of these names, too.
_OWN_OPERATORS = "RunComfy"


@dataclass
class TaskFacts:
    """
    What is known of one task instance.

    :param state: Airflow's; None before it is scheduled.
    :param fields: its rendered template fields, where Airflow still has them.
    :param record_error: why its record cannot be read.
    """

    key: Key
    state: str | None
    operator: str
    record: Record | None = None
    record_error: str | None = None
    request_ids: list[str] = field(default_factory=list)
    results: list[ResultOf] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    progress: list[Told] = field(default_factory=list)
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether anything of RunComfy is known of it."""
        return bool(
            self.record or self.record_error or self.request_ids or self.results or self.copies or self.progress
        )


@dataclass(frozen=True)
class RunFacts:
    """What is known of a Dag run: its state, and those of its task instances that have to do with RunComfy."""

    state: str
    tasks: dict[Key, TaskFacts]


def facts_of(session: Session, dag_id: str, run_id: str, request_id: str | None = None) -> RunFacts | None:
    """
    Return what is known of a Dag run; None if there is no such run.

    :param request_id: only what tells of this request's files, which is much less to read.
    """
    state = session.scalar(select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if state is None:
        return None
    tasks = _task_instances(session, dag_id, run_id)
    _add_xcoms(session, dag_id, run_id, tasks, request_id)
    if request_id is None:
        _add_records(session, dag_id, run_id, tasks)
    ours = {key: task for key, task in tasks.items() if task.is_ours}
    _add_fields(session, dag_id, run_id, ours)
    return RunFacts(str(state), ours)


def _task_instances(session: Session, dag_id: str, run_id: str) -> dict[Key, TaskFacts]:
    query = select(TaskInstance.task_id, TaskInstance.map_index, TaskInstance.state, TaskInstance.operator).where(
        TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id
    )
    return {
        (task_id, index): TaskFacts((task_id, index), None if state is None else str(state), operator or "")
        for task_id, index, state, operator in session.execute(query)
    }


def _add_xcoms(
    session: Session, dag_id: str, run_id: str, tasks: Mapping[Key, TaskFacts], request_id: str | None
) -> None:
    marked = cast(XComModel.value, String).contains(request_id or _MARKER, autoescape=True)
    returned = and_(XComModel.key == _RETURNED, marked)
    wanted = [returned]
    if request_id is None:
        submits = {key[0] for key, task in tasks.items() if _OWN_OPERATORS in task.operator}
        wanted += [
            and_(XComModel.key == PROGRESS_KEY, marked),
            and_(XComModel.key.in_((_ID, _RETURNED)), XComModel.task_id.in_(submits)),
        ]
    query = select(XComModel.task_id, XComModel.map_index, XComModel.key, XComModel.value).where(
        XComModel.dag_id == dag_id, XComModel.run_id == run_id, or_(*wanted)
    )
    for task_id, index, key, stored in session.execute(query):
        if task := tasks.get((task_id, index)):
            _add_value(task, key, value_of(stored))


def _add_value(task: TaskFacts, key: str, value: Any) -> None:
    if key == PROGRESS_KEY:
        task.progress += progress_in(value)
    elif (request_id := request_id_in(value)) is not None:
        task.request_ids.append(request_id)
    elif key == _RETURNED:
        task.results += results_in(value)
        task.copies += manifest_in(value)


def _add_records(session: Session, dag_id: str, run_id: str, tasks: Mapping[Key, TaskFacts]) -> None:
    if TaskStateStoreModel is None:
        return
    query = select(TaskStateStoreModel.task_id, TaskStateStoreModel.map_index, TaskStateStoreModel.value).where(
        TaskStateStoreModel.dag_id == dag_id,
        TaskStateStoreModel.run_id == run_id,
        TaskStateStoreModel.key == RECORD_KEY,
    )
    for task_id, index, stored in session.execute(query):
        if task := tasks.get((task_id, index)):
            try:
                task.record = Record.from_json(json.loads(stored))
            except (MalformedRecordError, ValueError, RecursionError) as error:
                task.record_error = str(error)


def _add_fields(session: Session, dag_id: str, run_id: str, tasks: Mapping[Key, TaskFacts]) -> None:
    table = RenderedTaskInstanceFields
    query = select(table.task_id, table.map_index, table.rendered_fields).where(
        table.dag_id == dag_id, table.run_id == run_id, table.task_id.in_(_names(tasks))
    )
    for task_id, index, fields in session.execute(query):
        task = tasks.get((task_id, index))
        if task and isinstance(fields, dict):
            task.fields = fields


def _names(tasks: Iterable[Key]) -> set[str]:
    return {task_id for task_id, _ in tasks}
