"""
A RunComfy that only answers how requests stand, as cheaply as can be, with a limit and with faults.

A request is its id, so nothing is kept: ``request(start, end, number)`` names one that waits until ``start``, runs
until ``end`` (seconds since the epoch), and then has succeeded. Run as a program it is the server.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from aiohttp import web

from dev.processes import LOOPBACK, free_ports, server

TOKEN = "the-first-token"
#: How long one request ahead in the queue takes to leave it, in seconds.
_SECONDS_PER_PLACE = 2.0


def request(start: float, end: float, number: int) -> str:
    return f"r-{start * 1000:.0f}-{end * 1000:.0f}-{number}"


def end_of(request_id: str) -> float:
    return int(request_id.split("-")[2]) / 1000


@dataclass(frozen=True)
class StatusServer:
    """The running server; ``ca`` is the bundle that its certificate is from."""

    url: str
    ca: Path | None
    pid: int

    def connection(self, token: str = TOKEN) -> dict[str, Any]:
        return {"conn_type": "runcomfy", "host": self.url, "password": token}

    def counts(self) -> dict[int, list[int]]:
        """Return offered, accepted and 429 calls of each second since the epoch."""
        return {int(second): numbers for second, numbers in self.ask("counts").items()}

    def ask(self, name: str, **body: Any) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{self.url}/_/{name}", json=body, timeout=60, verify=str(self.ca or True))
        answer.raise_for_status()
        return answer.json()


@contextmanager
def status_server(folder: Path, *options: str, tls: bool = False) -> Iterator[StatusServer]:
    """Run the server in a process of its own while the block runs."""
    (port,) = free_ports(1)
    ca = None
    if tls:
        from tests.tls import Authority

        ca = Authority(folder).bundle
        options = (*options, f"--certificate={folder / 'server.pem'}")
    command = [sys.executable, "-m", "benchmarks.status_server", f"--port={port}", *options]
    running = StatusServer(f"{'https' if tls else 'http'}://{LOOPBACK}:{port}", ca, 0)

    def answers() -> bool:
        with suppress(requests.RequestException):
            return bool(running.ask("ready"))
        return False

    with server(command, log=folder / "server.log", ready=answers) as process:
        yield StatusServer(running.url, ca, process.pid)


class Limit:
    """So many calls a second: a token bucket that holds one second's, or a window for each second of the clock."""

    def __init__(self, kind: str, rate: int) -> None:
        self._window, self._rate = kind == "window", rate
        self._left, self._at = float(rate), time.time()

    def takes(self) -> bool:
        now = time.time()
        if self._window:
            self._left = self._rate if int(now) != int(self._at) else self._left
        else:
            self._left = min(self._left + (now - self._at) * self._rate, self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Server:
    def __init__(self, limit: Limit | None, retry_after: bool) -> None:
        self._limit, self._retry_after = limit, retry_after
        self._tokens = {TOKEN}
        self._share_of_faults = 0.0
        self._counts: dict[int, list[int]] = {}

    async def answer(self, call: web.Request) -> web.StreamResponse:
        count = self._counts.setdefault(int(time.time()), [0, 0, 0])
        count[0] += 1
        if self._limit and not self._limit.takes():
            count[2] += 1
            headers = {"Retry-After": "1"} if self._retry_after else {}
            return web.json_response({"error_message": "too many requests"}, status=429, headers=headers)
        if self._share_of_faults and random.random() < self._share_of_faults:
            return self._fault(call)
        if call.headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
            return web.json_response({"error_code": 400004, "error_message": "revoked"}, status=401)
        count[1] += 1
        return web.json_response(_state(call.match_info["id"], call.match_info["what"]))

    def _fault(self, call: web.Request) -> web.StreamResponse:
        if random.random() < 0.5 and call.transport is not None:
            call.transport.abort()
        return web.Response(status=random.choice([500, 502, 503, 504]), text="<html>down</html>")

    async def control(self, call: web.Request) -> web.Response:
        body, name = await call.json(), call.match_info["name"]
        if name == "counts":
            return web.json_response(self._counts)
        if name == "tokens":
            self._tokens = set(body["tokens"])
        if name == "faults":
            self._share_of_faults = body["share"]
        return web.json_response(True)


def _state(request_id: str, what: str) -> dict[str, Any]:
    _, start, end, _ = request_id.split("-")
    now = time.time()
    answer: dict[str, Any] = {"request_id": request_id}
    if now >= int(end) / 1000:
        url = f"https://files.runcomfy.net/{request_id}_output.mp4"
        output = {"output": {"video": url}} if what == "result" else {}
        return answer | {"status": "succeeded" if what == "result" else "completed"} | output
    if (left := int(start) / 1000 - now) > 0:
        return answer | {"status": "in_queue", "queue_position": math.ceil(left / _SECONDS_PER_PLACE)}
    return answer | {"status": "in_progress"}


async def _serve(arguments: argparse.Namespace) -> None:
    limit = Limit(arguments.limit, arguments.rate) if arguments.limit else None
    served = Server(limit, arguments.retry_after)
    app = web.Application()
    app.router.add_get("/v1/requests/{id}/{what}", served.answer)
    app.router.add_post("/_/{name}", served.control)
    tls = None
    if arguments.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(arguments.certificate)
    # Longer than any client keeps a connection, so that the client is the one who closes it.
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=300)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, arguments.port, ssl_context=tls, backlog=4096).start()
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--limit", choices=["bucket", "window"])
    parser.add_argument("--rate", type=int, default=50)
    parser.add_argument("--retry-after", action="store_true")
    parser.add_argument("--certificate")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
