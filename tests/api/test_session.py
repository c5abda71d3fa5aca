from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
import requests

from airflow_provider_runcomfy.api import session as session_module
from airflow_provider_runcomfy.api.session import ApiSession
from tests.api.raw_server import raw_server, reply


def test_a_watch_that_is_late_ends_nothing_after_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    ending, never, ended = threading.Event(), threading.Event(), threading.Event()

    def slowly(_: Any) -> None:
        ending.set()
        never.wait(0.2)
        ended.set()

    def give_up(session: ApiSession) -> None:
        with session.at_most(0.01):
            assert ending.wait(5)
            raise requests.exceptions.ConnectionError

    monkeypatch.setattr(session_module, "_shut_down", slowly)
    with raw_server() as server, ApiSession() as session:
        server.answer(reply(200))
        assert session.get(server.url).status_code == 200
        with pytest.raises(requests.exceptions.ReadTimeout):
            give_up(session)
        assert ended.is_set()


class OverTLS:
    """Holds the socket that is meant, as an https proxy's does."""

    def __init__(self, held: socket.socket) -> None:
        self.socket = held


@pytest.mark.parametrize("is_held", [False, True], ids=["its own", "of an https proxy"])
def test_who_waits_for_a_connection_that_is_shut_down_goes_on(is_held: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        session_module._shut_down(OverTLS(ours) if is_held else ours)
        assert (ours.recv(1), theirs.recv(1)) == (b"", b"")


def test_what_is_closed_or_was_never_open_needs_no_end() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        session_module._shut_down(ours)
        session_module._shut_down(None)
        assert theirs.recv(1) == b""


class Opening:
    """A connection that has no socket yet."""

    sock = None


def test_connections_that_are_being_opened_are_left_and_the_others_shut_down() -> None:
    ours, theirs = socket.socketpair()
    open_one, opening = OverTLS(ours), Opening()
    open_one.sock = ours  # type: ignore[attr-defined]
    with ours, theirs, ApiSession() as session:
        session._connections.add(opening)  # type: ignore[arg-type]
        session._connections.add(open_one)  # type: ignore[arg-type]
        session.shut_down()
        assert theirs.recv(1) == b""


def test_a_socket_that_comes_after_the_time_is_shut_down_too() -> None:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    late = OverTLS(ours)
    late.sock = ours  # type: ignore[attr-defined]
    received: list[bytes] = []

    def connect_late(session: ApiSession) -> None:
        with session.at_most(0.01) as expired:
            assert expired.wait(5)
            # The watch holds this until it has shut down what was there at the time.
            with session._ending:
                session._connections.add(late)  # type: ignore[arg-type]
            received.append(theirs.recv(1))
            raise requests.exceptions.ConnectionError

    with ours, theirs, ApiSession() as session, pytest.raises(requests.exceptions.ReadTimeout):
        connect_late(session)
    assert received == [b""]
