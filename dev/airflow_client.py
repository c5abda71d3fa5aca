"""The few calls of Airflow's REST API that tests and the demo need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import requests
from requests.adapters import HTTPAdapter
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed
from urllib3.util import Retry


@dataclass(frozen=True, order=True)
class TaskKey:
    """One task instance of a run; ``map_index`` is -1 where the task is not mapped."""

    dag_id: str
    task_id: str
    map_index: int = -1

    def __str__(self) -> str:
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


@dataclass(frozen=True)
class TaskInstance:
    """What the REST API says of a task instance now."""

    key: TaskKey
    state: str | None
    try_number: int
    operator: str


@dataclass(frozen=True)
class StateEvent:
    """An entry in Airflow's own event log: at ``when`` the task instance entered ``state``."""

    key: TaskKey
    state: str
    when: datetime


@dataclass(frozen=True)
class LogLine:
    """One line of a task instance's log."""

    when: str
    logger: str
    text: str


class AirflowClient:
    """
    Airflow's REST API as the user ``admin``.

    :param url: where the API server listens.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        # On a busy machine an answer may be late; to ask again changes nothing.
        retry = Retry(total=3, connect=0, read=3, allowed_methods={"GET"})
        self._session.mount("http://", HTTPAdapter(max_retries=retry))
        self._token: str | None = None

    def is_healthy(self) -> bool:
        """Return whether the database and every component are healthy."""
        health = self._session.get(f"{self._url}/api/v2/monitor/health", timeout=5).json()
        return all(part["status"] == "healthy" for part in health.values())

    def dag_count(self) -> int:
        """Return how many Dags were parsed."""
        return int(self._call("GET", "/dags")["total_entries"])

    def dag_ids(self) -> list[str]:
        """Return the ids of the Dags that were parsed."""
        return [str(dag["dag_id"]) for dag in self._call("GET", "/dags", params={"limit": 100})["dags"]]

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run the Dag."""
        self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """
        Start a run with ``conf`` as its params, and return its run id.

        Airflow gives up where others keep its SQLite database busy; the id is ours: to ask again makes no second run.
        """
        run_id = f"manual__{uuid4().hex}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf or {}}
        again = Retrying(
            retry=retry_if_exception(_is_busy), stop=stop_after_attempt(5), wait=wait_fixed(1), reraise=True
        )
        return str(again(self._call, "POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def run_ids(self, dag_id: str) -> list[str]:
        """Return the ids of the Dag's runs, oldest first."""
        runs = self._call("GET", f"/dags/{dag_id}/dagRuns", params={"order_by": "run_after", "limit": 100})
        return [str(run["dag_run_id"]) for run in runs["dag_runs"]]

    def asset_events(self) -> list[dict[str, Any]]:
        """Return every asset event that Airflow has, oldest first."""
        return list(self._call("GET", "/assets/events", params={"order_by": "timestamp", "limit": 100})["asset_events"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of the run."""
        return str(self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the task instances of the run, mapped ones one by one."""
        found: list[TaskInstance] = []
        total = 1
        while len(found) < total:
            params = {"limit": 100, "offset": len(found)}
            page = self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params=params)
            total = page["total_entries"]
            found += [
                TaskInstance(_key(row), row["state"], row["try_number"], row["operator_name"] or row["operator"] or "")
                for row in page["task_instances"]
            ]
        return found

    def xcom(self, key: TaskKey, run_id: str, name: str = "return_value") -> Any:
        """Return what the task instance pushed under ``name``; raises ``requests.HTTPError`` if nothing."""
        path = f"{_path(key, run_id)}/xcomEntries/{name}"
        return self._call("GET", path, params={"map_index": key.map_index, "deserialize": "true"})["value"]

    def mark(self, key: TaskKey, run_id: str, state: str) -> None:
        """Mark a task instance as ``failed`` or ``success``, as a person does in the UI."""
        index = "" if key.map_index < 0 else f"/{key.map_index}"
        self._call("PATCH", f"{_path(key, run_id)}{index}", json={"new_state": state})

    def clear(self, key: TaskKey, run_id: str) -> None:
        """Clear a task instance, as a person does in the UI."""
        task: Any = key.task_id if key.map_index < 0 else [key.task_id, key.map_index]
        body = {"dry_run": False, "only_failed": False, "dag_run_id": run_id, "task_ids": [task]}
        self._call("POST", f"/dags/{key.dag_id}/clearTaskInstances", json=body)

    def question(self, key: TaskKey, run_id: str) -> dict[str, Any]:
        """Return what a task instance asks a person; raises ``requests.HTTPError`` if it has not asked."""
        return self._call("GET", f"{_path(key, run_id)}/{key.map_index}/hitlDetails")

    def answer(self, key: TaskKey, run_id: str, option: str) -> None:
        """Answer a task instance that has asked with one of its options, as a person does in the UI."""
        path = f"{_path(key, run_id)}/{key.map_index}/hitlDetails"
        self._call("PATCH", path, json={"chosen_options": [option]})

    def stored(self, key: TaskKey, run_id: str, name: str) -> Any:
        """Return what a task instance keeps in the task state store; raises ``requests.HTTPError`` if nothing."""
        params = {"map_index": key.map_index}
        return self._call("GET", f"{_path(key, run_id)}/state-store/{name}", params=params)["value"]

    def store(self, key: TaskKey, run_id: str, name: str, value: Any) -> None:
        """Edit what a task instance keeps in the task state store, as a person does in the UI."""
        params = {"map_index": key.map_index}
        self._call("PATCH", f"{_path(key, run_id)}/state-store/{name}", params=params, json={"value": value})

    def forget(self, key: TaskKey, run_id: str, name: str) -> None:
        """Delete what a task instance keeps in the task state store, as a person does in the UI."""
        self._call("DELETE", f"{_path(key, run_id)}/state-store/{name}", params={"map_index": key.map_index})

    def set_variable(self, name: str, value: str) -> None:
        """Make or change an Airflow Variable."""
        body = {"key": name, "value": value}
        try:
            self._call("POST", "/variables", json=body)
        except requests.HTTPError:
            self._call("PATCH", f"/variables/{name}", json=body)

    def make_pool(self, name: str, slots: int, *, include_deferred: bool) -> None:
        """Make a pool; with ``include_deferred``, tasks hold their slots while they are deferred, too."""
        self._call("POST", "/pools", json={"name": name, "slots": slots, "include_deferred": include_deferred})

    def log(self, key: TaskKey, run_id: str, try_number: int) -> list[LogLine]:
        """Return the task instance's log of one try, the trigger's lines among it."""
        path = f"{_path(key, run_id)}/logs/{try_number}"
        params: dict[str, Any] = {"map_index": key.map_index, "full_content": "true"}
        lines = self._call("GET", path, params=params)["content"]
        return [
            LogLine(line.get("timestamp") or "", line.get("logger") or "", _text(line))
            for line in lines
            if isinstance(line, dict)
        ]

    def state_events(self, dag_id: str, run_id: str) -> list[StateEvent]:
        """Return every change of state of the run's task instances, oldest first, from Airflow's event log."""
        events: list[StateEvent] = []
        total = 1
        while len(events) < total:
            params: dict[str, Any] = {"dag_id": dag_id, "run_id": run_id, "limit": 100, "offset": len(events)}
            page = self._call("GET", "/eventLogs", params=params)
            total = page["total_entries"]
            events += [
                StateEvent(_key(row), row["event"], datetime.fromisoformat(row["when"])) for row in page["event_logs"]
            ]
        # That somebody asked for the run is an event, too, and one of no task.
        return sorted((event for event in events if event.key.task_id), key=lambda event: event.when)

    def headers(self) -> dict[str, str]:
        """Return the headers of an authenticated call."""
        if self._token is None:
            answer = self._session.get(f"{self._url}/auth/token", timeout=30)
            answer.raise_for_status()
            self._token = answer.json()["access_token"]
        return {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}

    def _call(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        url = f"{self._url}/api/v2{path}"
        answer = self._session.request(method, url, timeout=30, headers=self.headers(), **kwargs)
        if not answer.ok:
            raise requests.HTTPError(f"{method} {path}: {answer.status_code} {answer.text[:500]}", response=answer)
        return dict(answer.json() or {}) if answer.content else {}


def _is_busy(error: BaseException) -> bool:
    answer = error.response if isinstance(error, requests.HTTPError) else None
    return answer is not None and answer.status_code == 500 and "Database error" in answer.text


def _path(key: TaskKey, run_id: str) -> str:
    return f"/dags/{key.dag_id}/dagRuns/{run_id}/taskInstances/{key.task_id}"


def _key(row: dict[str, Any]) -> TaskKey:
    index = row["map_index"]
    return TaskKey(row["dag_id"], row["task_id"] or "", -1 if index is None else index)


def _text(line: dict[str, Any]) -> str:
    """Return the line with the exceptions that belong to it, innermost last, as Python shows them."""
    text = [line["event"]]
    for error in reversed(line.get("error_detail") or []):
        text += [f'  File "{at["filename"]}", line {at["lineno"]}, in {at["name"]}' for at in error["frames"]]
        text.append(f"{error['exc_type']}: {error['exc_value']}")
    return "\n".join(text)
