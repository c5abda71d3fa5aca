"""Show what happens in runs while it happens: changes of state, and what the provider logs while tasks wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dev.airflow_client import AirflowClient, StateEvent, TaskInstance, TaskKey

_ENDED = ("success", "failed")
_OURS = "airflow_provider_runcomfy"


class RunFailedError(RuntimeError):
    """A run failed or did not end in time; the message has the logs of the tasks that failed."""


@dataclass
class Watch:
    """
    Follows runs until all have ended.

    :param client: Airflow's REST API.
    :param runs: run ids by Dag id.
    :param say: takes the moment, the task and what happened to it, in the order in which it happened.
    """

    client: AirflowClient
    runs: Mapping[str, str]
    say: Callable[[datetime, TaskKey, str], None]
    _events: set[StateEvent] = field(default_factory=set)
    _lines: set[tuple[TaskKey, str, str]] = field(default_factory=set)

    def until_ended(self, timeout: float) -> None:
        """
        Say what happens until all runs have succeeded.

        :raises RunFailedError: a run failed, or ``timeout`` seconds went by.
        """
        deadline = time.monotonic() + timeout
        while True:
            states = {dag_id: self.client.run_state(dag_id, run_id) for dag_id, run_id in self.runs.items()}
            self._look()
            if all(state in _ENDED for state in states.values()):
                break
            if time.monotonic() > deadline:
                raise RunFailedError(f"not ended after {timeout:.0f} s: {self._unfinished()}")
            time.sleep(1.0)
        failed = [dag_id for dag_id, state in states.items() if state != "success"]
        if failed:
            raise RunFailedError("\n".join(self._failure(dag_id) for dag_id in failed))

    def _look(self) -> None:
        news: list[tuple[datetime, TaskKey, str]] = []
        for dag_id, run_id in self.runs.items():
            events = self.client.state_events(dag_id, run_id)
            fresh = [event for event in events if event not in self._events]
            self._events.update(fresh)
            news += [(event.when, event.key, event.state) for event in fresh]
            waiting = {event.key for event in events if event.state == "deferred"}
            latest = {event.key: event.state for event in events}
            changed = {event.key for event in fresh}
            for instance in self.client.task_instances(dag_id, run_id):
                if instance.key in waiting and (latest[instance.key] == "deferred" or instance.key in changed):
                    news += self._new_lines(instance, run_id)
        for when, key, text in sorted(news):
            self.say(when, key, text)

    def _new_lines(self, instance: TaskInstance, run_id: str) -> list[tuple[datetime, TaskKey, str]]:
        found = []
        for line in self.client.log(instance.key, run_id, instance.try_number):
            if _OURS in line.logger and (instance.key, line.when, line.text) not in self._lines:
                self._lines.add((instance.key, line.when, line.text))
                found.append((_moment(line.when), instance.key, line.text))
        return found

    def _unfinished(self) -> str:
        instances = [one for dag_id, run_id in self.runs.items() for one in self.client.task_instances(dag_id, run_id)]
        return ", ".join(f"{one.key} is {one.state}" for one in instances if one.state != "success")

    def _failure(self, dag_id: str) -> str:
        run_id = self.runs[dag_id]
        failed = [one for one in self.client.task_instances(dag_id, run_id) if one.state == "failed"]
        logs = [
            f"--- log of {dag_id}.{one.key}\n"
            + "\n".join(line.text for line in self.client.log(one.key, run_id, one.try_number))
            for one in failed
        ]
        return "\n".join([f"{dag_id} failed.", *logs])


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
