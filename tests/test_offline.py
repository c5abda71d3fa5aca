"""No test leaves the machine, whichever library it would leave by."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
import requests

from tests import offline
from tests.offline import LeavesTheMachineError, is_here

# Addresses that are for documentation only: nobody has them.
ELSEWHERE, ELSEWHERE_6 = "192.0.2.1", "2001:db8::1"


@pytest.mark.parametrize("how", ["connect", "connect_ex"])
@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, ELSEWHERE), (socket.AF_INET6, ELSEWHERE_6)], ids=["IPv4", "IPv6"]
)
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["TCP", "UDP"])
def test_a_socket_to_another_machine_is_refused(
    how: str, family: socket.AddressFamily, host: str, kind: socket.SocketKind
) -> None:
    with (
        socket.socket(family, kind) as one,
        pytest.raises(LeavesTheMachineError, match=f"must not leave the machine: it connects to {host}"),
    ):
        getattr(one, how)((host, 9))
    assert offline.attempts == [host]
    offline.attempts.clear()


def test_requests_cannot_leave() -> None:
    with pytest.raises(LeavesTheMachineError):
        requests.get(f"http://{ELSEWHERE}/", timeout=5, proxies={"http": ""})
    offline.attempts.clear()


async def test_aiohttp_cannot_leave() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(LeavesTheMachineError):
            await session.get(f"http://{ELSEWHERE}/")
    offline.attempts.clear()


async def test_asyncio_cannot_leave() -> None:
    with pytest.raises(LeavesTheMachineError):
        await asyncio.open_connection(ELSEWHERE, 9)
    offline.attempts.clear()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "localhost", "0.0.0.0", "::"])
def test_what_is_here(host: str) -> None:
    assert is_here(host)


@pytest.mark.parametrize("host", [ELSEWHERE, ELSEWHERE_6, "10.0.0.1", "169.254.169.254", "fe80::1%eth0", "example.org"])
def test_what_is_elsewhere(host: str) -> None:
    assert not is_here(host)


def test_a_server_on_the_loopback_address_can_be_called() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as one:
        one.connect(server.getsockname())


def test_a_socket_of_the_file_system_can_be_called(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as one:
        server.bind(str(tmp_path / "s"))
        server.listen()
        one.connect(str(tmp_path / "s"))


SWALLOWS = """
import socket
def test_swallows():
    try:
        socket.create_connection(("192.0.2.1", 9), 1)
    except Exception:
        pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["alone", "under xdist"])
def test_who_swallows_the_error_fails_all_the_same(tmp_path: Path, workers: list[str]) -> None:
    root = Path(__file__).parent.parent
    (tmp_path / "test_it.py").write_text(SWALLOWS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", *workers, "test_it.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "it tried to connect to 192.0.2.1" in done.stdout
    assert done.returncode == 1
