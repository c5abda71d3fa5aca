"""The trigger against the sandbox: it polls, sends one event, and cancels only what nobody waits for."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_runcomfy.api import polling
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyAsyncHook
from airflow_provider_runcomfy.sandbox.server import Sandbox
from airflow_provider_runcomfy.triggers import shared, throttle
from airflow_provider_runcomfy.triggers.runcomfy import RunComfyRequestTrigger
from airflow_provider_runcomfy.waiting import Progress
from tests.runcomfy import CONNECTION_VARIABLE, TOKEN, connection_to, count
from tests.triggers.waiting import a_trigger, events_of, submit

WAIT: Any = SimpleNamespace(task_id="wait")
pytestmark = pytest.mark.usefixtures("polls_at_once")


async def test_one_event_with_everything_that_the_resume_needs(sandbox: Sandbox) -> None:
    request_id = submit(sandbox)

    [event] = await events_of(a_trigger(request_id))

    [ending] = event["endings"]
    assert (ending["request_id"], ending["end"], ending["reason"]) == (request_id, "succeeded", "")
    assert ending["result"]["media"] == [{"url": f"{ending['result']['output']['video']}", "kind": "video"}]
    assert json.loads(json.dumps(event)) == event


async def test_the_event_says_since_when_it_was_seen_running(sandbox: Sandbox) -> None:
    sandbox.add_fault("status", code=200, body={"status": "in_progress"}, calls=["status"], times=2)
    began = time.time()

    [event] = await events_of(a_trigger(submit(sandbox)))

    assert began <= event["endings"][0]["running_since"] <= time.time()


async def test_several_requests_end_in_one_event(sandbox: Sandbox) -> None:
    ids = [submit(sandbox) for _ in range(5)]

    [event] = await events_of(a_trigger(ids))

    assert [ending["request_id"] for ending in event["endings"]] == ids


async def test_a_failure_and_its_reason(sandbox: Sandbox) -> None:
    sandbox.add_fault("fail", error="out of memory")

    [event] = await events_of(a_trigger(submit(sandbox)))

    assert event["endings"][0]["end"] == "failed"
    assert event["endings"][0]["reason"] == "out of memory"


async def test_at_the_deadline_the_result_is_looked_at_once_more(full: Sandbox) -> None:
    request_id = submit(full)

    [event] = await events_of(a_trigger(request_id, seconds=0.1))

    assert event["endings"][0]["end"] == "timed_out"
    assert count(full)["result"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"effect": "status", "code": 502}, id="502"),
        pytest.param({"effect": "status", "code": 429, "headers": {"Retry-After": "0"}}, id="429 with Retry-After"),
        pytest.param({"effect": "status", "code": 429}, id="429"),
        pytest.param({"effect": "status", "code": 403, "body": "<html>"}, id="a gateway's 403"),
        pytest.param({"effect": "status", "code": 401, "body": "<html>", "times": 3}, id="a gateway's 401"),
        pytest.param({"effect": "status", "code": 401, "error_code": 400004}, id="one certain 401"),
        pytest.param({"effect": "status", "code": 200, "body": "null"}, id="unreadable"),
        pytest.param({"effect": "outage", "seconds": 0.1, "drop": True}, id="cut connections"),
    ],
)
async def test_a_failed_poll_ends_no_wait(sandbox: Sandbox, fault: dict[str, Any]) -> None:
    request_id = submit(sandbox)
    sandbox.add_fault(**fault)

    [event] = await events_of(a_trigger(request_id))

    assert event["endings"][0]["end"] == "succeeded"


async def test_a_token_that_is_replaced_while_waiting_is_read_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = submit(sandbox)
    monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox, "revoked-token-0123456789"))
    sandbox.add_fault("status", token="revoked-token-0123456789", code=401, error_code=400004, times=None)
    trigger = a_trigger(request_id, poll_interval=0.2)
    # Another trigger holds the shared connection with the revoked token while the row is mended.
    async with shared.shared_connection("runcomfy_default") as connection:
        with pytest.raises(Exception, match="400004"):
            await connection.ask(request_id, polling.Ask.STATUS)
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))

        [event] = await events_of(trigger)

    assert event["endings"][0]["end"] == "succeeded"


async def test_a_token_that_is_replaced_after_its_refusal_is_read_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "_REREAD_SECONDS", 0.5)
    request_id = submit(sandbox)
    old = "revoked-token-0123456789"
    monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox, old))
    sandbox.add_fault("status", token=old, code=401, error_code=400004, times=None)
    refused = asyncio.Event()
    monkeypatch.setattr(Progress, "failed_poll", lambda *_: refused.set())
    waiting = asyncio.create_task(events_of(a_trigger(request_id)))
    await refused.wait()
    monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))

    [event] = await waiting

    assert event["endings"][0]["end"] == "succeeded"


async def test_a_token_that_stays_wrong_ends_the_wait_at_its_second_refusal(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(polling, "_REREAD_SECONDS", 0.3)
    request_id = submit(sandbox)
    sandbox.add_fault("status", token=TOKEN, code=401, error_code=400004, times=None)
    began = time.monotonic()

    [event] = await events_of(a_trigger(request_id))

    assert event["endings"][0]["end"] == "unauthenticated"
    assert count(sandbox)["status"] == 2
    assert time.monotonic() - began >= 0.3
    assert "Connection 'runcomfy_default' is read anew before the next call" in capsys.readouterr().out
    assert TOKEN not in json.dumps(event)


async def test_a_connection_that_is_deleted_is_waited_for_together(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "_FIRST_PAUSE_SECONDS", 0.2)
    ids = [submit(sandbox) for _ in range(20)]
    monkeypatch.delenv(CONNECTION_VARIABLE)
    monkeypatch.delenv("RUNCOMFY_TOKEN", raising=False)
    readings = 0
    read = RunComfyAsyncHook._settings

    async def counted(hook: Any) -> Settings:
        nonlocal readings
        readings += 1
        return await read(hook)

    monkeypatch.setattr(RunComfyAsyncHook, "_settings", counted)
    waiting = asyncio.gather(*(events_of(a_trigger(request_id)) for request_id in ids))
    await asyncio.sleep(1)
    # Each that was under way when the first met it, and from then on one now and then.
    assert 0 < readings <= 60
    monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))

    assert [event["endings"][0]["end"] for [event] in await waiting] == ["succeeded"] * 20


async def test_a_crowd_that_begins_together_is_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_runcomfy.waiting.SHORTEST_DEFERRAL_SECONDS", 5.0)
    delays = []

    def sleep(_: object, seconds: float) -> None:
        delays.append(seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr(shared.SharedConnection, "sleep", sleep)
    async with shared.shared_connection("runcomfy_default"):
        for _ in range(100):
            with pytest.raises(asyncio.CancelledError):
                await events_of(a_trigger("r-1", poll_interval=8.0, max_poll_interval=30.0, seconds=600))

    assert 5 <= min(delays) < 7
    assert 11 < max(delays) <= 13


def test_what_airflow_stores_is_plain_json_and_brings_the_same_trigger_back() -> None:
    trigger = RunComfyRequestTrigger(
        request_id="r-1", end_time=1.5, runcomfy_conn_id="c", poll_interval=2.0, max_poll_interval=3.0,
        cancel_on_kill=True, submitted_at=1.0,
    )  # fmt: skip

    path, kwargs = trigger.serialize()

    assert path == "airflow_provider_runcomfy.triggers.runcomfy.RunComfyRequestTrigger"
    assert json.loads(json.dumps(kwargs)) == kwargs == {
        "request_id": "r-1", "end_time": 1.5, "runcomfy_conn_id": "c", "poll_interval": 2.0,
        "max_poll_interval": 3.0, "cancel_on_kill": True, "submitted_at": 1.0,
    }  # fmt: skip
    assert RunComfyRequestTrigger(**kwargs).serialize() == trigger.serialize()


def test_a_trigger_of_an_older_version_needs_no_more_than_id_and_end() -> None:
    assert RunComfyRequestTrigger(request_id="r-1", end_time=1.0).serialize()[1]["cancel_on_kill"] is False


@pytest.mark.parametrize(
    ("state", "cancelled"),
    [
        ("failed", True),
        ("success", True),
        ("skipped", True),
        ("removed", True),
        ("deferred", False),
        ("queued", False),
        ("running", False),
        ("scheduled", False),
        ("up_for_retry", False),
        ("restarting", False),
        (None, False),
    ],
)
async def test_only_a_task_that_is_over_for_good_cancels_its_request(
    full: Sandbox, monkeypatch: pytest.MonkeyPatch, state: str | None, cancelled: bool
) -> None:
    submit(full)
    queued = submit(full)

    async def found(task_instance: Any) -> str | None:
        return state

    monkeypatch.setattr("airflow_provider_runcomfy.triggers.runcomfy.state_of", found)
    trigger = a_trigger(queued, cancel_on_kill=True)
    trigger.task_instance = WAIT

    await trigger.on_kill()

    became = next(request["state"] for request in full.requests() if request["request_id"] == queued)
    assert became == ("cancelled" if cancelled else "in_queue")


async def test_a_kill_cancels_the_others_where_one_could_not_be_cancelled(
    full: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(full)
    queued = [submit(full), submit(full)]
    full.add_fault("status", code=503, calls=["cancel"], times=1)

    async def found(task_instance: Any) -> str | None:
        return "failed"

    monkeypatch.setattr("airflow_provider_runcomfy.triggers.runcomfy.state_of", found)
    trigger = a_trigger(queued, cancel_on_kill=True)
    trigger.task_instance = WAIT

    await trigger.on_kill()

    became = {request["request_id"]: request["state"] for request in full.requests()}
    assert [became[request_id] for request_id in queued] == ["in_queue", "cancelled"]


async def test_with_the_flag_off_nothing_is_asked_and_nothing_cancelled(full: Sandbox) -> None:
    submit(full)
    queued = submit(full)
    full_calls = len(full.calls())

    await a_trigger(queued, cancel_on_kill=False).on_kill()

    assert len(full.calls()) == full_calls


async def test_where_the_state_cannot_be_known_the_request_is_left_alone(full: Sandbox) -> None:
    submit(full)
    queued = submit(full)

    await a_trigger(queued, cancel_on_kill=True).on_kill()

    assert count(full)["cancel"] == 0


async def test_a_kill_is_carried_out_although_airflow_cancels_it_every_second(
    full: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(full)
    queued = submit(full)
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def found(task_instance: Any) -> str | None:
        asked.set()
        await may_answer.wait()
        return "failed"

    monkeypatch.setattr("airflow_provider_runcomfy.triggers.runcomfy.state_of", found)
    trigger = a_trigger(queued, cancel_on_kill=True)
    trigger.task_instance = WAIT
    kill = asyncio.create_task(trigger.on_kill())
    await asked.wait()
    for _ in range(3):
        kill.cancel()
        await asyncio.sleep(0)
    may_answer.set()

    await kill

    assert [request["state"] for request in full.requests()] == ["in_progress", "cancelled"]
