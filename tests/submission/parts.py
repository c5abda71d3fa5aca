"""What a task instance is to the package: a context, a state store that all its tries share, and a log."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from airflow_provider_runcomfy.store import KEY
from tests.airflow_db import skip_without_task_state_store


class BrokenContractError(BaseException):
    """The store was called as Airflow's must not be; no ``except Exception`` hides it."""


class StateStore:
    """
    The task state store of one task instance, with the contract of ``TaskStateStoreAccessor``.

    :param on_call: called before (``get``, ``set``) and after (``got``, ``kept``) each call; what it raises, the
        call raises.
    """

    def __init__(self, on_call: Callable[[str], None] = lambda call: None) -> None:
        self.on_call = on_call
        self.texts: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        self.on_call("get")
        value = json.loads(self.texts[key]) if key in self.texts else default
        self.on_call("got")
        return value

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        if value is None or retention is not NEVER_EXPIRE:
            raise BrokenContractError
        self.on_call("set")
        self.texts[key] = json.dumps(value, allow_nan=False)
        self.on_call("kept")

    @property
    def stored(self) -> Any:
        """The record as people see it in the task's state store tab; None where there is none."""
        return json.loads(self.texts[KEY]) if KEY in self.texts else None

    @property
    def submissions(self) -> list[dict[str, Any]]:
        return self.stored["submissions"] if self.stored else []

    def adopt(self, request_id: str, intent_at: str) -> None:
        """Do as the error says: write the id as the "request_id" of the submission with that "intent_at"."""
        stored = self.stored
        [submission] = [item for item in stored["submissions"] if item["intent_at"] == intent_at]
        submission["request_id"] = request_id
        self.texts[KEY] = json.dumps(stored)

    def change_newest(self, **changes: Any) -> None:
        stored = self.stored
        stored["submissions"][-1].update(changes)
        self.texts[KEY] = json.dumps(stored)

    def delete_key(self) -> None:
        del self.texts[KEY]


class Log:
    """A task's log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str, *values: object) -> None:
        self.lines.append(message % values)

    warning = info

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass
class TaskInstance:
    """A task instance at one of its tries; what starts the next one changes it as Airflow does."""

    try_number: int = 1
    retries: int = 2
    max_tries: int = 2
    dag_id: str = "a_dag"
    task_id: str = "a_task"
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def retry(self) -> None:
        """Start the next try as a retry of this one."""
        self.try_number += 1

    def clear(self) -> None:
        """Start the next try as after a person's clear."""
        self.max_tries = self.try_number + self.retries
        self.try_number += 1


def context_of(ti: TaskInstance, store: StateStore | None) -> Any:
    """Return the context of a try; without a store as before Airflow 3.3, where no other one comes about."""
    if store is None:
        return {"ti": ti}
    skip_without_task_state_store()
    return {"ti": ti, "task_state_store": store}
