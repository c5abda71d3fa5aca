"""A requests session for calls and downloads: what it must not do, and when it must be done."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from typing import IO, Any
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from airflow_provider_runcomfy.api.environment import ca_bundle, proxies_for


class ApiSession(requests.Session):
    """A session that follows no redirect, keeps no cookie, and reads no .netrc, whose token would replace ours."""

    def __init__(self) -> None:
        super().__init__()
        # Proxies and certificate authorities of the environment are read by `open`.
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._connections = _Connections()
        self._ending = threading.Lock()
        for prefix in ("http://", "https://"):
            self.mount(prefix, _WatchedAdapter(self._connections))

    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout: tuple[float, float],
        body: IO[bytes] | None = None,
    ) -> requests.Response:
        """
        Make a call, by the environment's proxies and certificate authorities; the answer's body is still to come.

        :param timeout: seconds to connect, and seconds without a single byte.
        :raises InvalidSettingsError: if the environment's proxy cannot be used.
        """
        return self.request(
            method,
            url,
            data=body,
            headers=headers,
            proxies=proxies_for(url),
            verify=ca_bundle(),
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        )

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return none: of a redirect, even of one that it does not follow, requests would read the whole body."""
        return None

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[threading.Event]:
        """
        End what the block does after ``seconds``, by shutting its connections down.

        The time-outs of requests are for each single read: a server that sends a byte now and then, say
        of an endless header, would hold a worker for ever.

        :returns: whether the time is over: headers that were cut off by this look as if they were whole.
        :raises requests.exceptions.ReadTimeout: where that is what ended it.
        """
        done, expired = threading.Event(), threading.Event()
        threading.Thread(target=self._watch, args=(seconds, done, expired), daemon=True).start()
        try:
            yield expired
        except (requests.RequestException, OSError):
            if expired.is_set():
                raise requests.exceptions.ReadTimeout(f"no whole answer within {seconds:g} s") from None
            raise
        finally:
            # A watch that is late must not end what comes after the block.
            with self._ending:
                done.set()

    def shut_down(self) -> None:
        """End what other threads do here, now: their reads and writes fail."""
        for connection in self._connections.all():
            _shut_down(connection.sock)
            _shut_down(getattr(connection, "connected", None))

    def _watch(self, seconds: float, done: threading.Event, expired: threading.Event) -> None:
        wait = seconds
        while not done.wait(wait):
            with self._ending:
                if done.is_set():
                    return
                expired.set()
                self.shut_down()
            # There may have been no socket yet.
            wait = 0.1


def _shut_down(sock: Any) -> None:
    # Not by SSLSocket's own method: that drops the encryption first, under the thread that uses it.
    # An https proxy's socket holds the one that is meant.
    with suppress(OSError, TypeError):
        socket.socket.shutdown(getattr(sock, "socket", sock), socket.SHUT_RDWR)


class _Connections:
    """The connections of a session, of which other threads may ask at any time."""

    def __init__(self) -> None:
        self._found: WeakSet[HTTPConnection] = WeakSet()
        self._lock = threading.Lock()

    def add(self, connection: HTTPConnection) -> None:
        with self._lock:
            self._found.add(connection)

    def all(self) -> list[HTTPConnection]:
        with self._lock:
            return list(self._found)


class _WatchedAdapter(HTTPAdapter):
    """Adds each connection that it makes, direct or over a proxy, to ``connections``."""

    def __init__(self, connections: _Connections) -> None:
        self._pools = _watched_pools(connections)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _watched_pools(connections: _Connections) -> dict[str, Any]:
    class Watched(HTTPConnection):
        def connect(self) -> None:
            connections.add(self)
            super().connect()
            # ``sock`` is dropped as soon as an answer without a length begins.
            self.connected = self.sock

    class WatchedPool(HTTPConnectionPool):
        ConnectionCls = Watched

    class WatchedTLS(Watched, HTTPSConnection):
        pass

    class WatchedTLSPool(HTTPSConnectionPool):
        ConnectionCls = WatchedTLS

    return {"http": WatchedPool, "https": WatchedTLSPool}
