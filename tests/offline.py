"""No test leaves the machine: a connection to anything but the loopback address fails, and fails its test."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_NETWORK = (socket.AF_INET, socket.AF_INET6)
#: What was tried in this process, and not yet told of: the code under test may have swallowed the error.
attempts: list[str] = []


class LeavesTheMachineError(AssertionError):
    """A test tried to connect to another machine."""


@contextmanager
def guarded() -> Iterator[None]:
    """Refuse connections to other machines in this process while the block runs, whichever library makes them."""
    with pytest.MonkeyPatch.context() as patch:
        # asyncio's loops end here as well; servers in processes of their own are not touched.
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _refusing(getattr(socket.socket, name)))
        yield


def _refusing(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    def refuse_or_connect(self: socket.socket, address: Any) -> Any:
        if self.family in _NETWORK and not is_here(address[0]):
            attempts.append(str(address[0]))
            raise LeavesTheMachineError(f"a test must not leave the machine: it connects to {address[0]}")
        return connect(self, address)

    return refuse_or_connect


def is_here(host: str) -> bool:
    """Return whether a host that is connected to is this machine's loopback."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower() == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    # Who connects to no address in particular gets the loopback one.
    return address.is_loopback or address.is_unspecified or (mapped is not None and mapped.is_loopback)
