"""
A server over TLS whose every answer is "in progress", and which counts them.

Run as a program it is that server, in a process of its own: a line on standard output says its port; for each line on
standard input it says how it stands; and it ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import uvloop

from dev.processes import LOOPBACK
from tests.tls import Authority

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_BATCH_COUNTS = {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}


@dataclass
class Standing:
    """How many calls were answered, and the seconds of CPU that this took."""

    answered: int = 0
    cpu: float = 0.0


@dataclass(frozen=True)
class PollServer:
    """A running server."""

    port: int
    bundle: Path
    standing: Callable[[], Standing]


@contextmanager
def poll_server(folder: Path) -> Iterator[PollServer]:
    """Run the server in a process of its own, its certificates in ``folder``."""
    command = [sys.executable, "-m", "benchmarks.poll_server", str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as running:
        assert running.stdin
        assert running.stdout
        answers, questions = running.stdout, running.stdin

        def standing() -> Standing:
            print(file=questions, flush=True)
            return Standing(**json.loads(answers.readline()))

        yield PollServer(int(answers.readline()), folder / "ca.pem", standing)


class _Connection(asyncio.Protocol):
    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            path = self._received.split(b" ", 2)[1].decode()
            self._received = self._received[whole:]
            self._standing.answered += 1
            self._transport.write(_response(path))


def _response(path: str) -> bytes:
    found = _answer(path)
    body = json.dumps(found or {"detail": "Not Found"}).encode()
    status = b"200 OK" if found else b"404 Not Found"
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _answer(path: str) -> dict[str, Any] | None:
    """Return what each API says of what is not over yet; for the HTTP sensor that is a 404."""
    parts = path.split("?", maxsplit=1)[0].strip("/").split("/")
    match parts:
        case ["v1", "requests", request_id, "status"]:
            return {"request_id": request_id, "status": "in_progress"}
        case ["api", "2.2", "jobs", "runs", "get"]:
            return {"run_id": 1, "state": {"life_cycle_state": "RUNNING", "result_state": None, "state_message": ""}}
        case ["api", "v2", "accounts", _, "runs", run_id]:
            return {"status": {"code": 200}, "data": {"id": int(run_id), "status": 3}}
        case ["v1", "messages", "batches", batch_id]:
            return {
                "id": batch_id,
                "type": "message_batch",
                "processing_status": "in_progress",
                "request_counts": _BATCH_COUNTS,
                "created_at": "2026-11-20T10:00:00Z",
                "expires_at": "2026-11-21T10:00:00Z",
            }
        case ["v1", "batches", batch_id]:
            return {"id": batch_id, "object": "batch", "status": "in_progress", "endpoint": "/v1/responses"}
    return None


async def _serve(folder: Path) -> None:
    context, standing = Authority(folder).server_context(), Standing()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(standing), LOOPBACK, 0, ssl=context, backlog=10000, ssl_handshake_timeout=300
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()

    def answer() -> None:
        for _ in sys.stdin:
            standing.cpu = time.process_time()
            print(json.dumps(asdict(standing)), flush=True)
        loop.call_soon_threadsafe(ended.set)

    Thread(target=answer, daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
