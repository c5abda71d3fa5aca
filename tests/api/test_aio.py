"""What only the asynchronous client does; what both do is in test_transports.py."""

from __future__ import annotations

import asyncio
import gzip

import aiohttp
import pytest

from airflow_provider_runcomfy.api import wire
from airflow_provider_runcomfy.api.aio import RunComfyAsyncClient
from airflow_provider_runcomfy.api.errors import InvalidInputError, RateLimitedError, UnavailableError
from airflow_provider_runcomfy.api.settings import Settings
from tests.api.answers import status_of
from tests.api.callers import REQUEST, TOKEN
from tests.api.raw_server import RawServer, reply, send, silence


async def test_many_polls_at_once_share_the_session(server: RawServer) -> None:
    server.answer(reply(200, {"status": "in_queue"}))
    async with RunComfyAsyncClient(Settings(TOKEN, server.url)) as client:
        found = await asyncio.gather(*(client.get_status(f"req-{n}") for n in range(50)))
        again = await asyncio.gather(*(client.get_status(f"req-{n}") for n in range(50)))
    assert [status.request_id for status in found] == [f"req-{n}" for n in range(50)]
    assert again == found
    assert server.accepted <= 50


async def test_how_long_a_call_is_waited_for_and_how_many_are_made_at_once() -> None:
    async with RunComfyAsyncClient(Settings(TOKEN)) as client:
        connector = client._session.connector
        assert connector is not None
        assert client._session.timeout == aiohttp.ClientTimeout(total=40.0, sock_connect=10.0)
        assert connector.limit == 100
        assert connector._keepalive_timeout == 75.0


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"])
async def test_an_answer_may_be_as_long_as_its_call_says(server: RawServer, head: bytes) -> None:
    server.answer(send(head + b"x" * 10))
    async with RunComfyAsyncClient(Settings(TOKEN, server.url)) as client:
        answer = await client._exchange(wire.Call("GET", f"{server.url}/a", "A", max_bytes=10))
        assert (answer.status, answer.body, answer.secret) == (200, b"x" * 10, TOKEN)
        with pytest.raises(UnavailableError, match=r"^A: an answer of more than 9 bytes"):
            await client._exchange(wire.Call("GET", f"{server.url}/a", "A", max_bytes=9))


async def test_an_answer_of_no_told_length_is_read_to_its_end(server: RawServer) -> None:
    body = b"0123456789" * 50_000
    server.answer(send(b"HTTP/1.1 200 OK\r\n\r\n" + body))
    async with RunComfyAsyncClient(Settings(TOKEN, server.url)) as client:
        answer = await client._exchange(wire.Call("GET", f"{server.url}/a", "A", max_bytes=len(body)))
    assert answer.body == body


async def test_a_packed_answer_is_as_long_as_it_is_unpacked(server: RawServer) -> None:
    server.answer(reply(200, gzip.compress(b"x" * 100_000), {"Content-Encoding": "gzip"}))
    async with RunComfyAsyncClient(Settings(TOKEN, server.url)) as client:
        with pytest.raises(UnavailableError, match=r"^A: an answer of more than 1000 bytes"):
            await client._exchange(wire.Call("GET", f"{server.url}/a", "A", max_bytes=1000))


async def test_it_takes_no_cookies(server: RawServer) -> None:
    server.answer(reply(200, status_of("in_queue"), {"Set-Cookie": "session=1; Path=/"}))
    # By its name: of an address aiohttp would take none anyway.
    async with RunComfyAsyncClient(Settings(TOKEN, f"http://localhost:{server.port}")) as client:
        await client.get_status(REQUEST)
        await client.get_status(REQUEST)
    assert [received.headers.get("cookie") for received in server.requests] == [None, None]


async def test_it_hears_how_long_it_is_to_wait(server: RawServer) -> None:
    server.answer(reply(429, headers={"Retry-After": "7"}))
    async with RunComfyAsyncClient(Settings(TOKEN, server.url)) as client:
        with pytest.raises(RateLimitedError) as raised:
            await client.get_status(REQUEST)
    assert raised.value.retry_after == 7.0


async def test_a_call_that_is_cancelled_raises_nothing_else(server: RawServer) -> None:
    server.answer(silence)
    async with RunComfyAsyncClient(Settings(TOKEN, server.url)) as client:
        task = asyncio.create_task(client.get_status(REQUEST))
        while not server.requests:  # noqa: ASYNC110 - it comes to another thread
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_is_no_request_id_is_not_sent(server: RawServer) -> None:
    async with RunComfyAsyncClient(Settings(TOKEN, server.url)) as client:
        for call in (client.get_status, client.get_result, client.cancel):
            with pytest.raises(InvalidInputError):
                await call("../models")
    assert server.accepted == 0


async def test_a_cancel_is_sent_once(server: RawServer) -> None:
    server.answer(reply(503))
    async with RunComfyAsyncClient(Settings(TOKEN, server.url)) as client:
        with pytest.raises(UnavailableError, match=f"Cancel of request {REQUEST}: an empty answer"):
            await client.cancel(REQUEST)
    assert len(server.requests) == 1


async def test_the_client_does_not_show_the_token(server: RawServer) -> None:
    server.answer(reply(200, status_of("in_queue")))
    async with RunComfyAsyncClient(Settings(TOKEN, server.url)) as client:
        await client.get_status(REQUEST)
        assert TOKEN not in f"{client!r}{client.__dict__!r}"
