"""A reverse proxy that a test holds in its hand: it can stop an exchange before or after it is passed on."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import ClientError, ClientSession, web
from aiohttp.web_log import AccessLogger

from dev.processes import LOOPBACK, free_ports

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "te", "expect"})
_MAX_BODY = 64 << 20


class When(StrEnum):
    """On which side of the server an exchange is stopped."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Exchange:
    """One request through the gate; ``peer_port`` is the client's end of its connection."""

    method: str
    path: str
    body: bytes
    peer_port: int


@dataclass
class Stop:
    """
    What is stopped, and what happens then.

    :param matches: which exchanges.
    :param when: before they reach the server, or after it has answered.
    :param act: called with the exchange while it is stopped; the client waits. Then its connection is cut,
        unless ``act`` returns True: then it goes on.
    :param times: how many exchanges are stopped.
    """

    matches: Callable[[Exchange], bool]
    when: When
    act: Callable[[Exchange], bool | None]
    times: int = 1
    taken: int = field(default=0, init=False)


class Gate:
    """
    A running gate.

    :param target: the server behind it, as a URL without a path.
    :param tls: makes it speak TLS to its clients; plain HTTP by default.
    """

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self._target = target
        self._tls = tls
        (self._port,) = free_ports(1)
        self._lock = threading.Lock()
        self._stops: list[Stop] = []

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self._port}"

    @contextmanager
    def stopping(self, stop: Stop) -> Iterator[Stop]:
        """Stop exchanges while the block runs."""
        with self._lock:
            self._stops.append(stop)
        try:
            yield stop
        finally:
            with self._lock:
                self._stops.remove(stop)

    async def serve(self, ready: threading.Event, end: asyncio.Event) -> None:
        """Pass requests on until ``end`` is set."""
        application = web.Application(client_max_size=_MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self._pass)
        # A stopped exchange keeps its thread; many clients may be stopped at once.
        runner = web.AppRunner(application, access_log_class=AccessLogger, access_log=None)
        async with ClientSession(auto_decompress=False) as self._session:
            await runner.setup()
            await web.TCPSite(runner, LOOPBACK, self._port, ssl_context=self._tls).start()
            ready.set()
            await end.wait()
            await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        peer: Any = request.transport.get_extra_info("peername") if request.transport else (None, 0)
        try:
            body = await request.read()
        except ConnectionError:
            # Whoever sent it was killed.
            return _cut(request)
        exchange = Exchange(request.method, request.path_qs, body, peer[1])
        if not await self._goes_on(exchange, When.BEFORE):
            return _cut(request)
        kept = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        try:
            async with self._session.request(
                request.method,
                f"{self._target}{request.path_qs}",
                headers=kept,
                data=exchange.body,
                allow_redirects=False,
            ) as answer:
                body, status = await answer.read(), answer.status
                headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        except ClientError:
            return _cut(request)
        if not await self._goes_on(exchange, When.AFTER):
            return _cut(request)
        if request.method == "HEAD":
            # The length is that of the body that is not sent.
            return web.Response(status=status, headers=headers | _length(answer.headers))
        return web.Response(status=status, body=body, headers=headers)

    async def _goes_on(self, exchange: Exchange, when: When) -> bool:
        stop = self._take(exchange, when)
        return stop is None or bool(await asyncio.to_thread(stop.act, exchange))

    def _take(self, exchange: Exchange, when: When) -> Stop | None:
        with self._lock:
            for stop in self._stops:
                if stop.when is when and stop.taken < stop.times and stop.matches(exchange):
                    stop.taken += 1
                    return stop
        return None


def _length(headers: Mapping[str, str]) -> dict[str, str]:
    return {"Content-Length": headers["Content-Length"]} if "Content-Length" in headers else {}


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@contextmanager
def gate(target: str, tls: ssl.SSLContext | None = None) -> Iterator[Gate]:
    """Run a gate in front of ``target`` while the block runs."""
    running = Gate(target, tls)
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    end = asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(running.serve(ready, end)), name=f"gate to {target}", daemon=True
    )
    thread.start()
    ready.wait(10)
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
