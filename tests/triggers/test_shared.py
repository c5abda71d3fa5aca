"""What triggers share per connection: one session, one reading of the connection, one pace."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_runcomfy.api.errors import InvalidSettingsError, NotFoundError, RateLimitedError, UnavailableError
from airflow_provider_runcomfy.api.polling import Ask
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyAsyncHook
from airflow_provider_runcomfy.sandbox.server import Sandbox
from airflow_provider_runcomfy.triggers import shared
from tests.runcomfy import CONNECTION_VARIABLE, TOKEN, connection_to, count
from tests.triggers.waiting import a_trigger, events_of, submit

pytestmark = pytest.mark.usefixtures("polls_at_once")

NEW_TOKEN = "another-token-0123456789"


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the connections that are read, as they are read."""
    seen: list[str] = []
    read = RunComfyAsyncHook._settings

    async def counted(hook: RunComfyAsyncHook) -> Settings:
        seen.append(hook.runcomfy_conn_id)
        return await read(hook)

    monkeypatch.setattr(RunComfyAsyncHook, "_settings", counted)
    return seen


async def test_many_triggers_read_the_connection_once_and_share_a_session(
    sandbox: Sandbox, readings: list[str]
) -> None:
    ids = [submit(sandbox) for _ in range(50)]

    events = await asyncio.gather(*(events_of(a_trigger(request_id)) for request_id in ids))

    assert [event["endings"][0]["end"] for [event] in events] == ["succeeded"] * 50
    assert readings == ["runcomfy_default"]


