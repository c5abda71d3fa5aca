"""Each request is waited for in a task of its own: what Airflow sees of that when it is cancelled, or fails."""

from __future__ import annotations

import asyncio
import traceback
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from airflow_provider_runcomfy.hooks.runcomfy import RunComfyAsyncHook
from airflow_provider_runcomfy.sandbox.server import Sandbox
from airflow_provider_runcomfy.triggers.wait import Wait
from airflow_provider_runcomfy.waiting import Progress
from tests.triggers.waiting import a_trigger, events_of, submit

pytestmark = pytest.mark.usefixtures("polls_at_once")


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The hooks of the sessions that have been closed."""
    closed: list[Any] = []
    close = RunComfyAsyncHook.close

    async def noted(hook: Any) -> None:
        await close(hook)
        closed.append(hook)

    monkeypatch.setattr(RunComfyAsyncHook, "close", noted)
    return closed


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_trigger_says_why_it_was_cancelled_and_leaves_nothing(
    full: Sandbox, sessions: list[Any], monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    polled = asyncio.Event()
    monkeypatch.setattr(Progress, "status", lambda *_: polled.set())
    waiting = asyncio.create_task(events_of(a_trigger([submit(full), submit(full)])))
    await polled.wait()

    for _ in range(times):
        # What Airflow says here makes it call on_kill.
        waiting.cancel("User action")
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError, match="User action"):
        await waiting

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(sessions) == 1


async def test_what_goes_wrong_unexpectedly_is_raised_as_it_is_and_ends_the_other_waits(
    full: Sandbox, sessions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = submit(full)

    def failing(progress: Progress, status: Any) -> None:
        if status.request_id == bad:
            raise KeyError("unexpected")

    monkeypatch.setattr(Progress, "status", failing)

    with pytest.raises(KeyError, match="unexpected") as caught:
        await events_of(a_trigger([submit(full), bad, submit(full)]))

    text = "".join(traceback.format_exception(caught.value))
    assert "in failing" in text
    assert "ExceptionGroup" not in text
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(sessions) == 1


async def test_what_a_wait_logs_belongs_to_the_task_that_waits(full: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    monkeypatch.setattr(Progress, "status", lambda *_: found.append(structlog.contextvars.get_contextvars()))

    with structlog.contextvars.bound_contextvars(trigger_id=7):
        await events_of(a_trigger(submit(full), seconds=0.2))

    assert found
    assert all(context["trigger_id"] == 7 for context in found)


def test_a_poll_that_comes_late_is_told_of_once_whatever_has_held_it_back() -> None:
    lines: list[str] = []
    log: Any = SimpleNamespace(info=lambda text, *values: lines.append(text % values))
    nothing: Any = SimpleNamespace(generation=0, conn_id="c")
    wait = Wait("r-1", nothing, nothing, nothing, log, until=0.0, patience=30.0)

    for seconds in (30.0, 31.0, 300.0):
        wait._held(seconds)

    assert lines == [
        "A poll of request r-1 came 31 s late: all who wait through its connection are held back while RunComfy limits "
        "the calls (HTTP 429) or cannot be asked. The wait goes on."
    ]
