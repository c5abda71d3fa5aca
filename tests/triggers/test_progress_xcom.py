"""The XCom that tells where a request stands, as a trigger writes it: when, what it says, and that it ends no wait."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse, SetXCom

from airflow_provider_runcomfy import progress
from airflow_provider_runcomfy.api.types import RequestState, RequestStatus
from airflow_provider_runcomfy.sandbox.server import Sandbox
from airflow_provider_runcomfy.triggers.progress_xcom import ProgressXCom
from tests.triggers.waiting import a_trigger, events_of, submit

UNMAPPED: Any = SimpleNamespace(dag_id="d", run_id="r", task_id="clip", map_index=None)
THIRD: Any = SimpleNamespace(dag_id="d", run_id="r", task_id="clip", map_index=3)


class Supervisor:
    """Keeps what the triggerer's supervisor is asked to write."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.error: Exception | None = None

    async def asend(self, message: Any) -> None:
        if self.error:
            raise self.error
        if isinstance(message, SetXCom):
            self.written.append(message)


class Everybody:
    """Lets everybody tell something, or nobody."""

    def __init__(self) -> None:
        self.may = True

    def may_tell(self) -> bool:
        return self.may


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    supervisor = Supervisor()
    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor


def told_by(task_instance: Any, everybody: Everybody | None = None) -> ProgressXCom:
    shared: Any = everybody or Everybody()
    log: Any = SimpleNamespace(debug=lambda *_: None)
    return ProgressXCom(task_instance, shared, log)


async def note(told: ProgressXCom, status: RequestStatus) -> None:
    if told.note(status):
        await told.write()


def queued(position: int | None, request_id: str = "r-1") -> RequestStatus:
    return RequestStatus(request_id, RequestState.IN_QUEUE, position)


@pytest.mark.parametrize(("task_instance", "map_index"), [(UNMAPPED, -1), (THIRD, 3)])
async def test_it_says_state_and_place_of_the_task_instance(
    supervisor: Supervisor, task_instance: Any, map_index: int
) -> None:
    await note(told_by(task_instance), queued(7))

    [xcom] = supervisor.written
    assert (xcom.key, xcom.dag_id, xcom.run_id, xcom.task_id) == ("progress", "d", "r", "clip")
    assert xcom.map_index == map_index
    [entry] = xcom.value
    assert entry.pop("at")
    assert entry == {"request_id": "r-1", "state": "in_queue", "queue_position": 7}


async def test_only_what_changed_is_told_and_at_most_every_thirty_seconds(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, clock = told_by(UNMAPPED), SimpleNamespace(now=100.0)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock.now)
    positions = []
    for clock.now, position in [(100, 9), (105, 9), (110, 8), (129, 7), (130, 6), (135, 6), (161, 6), (162, 5)]:
        await note(told, queued(position))
        positions.append([entry["queue_position"] for xcom in supervisor.written for entry in xcom.value])

    assert positions[-1] == [9, 6, 5]
    assert [len(so_far) for so_far in positions] == [1, 1, 1, 1, 2, 2, 2, 3]


async def test_several_requests_are_one_list(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LEAST_SECONDS", 0.0)
    told = told_by(UNMAPPED)
    await note(told, queued(3, "r-1"))
    await note(told, queued(4, "r-2"))
    await note(told, queued(2, "r-1"))

    assert [(entry["request_id"], entry["queue_position"]) for entry in supervisor.written[-1].value] == [
        ("r-1", 2),
        ("r-2", 4),
    ]


async def test_what_could_not_be_told_now_is_told_later(supervisor: Supervisor) -> None:
    everybody = Everybody()
    everybody.may = False
    told = told_by(UNMAPPED, everybody)
    await note(told, queued(3))
    assert not supervisor.written
    everybody.may = True
    await note(told, queued(3))
    assert len(supervisor.written) == 1


@pytest.mark.parametrize(
    "error",
    [AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR)), OSError("a backend"), ValueError("odd")],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.usefixtures("polls_at_once")
async def test_a_wait_goes_on_whatever_becomes_of_its_xcom(
    supervisor: Supervisor, sandbox: Sandbox, error: Exception
) -> None:
    supervisor.error = error
    trigger = a_trigger(submit(sandbox))
    trigger.task_instance = UNMAPPED

    [event] = await events_of(trigger)

    assert event["endings"][0]["end"] == "succeeded"


@pytest.mark.usefixtures("polls_at_once")
async def test_a_trigger_tells(supervisor: Supervisor, full: Sandbox) -> None:
    submit(full)
    behind = submit(full)
    trigger = a_trigger(behind, seconds=0.3)
    trigger.task_instance = UNMAPPED

    await events_of(trigger)

    [xcom] = supervisor.written
    assert [(entry["state"], entry["queue_position"]) for entry in xcom.value] == [("in_queue", 0)]
