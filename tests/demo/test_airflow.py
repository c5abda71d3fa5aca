"""The real Airflow of the demo, and how runs on it are followed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import datetime

import psutil
import pytest
import requests

from dev.airflow import Airflow, airflow
from dev.airflow_client import TaskKey
from dev.report import holds
from dev.watch import RunFailedError, Watch
from tests.airflow_db import needs_task_events

pytestmark = pytest.mark.slow

DAGS = """
from datetime import timedelta
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator, task

class Wait(BaseOperator):
    def execute(self, context):
        # Sooner, the scheduler may not yet have seen that the task left its worker, and fails it.
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=10)), method_name="resume")

    def resume(self, context, event):
        pass

with DAG("works", schedule=None, params={"word": "none"}):
    @task
    def say(params):
        print(params["word"])
        return {"word": params["word"]}

    @task
    def twice(number):
        return 2 * number

    say() >> Wait(task_id="wait")
    twice.expand(number=[1, 2])

with DAG("fails", schedule=None):
    @task
    def break_down():
        raise ValueError("the reason why")

    break_down()
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    folder = tmp_path_factory.mktemp("airflow")
    (folder / "two_dags.py").write_text(DAGS)
    with airflow(folder / "home", [folder / "two_dags.py"], env={}) as started:
        yield started
    assert not [name for name, process in started.components.items() if process.poll() is None]


def follow(running: Airflow, dag_id: str, conf: dict[str, str] | None = None) -> tuple[str, list[tuple[str, str]]]:
    said: list[tuple[str, str]] = []

    def say(when: datetime, key: TaskKey, text: str) -> None:
        said.append((str(key), text))

    running.client.unpause(dag_id)
    run_id = running.client.trigger(dag_id, conf)
    Watch(running.client, {dag_id: run_id}, say).until_ended(timeout=120)
    return run_id, said


@needs_task_events
def test_a_run_is_followed_from_state_to_state(running: Airflow) -> None:
    run_id, said = follow(running, "works", {"word": "hello"})
    assert [text for task, text in said if task == "wait"] == ["running", "deferred", "running", "success"]
    assert [text for task, text in said if task == "twice[1]"] == ["running", "success"]
    assert running.client.xcom(TaskKey("works", "say"), run_id) == {"word": "hello"}
    assert [running.client.xcom(TaskKey("works", "twice", index), run_id) for index in (0, 1)] == [2, 4]
    assert "hello" in [line.text for line in running.client.log(TaskKey("works", "say"), run_id, 1)]
    found = holds(running.client.state_events("works", run_id))
    assert {str(key): hold.deferrals for key, hold in found.items()} == {
        "say": 0,
        "wait": 1,
        "twice[0]": 0,
        "twice[1]": 0,
    }


def test_a_failure_shows_the_log_of_the_task(running: Airflow) -> None:
    with pytest.raises(
        RunFailedError, match=r"(?s)fails failed\.\n--- log of fails\.break_down\n.*ValueError: the reason why"
    ):
        follow(running, "fails")


def test_it_listens_on_the_loopback_address_only(running: Airflow) -> None:
    pids = {process.pid for process in running.components.values()}
    pids |= {child.pid for pid in pids for child in psutil.Process(pid).children(recursive=True)}
    listening = [one for one in psutil.net_connections("inet") if one.status == psutil.CONN_LISTEN and one.pid in pids]
    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}


@needs_task_events
def test_a_component_can_be_killed_and_started_again(running: Airflow) -> None:
    killed = running.components["triggerer-0"]
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    running.start("triggerer-0")
    _, said = follow(running, "works")
    assert ("wait", "success") in said


def test_its_interface_knows_the_connection_type(running: Airflow) -> None:
    types = requests.get(f"{running.url}/ui/connections/hook_meta", headers=running.client.headers(), timeout=30).json()
    assert [entry["hook_name"] for entry in types if entry["connection_type"] == "runcomfy"] == ["RunComfy"]
