"""A TCP proxy that breaks."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Cutter:
    """
    Stands before a server and breaks every connection, old and new, once ``limit`` bytes were sent to it.

    With ``tls`` it speaks HTTPS for the server, which does not.
    """

    def __init__(self, limit: int, endpoint: str, tls: ssl.SSLContext | None = None) -> None:
        self.is_cut = False
        self.head = b""
        self._left = limit
        self._target = (str(urlsplit(endpoint).hostname), urlsplit(endpoint).port)
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.endpoint = f"http{'s' if tls else ''}://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Cutter:
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
        with suppress(OSError):
            while piece := start.recv(65_536):
                self._left -= len(piece) if counts else 0
                self.head += piece[: 10_000 - len(self.head)] if counts and len(self.head) < 10_000 else b""
                if self._left < 0:
                    return self._cut()
                end.sendall(piece)
        return None

    def _cut(self) -> None:
        self.is_cut = True
        for each in [self._listening, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