async def test_the_session_is_closed_when_the_last_one_leaves_even_if_it_is_cancelled(full: Sandbox) -> None:
    request_id = submit(full)
    async with shared.shared_connection("runcomfy_default") as connection:
        async with shared.shared_connection("runcomfy_default") as same:
            assert same is connection
            await connection.ask(request_id, Ask.STATUS)
        client = await connection._session.hook.get_conn()
        assert not client._session.closed
        waiting = asyncio.create_task(events_of(a_trigger(request_id)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert not client._session.closed

    assert client._session.closed


async def test_a_retry_after_holds_everybody_back_but_nobody_beyond_the_deadline(full: Sandbox) -> None:
    request_id = submit(full)
    full.add_fault("status", code=429, headers={"Retry-After": "3600"})
    async with shared.shared_connection("runcomfy_default") as connection:
        with pytest.raises(RateLimitedError):
            await connection.ask(request_id, Ask.STATUS)
        assert 290 < connection._throttle.delay(asyncio.get_running_loop().time()) <= 300
        held: list[float] = []

        await connection.ask(request_id, Ask.STATUS, until=time.time() + 0.3, held=held.append)

    [seconds] = held
    assert 0.25 < seconds < 5


async def test_an_unusable_connection_holds_everybody_back(full: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(full, " "))
    async with shared.shared_connection("runcomfy_default") as connection:
        with pytest.raises(InvalidSettingsError):
            await connection.ask("r-1", Ask.STATUS)
        assert connection._throttle.delay(asyncio.get_running_loop().time()) > 0


async def test_a_refusal_ends_an_outage_as_any_answer_does(full: Sandbox) -> None:
    full.add_fault("status", code=503, calls=["status"], times=3)
    async with shared.shared_connection("runcomfy_default") as connection:
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await connection.ask("r-1", Ask.STATUS)
        assert connection._throttle.rate(0.0) == 100.0
        with pytest.raises(NotFoundError):
            await connection.ask("r-1", Ask.STATUS)
        assert connection._throttle.rate(asyncio.get_running_loop().time()) < 100.0


async def test_a_limit_is_logged_once_however_many_meet_it(
    full: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    request_id = submit(full)
    full.add_fault("status", code=429, times=20)
    async with shared.shared_connection("runcomfy_default") as connection:
        answers = await asyncio.gather(
            *(connection.ask(request_id, Ask.STATUS) for _ in range(20)), return_exceptions=True
        )

    assert {type(answer) for answer in answers} == {RateLimitedError}
    [line] = [record.getMessage() for record in caplog.records if "429" in record.getMessage()]
    assert "limits the calls through connection 'runcomfy_default' (HTTP 429)" in line


async def test_the_end_of_a_limit_is_logged_once(
    full: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    request_id = submit(full)
    full.add_fault("status", code=429, times=1)
    async with shared.shared_connection("runcomfy_default") as connection:
        with pytest.raises(RateLimitedError):
            await connection.ask(request_id, Ask.STATUS)
        await connection.ask(request_id, Ask.STATUS)
        monkeypatch.setattr(connection._throttle, "is_over", lambda now: True)
        await connection.ask(request_id, Ask.STATUS)
        await connection.ask(request_id, Ask.STATUS)

    said = [record.getMessage() for record in caplog.records if "limits the calls" in record.getMessage()]
    assert said[1:] == ["RunComfy no longer limits the calls through connection 'runcomfy_default'."]


async def test_a_changed_connection_is_seen_in_time_without_losing_a_call(
    full: Sandbox, monkeypatch: pytest.MonkeyPatch, readings: list[str]
) -> None:
    request_id = submit(full)
    async with shared.shared_connection("runcomfy_default") as connection:
        await connection.ask(request_id, Ask.STATUS)
        before = await connection._session.hook.get_conn()
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(full, NEW_TOKEN))
        await connection.ask(request_id, Ask.STATUS)
        assert len(readings) == 1
        connection._session.read_at -= shared._READING_SECONDS + 1
        full.add_fault("status", token=NEW_TOKEN, code=503)

        answers = await asyncio.gather(
            *(connection.ask(request_id, Ask.STATUS) for _ in range(5)), return_exceptions=True
        )

        after = await connection._session.hook.get_conn()
        assert [settings.token for settings in (before.settings, after.settings)] == [TOKEN, NEW_TOKEN]
        assert before._session.closed
        # One of them looked, saw that it was another, and asked with that; the others did not wait for it.
        assert len(readings) == 3
        assert sum(isinstance(answer, Exception) for answer in answers) == 1
    assert after._session.closed


async def test_an_unchanged_connection_keeps_its_session(full: Sandbox, readings: list[str]) -> None:
    request_id = submit(full)
    async with shared.shared_connection("runcomfy_default") as connection:
        await connection.ask(request_id, Ask.STATUS)
        before = await connection._session.hook.get_conn()
        connection._session.read_at -= shared._READING_SECONDS + 1
        await connection.ask(request_id, Ask.STATUS)
        await connection.ask(request_id, Ask.STATUS)

        assert await connection._session.hook.get_conn() is before
    assert len(readings) == 2


async def test_a_connection_that_is_gone_goes_on_as_it_was_read(
    full: Sandbox, monkeypatch: pytest.MonkeyPatch, readings: list[str]
) -> None:
    request_id = submit(full)
    async with shared.shared_connection("runcomfy_default") as connection:
        await connection.ask(request_id, Ask.STATUS)
        monkeypatch.delenv(CONNECTION_VARIABLE)
        monkeypatch.delenv("RUNCOMFY_TOKEN", raising=False)
        connection._session.read_at -= shared._READING_SECONDS + 1

        await connection.ask(request_id, Ask.STATUS)

    assert len(readings) == 2
    assert count(full)["status"] == 2


async def test_a_replaced_session_is_closed_by_its_last_call(full: Sandbox) -> None:
    request_id = submit(full)
    async with shared.shared_connection("runcomfy_default") as connection:
        await connection.ask(request_id, Ask.STATUS)
        before = await connection._session.hook.get_conn()
        full.add_fault("delay", seconds=0.3)
        slow = asyncio.create_task(connection.ask(request_id, Ask.STATUS))
        await asyncio.sleep(0.1)

        await connection.renew(connection.generation)
        assert not before._session.closed
        await slow
        assert before._session.closed


async def test_a_cancelled_trigger_does_not_take_the_reading_from_the_others(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [submit(sandbox) for _ in range(3)]
    reading, may_go_on = asyncio.Event(), asyncio.Event()
    read = RunComfyAsyncHook._settings

    async def slow(hook: RunComfyAsyncHook) -> Settings:
        reading.set()
        await may_go_on.wait()
        return await read(hook)

    monkeypatch.setattr(RunComfyAsyncHook, "_settings", slow)
    first, *others = [asyncio.create_task(events_of(a_trigger(request_id))) for request_id in ids]
    await reading.wait()
    first.cancel()
    await asyncio.wait([first])
    may_go_on.set()

    assert [event["endings"][0]["end"] for [event] in await asyncio.gather(*others)] == ["succeeded"] * 2


async def test_a_reading_that_nobody_waits_for_any_more_leaves_nothing_open(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    reading = asyncio.Event()

    async def endless(hook: RunComfyAsyncHook) -> Settings:
        made.append(asyncio.current_task())
        reading.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(RunComfyAsyncHook, "_settings", endless)
    waiting = asyncio.create_task(events_of(a_trigger("r-1")))
    await reading.wait()
    waiting.cancel()
    await asyncio.wait([waiting])
    await asyncio.wait(made, timeout=5)

    assert [task.cancelled() for task in made] == [True]


def test_many_begin_evenly_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    async def spreads() -> list[float]:
        async with shared.shared_connection("runcomfy_default") as connection:
            return [connection.spread() for _ in range(1000)]

    found = sorted(asyncio.run(spreads()))
    gaps = [after - before for before, after in pairwise(found)]
    assert max(gaps) < 3 / 1000


async def test_the_last_one_closes_the_session_although_it_is_cancelled_again(
    full: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing, may_go_on, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    close = RunComfyAsyncHook.close

    async def slow(hook: RunComfyAsyncHook) -> None:
        closing.set()
        await may_go_on.wait()
        await close(hook)
        closed.set()

    monkeypatch.setattr(RunComfyAsyncHook, "close", slow)
    last = asyncio.create_task(events_of(a_trigger(submit(full))))
    await asyncio.sleep(0.1)
    last.cancel()
    await closing.wait()
    last.cancel()
    await asyncio.sleep(0)
    may_go_on.set()
    await asyncio.wait([last])

    assert closed.is_set()
