"""The gate that the faults are made with: what it stops, what it passes on, what it cuts."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from dev.gate import Exchange, Gate, Stop, When, gate
from tests.tls import Authority


class Counting(ThreadingHTTPServer):
    """A server that counts what reaches it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Counting

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, body))
        self.send_response(203)
        self.send_header("Content-Length", "5")
        self.send_header("X-Host", self.headers["Host"])
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"hello")

    do_GET = do_PUT = do_HEAD = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def behind() -> Iterator[Counting]:
    with Counting() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def front(behind: Counting) -> Iterator[Gate]:
    with gate(f"http://127.0.0.1:{behind.server_port}") as running:
        yield running


def test_it_passes_everything_on_as_it_is(behind: Counting, front: Gate) -> None:
    answer = requests.put(f"{front.url}/a%20b?c=d", data=b"body", timeout=5)

    assert (answer.status_code, answer.content) == (203, b"hello")
    assert behind.seen == [("PUT", "/a%20b?c=d", b"body")]
    # A signature may cover the host that the client named.
    assert f"http://{answer.headers['X-Host']}" == front.url


def test_a_head_keeps_the_length_of_the_body_that_is_not_sent(front: Gate) -> None:
    assert requests.head(front.url, timeout=5).headers["Content-Length"] == "5"


@pytest.mark.parametrize(("when", "reaches"), [(When.BEFORE, 0), (When.AFTER, 1)])
def test_what_it_stops_is_cut_before_or_after_the_server_has_it(
    behind: Counting, front: Gate, when: When, reaches: int
) -> None:
    stopped: list[Exchange] = []
    stop = Stop(lambda exchange: exchange.path == "/stop", when, stopped.append, times=1)

    with front.stopping(stop):
        with pytest.raises(requests.ConnectionError):
            requests.put(f"{front.url}/stop", data=b"x", timeout=5)
        assert requests.get(f"{front.url}/other", timeout=5).ok
        reached = [path for _, path, _ in behind.seen].count("/stop")
        # It stops no more than it was told to.
        assert requests.get(f"{front.url}/stop", timeout=5).ok

    assert reached == reaches
    assert [(one.method, one.path, one.body) for one in stopped] == [("PUT", "/stop", b"x")]


def test_what_was_stopped_may_go_on(behind: Counting, front: Gate) -> None:
    with front.stopping(Stop(lambda _: True, When.BEFORE, lambda _: True)):
        assert requests.get(front.url, timeout=5).ok


def test_it_speaks_tls_where_it_is_told_to(behind: Counting, tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    with gate(f"http://127.0.0.1:{behind.server_port}", tls=authority.server_context()) as front:
        answer = requests.get(f"{front.url}/a", timeout=5, verify=str(authority.bundle))

    assert front.url.startswith("https://")
    assert answer.content == b"hello"
