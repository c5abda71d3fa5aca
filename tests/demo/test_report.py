"""What the demo says, computed from lists of events and calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dev.airflow_client import StateEvent, TaskKey
from dev.report import Hold, count_calls, holds

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
WAIT = TaskKey("dag", "wait")
MAPPED = TaskKey("dag", "wait", 1)


def events(key: TaskKey, *states: tuple[float, str]) -> list[StateEvent]:
    return [StateEvent(key, state, START + timedelta(seconds=seconds)) for seconds, state in states]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param([(0, "running"), (4, "success")], Hold(0, 0.0, 4.0), id="never deferred"),
        pytest.param(
            [(0, "running"), (1, "deferred"), (31, "running"), (32.5, "success")], Hold(1, 30.0, 2.5), id="deferred"
        ),
        pytest.param(
            [(0, "running"), (1, "deferred"), (3, "running"), (4, "deferred"), (8, "running"), (9, "success")],
            Hold(2, 6.0, 3.0),
            id="deferred twice",
        ),
        pytest.param(
            [(0, "running"), (2, "up_for_retry"), (60, "running"), (61, "success")], Hold(0, 0.0, 3.0), id="retried"
        ),
        pytest.param([(0, "running"), (2, "deferred"), (5, "failed")], Hold(1, 3.0, 2.0), id="failed while deferred"),
        pytest.param([(0, "running")], Hold(0, 0.0, 0.0), id="still running"),
    ],
)
def test_time_is_split_into_deferred_and_on_a_worker(states: list[tuple[float, str]], expected: Hold) -> None:
    assert holds(events(WAIT, *states)) == {WAIT: expected}


def test_task_instances_are_kept_apart_and_the_order_of_events_does_not_matter() -> None:
    mixed = events(WAIT, (0, "running"), (2, "success")) + events(MAPPED, (1, "running"), (4, "success"))
    assert holds(reversed(mixed)) == {WAIT: Hold(0, 0.0, 2.0), MAPPED: Hold(0, 0.0, 3.0)}


def call(kind: str, request_id: str | None = None, *, token: bool = True, status: int = 200) -> dict[str, Any]:
    return {"kind": kind, "request_id": request_id, "has_authorization": token, "status": status}


FILE = call("file", token=False)


@pytest.mark.parametrize(
    ("calls", "faults"),
    [
        pytest.param([call("submit", "a"), call("status", "a"), call("result", "a"), FILE], [], id="as it should be"),
        pytest.param(
            [call("submit", "a"), call("submit", "b")],
            ["request b was paid for, but is not stored"],
            id="one submit too many",
        ),
        pytest.param([call("submit", "a")] * 2, ["request a was submitted 2 times"], id="one id twice"),
        pytest.param([], ["request a is stored, but was not submitted"], id="no submit"),
        pytest.param(
            [call("submit", "a"), call("submit", None, status=500)],
            ["request (none: 500) was paid for, but is not stored"],
            id="a submit without an id",
        ),
        pytest.param(
            [call("submit", "a"), call("file")], ["1 files were asked for with a token"], id="a token sent to a file"
        ),
    ],
)
def test_calls_are_checked_against_the_stored_clips(calls: list[dict[str, Any]], faults: list[str]) -> None:
    assert count_calls(calls).faults(["a"]) == faults


def test_polls_and_files_are_counted() -> None:
    counted = count_calls([call("submit", "a"), call("status", "a"), call("result", "a"), FILE, FILE])
    assert (dict(counted.submits), counted.polls, counted.files, counted.files_with_token) == ({"a": 1}, 2, 2, 0)
