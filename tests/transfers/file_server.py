"""A real file server that misbehaves as it is told to."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What an MP4 begins with; the rest of a file matters to nobody here.
MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"
_PIECE = 64 * 1024


def clip(size: int, seed: int = 0) -> bytes:
    """Return ``size`` bytes that begin as an MP4 does and repeat nowhere near a part's length."""
    block = bytes((i * (seed + 7) + (i >> 8)) % 256 for i in range(65_521))
    return (MP4 + block * (size // len(block) + 1))[:size]


@dataclass
class Halt:
    """Holds an answer back once ``at`` bytes of it are sent: sets ``reached``, and goes on when it may ``go_on``."""

    at: int
    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@dataclass
class File:
    """
    One file and how it is served.

    ``cuts`` has, for each further answer, after how many bytes the connection is closed, or reset
    where ``is_reset``; ``drip`` sends one byte at a time until it is set.
    """

    body: bytes = MP4
    content_type: str | None = "video/mp4"
    etag: str | None = '"one"'
    last_modified: str | None = None
    ranges: bool = True
    chunked: bool = False
    announced: int | None = None
    #: The most bytes that one answer to a Range has.
    longest_range: int | None = None
    #: Whether an answer to a Range says how long the whole file is.
    ranges_tell_size: bool = True
    is_silent_about_length: bool = False
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    redirect: str | None = None
    is_reset: bool = False
    drip: threading.Event | None = None
    halt: Halt | None = None
    headers: dict[str, str] = field(default_factory=dict)
    #: Called before each answer with its number, from 1: changes the file under way.
    before: Callable[[File, int], None] | None = None
    answers: int = 0
    #: How many bytes of its body have been sent, over all answers.
    sent: int = 0


@dataclass(frozen=True)
class Asked:
    """A request that came in."""

    path: str
    headers: dict[str, str]


class FileServer:
    """What runs: ``files`` by path, and every request in ``asked``."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.files: dict[str, File] = {}
        self.asked: list[Asked] = []

    def add(self, path: str, file: File) -> str:
        """Serve ``file`` under ``path`` and return its URL."""
        self.files[path] = file
        return self.base + path

    def headers(self, name: str) -> list[str | None]:
        """Return one header of each request, in the order in which they came."""
        return [asked.headers.get(name) for asked in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0
    shared: FileServer

    def do_GET(self) -> None:
        self.shared.asked.append(Asked(self.path, dict(self.headers.items())))
        file = self.shared.files.get(self.path.partition("?")[0])
        if file is None:
            return self._empty(404)
        file.answers += 1
        if file.before:
            file.before(file, file.answers)
        if file.redirect is not None:
            return self._empty(302, {"Location": file.redirect, **file.headers})
        if file.statuses:
            return self._empty(file.statuses.pop(0))
        return self._send(file)

    def _empty(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, file: File) -> None:
        start = self._start(file)
        if start is not None and start >= len(file.body):
            return self._empty(416, {"Content-Range": f"bytes */{len(file.body)}"})
        body = memoryview(file.body)[start or 0 :]
        if start is not None:
            body = body[: file.longest_range]
        self.send_response(200 if start is None else 206)
        for name, value in (
            ("Content-Type", file.content_type),
            ("ETag", file.etag),
            ("Last-Modified", file.last_modified),
            ("Content-Range", self._range(file, start, body) if start is not None else None),
            ("Transfer-Encoding", "chunked" if file.chunked else None),
            ("Content-Length", None if file.chunked or file.is_silent_about_length else self._length(file, body)),
            *file.headers.items(),
        ):
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        cut = file.cuts.pop(0) if file.cuts else None
        for at in range(0, len(body[:cut]), _PIECE):
            self._piece(file, body[:cut][at : at + _PIECE])
        if cut is not None or file.is_silent_about_length or self._length(file, body) != str(len(body)):
            self._break(file.is_reset)
        elif file.chunked:
            self.wfile.write(b"0\r\n\r\n")
        return None

    def _start(self, file: File) -> int | None:
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if not (asked and file.ranges) or condition not in (None, file.etag, file.last_modified):
            return None
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def _range(self, file: File, start: int, body: memoryview) -> str:
        return f"bytes {start}-{start + len(body) - 1}/{len(file.body) if file.ranges_tell_size else '*'}"

    def _length(self, file: File, body: memoryview) -> str:
        return str(len(body) if file.announced is None else file.announced)

    def _piece(self, file: File, piece: memoryview) -> None:
        if file.halt and file.sent >= file.halt.at:
            file.halt.reached.set()
            file.halt.go_on.wait(30)
        try:
            if file.drip:
                for byte in piece.tobytes():
                    self.wfile.write(bytes([byte]))
                    if file.drip.wait(0.02):
                        return
            elif file.chunked:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)))
            else:
                self.wfile.write(piece)
            file.sent += len(piece)
        except OSError:
            self.close_connection = True

    def _break(self, reset: bool) -> None:
        self.close_connection = True
        if reset:
            # Closing with this set sends a reset, as a crashed server does.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have gone: that is what the tests are about."""


@contextmanager
def file_server() -> Iterator[FileServer]:
    """Run a file server on a free loopback port while the block runs."""
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    handler.shared = FileServer(server.server_port)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield handler.shared  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
