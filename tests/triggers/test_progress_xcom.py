"""The XCom that tells where a request stands: when it is written, what it says, and that it never ends a wait."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse, SetXCom

from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState, RequestStatus
from airflow_provider_runcomfy.sandbox.server import Sandbox
from airflow_provider_runcomfy.triggers import progress_xcom
from airflow_provider_runcomfy.triggers.progress_xcom import ProgressOnWorker, ProgressXCom, tell_ends
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
    monkeypatch.setattr(progress_xcom, "_LEAST_SECONDS", 0.0)
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


class Resumed:
    """A task instance that keeps what it pushes."""

    def __init__(self, error: Exception | None = None) -> None:
        self.pushed: dict[str, Any] = {}
        self._error = error

    def xcom_push(self, key: str, value: Any) -> None:
        if self._error:
            raise self._error
        self.pushed[key] = value


def tell(ti: Resumed, **endings: Ending) -> None:
    context: Any = {"ti": ti}
    log: Any = SimpleNamespace(debug=lambda *_: None)
    tell_ends(endings, context, log)


@pytest.mark.parametrize(
    ("end", "state", "error"),
    [(End.SUCCEEDED, "succeeded", None), (End.FAILED, "failed", "as said"), (End.CANCELLED, "cancelled", "as said")],
)
def test_the_task_tells_how_it_ended_and_since_when_it_ran(end: End, state: str, error: str | None) -> None:
    ti = Resumed()
    result = GenerationResult("r", RequestState(state), cost_usd=0.5)

    tell(ti, r=Ending(end, result, "as said", running_since=12.5))

    [entry] = ti.pushed["progress"]
    assert entry.pop("at")
    assert entry == {
        "request_id": "r",
        "state": state,
        "queue_position": None,
        "running_since": 12.5,
        "error": error,
        "cost_usd": 0.5,
    }


def test_a_task_that_waits_on_its_worker_tells_what_changed_and_at_most_every_thirty_seconds() -> None:
    ti, clock = Resumed(), SimpleNamespace(now=0.0)
    context: Any = {"ti": ti}
    log: Any = SimpleNamespace(debug=lambda *_: None)
    told = ProgressOnWorker(context, log, lambda: clock.now)
    positions = []
    for clock.now, position in [(0, 9), (5, 8), (29, 7), (30, 6), (59, 5), (95, 4)]:
        told.note(queued(position))
        positions += [entry["queue_position"] for entry in ti.pushed.pop("progress", [])]

    assert positions == [9, 6, 4]


def test_a_wait_on_a_worker_goes_on_whatever_becomes_of_its_xcom() -> None:
    context: Any = {"ti": Resumed(AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR)))}
    ProgressOnWorker(context, cast("Any", SimpleNamespace(debug=lambda *_: None))).note(queued(1))


@pytest.mark.parametrize("end", [End.TIMED_OUT, End.NOT_FOUND, End.FORBIDDEN, End.UNAUTHENTICATED])
def test_what_the_trigger_wrote_last_stays_where_the_end_is_not_known(end: End) -> None:
    ti = Resumed()
    tell(ti, r=Ending(end))
    assert ti.pushed == {}


def test_a_task_ends_as_it_does_whatever_becomes_of_its_xcom() -> None:
    tell(Resumed(AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR))), r=Ending(End.SUCCEEDED))
