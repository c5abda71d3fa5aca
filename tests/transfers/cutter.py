"""A TCP proxy that breaks."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class Cutter:
    """
    Stands before a server and breaks every connection, old and new, once ``limit`` bytes were sent to it.

    Where it is to break what is ``longest``, each connection may send so many bytes more: small requests get through.

    With ``tls`` it speaks HTTPS for the server, which does not.
    """

    def __init__(self, limit: int, endpoint: str, tls: ssl.SSLContext | None = None, longest: int = 0) -> None:
        self.is_cut = False
        self.head = b""
        self._left, self._longest = limit, longest
        self._target = (str(urlsplit(endpoint).hostname), urlsplit(endpoint).port)
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.endpoint = f"http{'s' if tls else ''}://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cut()
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                if self._tls:
                    try:
                        near = self._tls.wrap_socket(near, server_side=True)
                    except OSError:
                        continue
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                for start, end, counts in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._pump, args=(start, end, counts), daemon=True).start()

    def _pump(self, start: socket.socket, end: socket.socket, counts: bool) -> None:
        over = 0
        with suppress(OSError):
            while piece := start.recv(65_536):
                self._left -= len(piece) if counts else 0
                self.head += piece[: 10_000 - len(self.head)] if counts and len(self.head) < 10_000 else b""
                if self._left < 0 and counts:
                    over += len(piece)
                    if over > self._longest:
                        return self._reset(start, end) if self._longest else self._cut()
                end.sendall(piece)
        return None

    def _reset(self, *sockets: socket.socket) -> None:
        self.is_cut = True
        for each in sockets:
            with suppress(OSError):
                # Closing with this set sends a reset: what the client is sending comes to an end, too.
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _cut(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._reset(*self._sockets)
