"""A real TCP server that answers HTTP requests with the very bytes, pauses and breaks that a test wants."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

HEAD_END = b"\r\n\r\n"
DRIP_SECONDS = 0.05


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Exchange:
    """One request and the connection that it came by: what a behaviour answers on."""

    def __init__(self, connection: socket.socket, received: Received, stopping: threading.Event) -> None:
        self.connection = connection
        self.received = received
        self.stopping = stopping


#: Answers one request; the connection is kept for the next one where it returns True.
Behaviour = Callable[[Exchange], bool | None]


class RawServer:
    """
    What runs: ``behaviours`` answer the requests in their order, the last one all further ones too.

    ``requests`` has what came whole, ``accepted`` counts the connections, ``closed`` is given for each that ended.
    """

    def __init__(self, port: int, scheme: str) -> None:
        self.port = port
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.accepted = 0
        self.closed = threading.Semaphore(0)
        self.requests: list[Received] = []
        self._behaviours: list[Behaviour] = []
        self._lock = threading.Lock()

    def answer(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)

    def next(self, received: Received) -> Behaviour:
        with self._lock:
            self.requests.append(received)
            return self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]


def http(status: int, body: object = b"", headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """Return a whole answer: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{n}: {v}" for n, v in headers), f"Content-Length: {len(content)}"]
    return "\r\n".join(lines).encode("latin-1") + HEAD_END + content


def reply(status: int, body: object = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    return send(http(status, body, (headers or {}).items()), keep=True)


def send(data: bytes, *, keep: bool = False) -> Behaviour:
    """Send these bytes and, unless ``keep``, close."""

    def act(exchange: Exchange) -> bool:
        exchange.connection.sendall(data)
        return keep

    return act


def reset(after: bytes = b"") -> Behaviour:
    """Send these bytes and reset the connection, as a crashed server does."""

    def act(exchange: Exchange) -> None:
        if after:
            exchange.connection.sendall(after)
            # Without this the reset may overtake what was sent.
            exchange.stopping.wait(0.1)
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return act


def silence(exchange: Exchange) -> None:
    """Say nothing until the client has gone."""
    with suppress(OSError):
        exchange.connection.recv(1)


def drip(start: bytes, piece: bytes) -> Behaviour:
    """Send ``start`` and then ``piece`` over and over, slowly: never silent, never done."""

    def act(exchange: Exchange) -> None:
        exchange.connection.sendall(start)
        while not exchange.stopping.wait(DRIP_SECONDS):
            exchange.connection.sendall(piece)

    return act


def flood(start: bytes, piece: bytes, count: int) -> Behaviour:
    """Send ``start`` and ``count`` times ``piece``, as fast as they are taken."""

    def act(exchange: Exchange) -> None:
        exchange.connection.sendall(start)
        for _ in range(count):
            exchange.connection.sendall(piece)

    return act


def tunnel(port: int) -> Behaviour:
    """Be a CONNECT proxy that leads to ``port`` of this machine, whatever host is asked for."""

    def act(exchange: Exchange) -> None:
        if exchange.received.method != "CONNECT":
            exchange.connection.sendall(http(405))
            return
        with socket.create_connection(("127.0.0.1", port)) as onward:
            exchange.connection.sendall(b"HTTP/1.1 200 Connection established" + HEAD_END)
            back = threading.Thread(target=_pump, args=(onward, exchange.connection), daemon=True)
            back.start()
            _pump(exchange.connection, onward)
            back.join()

    return act


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def raw_server(tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Run a server on a free loopback port while the block runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(listener.getsockname()[1], "https" if tls else "http")
    stopping = threading.Event()
    open_connections: set[socket.socket] = set()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                server.accepted += 1
                open_connections.add(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(plain: socket.socket) -> None:
        connection = plain
        with suppress(OSError, EOFError):
            if tls:
                connection = tls.wrap_socket(plain, server_side=True)
            while True:
                received = _receive(connection)
                if not server.next(received)(Exchange(connection, received, stopping)):
                    break
        with suppress(OSError):
            connection.close()
        server.closed.release()
        open_connections.discard(plain)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stopping.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in list(open_connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join()


def _receive(connection: socket.socket) -> Received:
    data = b""
    while HEAD_END not in data:
        data += _some(connection)
    head, _, body = data.partition(HEAD_END)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += _some(connection)
    method, path, _ = first.split(" ", 2)
    return Received(method, path, headers, body)


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise EOFError
    return data
