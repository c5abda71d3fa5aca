"""The XCom that tells where a request stands, as a task writes it while it waits on its worker, and at its end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState, RequestStatus
from airflow_provider_runcomfy.progress import ProgressOnWorker, tell_ends


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
        told.note(RequestStatus("r-1", RequestState.IN_QUEUE, position))
        positions += [entry["queue_position"] for entry in ti.pushed.pop("progress", [])]

    assert positions == [9, 6, 4]


def test_a_wait_on_a_worker_goes_on_whatever_becomes_of_its_xcom() -> None:
    context: Any = {"ti": Resumed(AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR)))}
    ProgressOnWorker(context, cast("Any", SimpleNamespace(debug=lambda *_: None))).note(
        RequestStatus("r-1", RequestState.IN_QUEUE, 1)
    )


@pytest.mark.parametrize("end", [End.TIMED_OUT, End.NOT_FOUND, End.FORBIDDEN, End.UNAUTHENTICATED])
def test_what_the_trigger_wrote_last_stays_where_the_end_is_not_known(end: End) -> None:
    ti = Resumed()
    tell(ti, r=Ending(end))
    assert ti.pushed == {}


def test_a_task_ends_as_it_does_whatever_becomes_of_its_xcom() -> None:
    tell(Resumed(AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR))), r=Ending(End.SUCCEEDED))
