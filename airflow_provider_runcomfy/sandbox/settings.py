"""How a sandbox is to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8765
#: More than anybody means, of seconds, of slots and of dollars, and still a number that clocks and sums can take.
LARGEST = 10**9
#: From which number to which one a setting may be.
LIMITS: Mapping[str, tuple[int, int]] = {
    "port": (0, 65535),
    "queue_seconds": (0, LARGEST),
    "run_seconds": (0, LARGEST),
    "concurrency": (1, LARGEST),
    "balance_usd": (0, LARGEST),
}


@dataclass(frozen=True)
class SandboxSettings:
    """
    How a sandbox is to run.

    :param host: the address to listen on (default: loopback only).
    :param port: the port of the API (default 8765); 0 takes a free one. Files always come from a free port.
    :param queue_seconds: how long every request waits at least (default 2 s).
    :param run_seconds: how long a request runs (default 5 s).
    :param concurrency: how many requests run at once (default 2).
    :param balance_usd: what the account holds at the start (default 100 USD); all tokens share it.
    :raises ValueError: if a number is none that ``LIMITS`` allow.
    """

    host: str = LOOPBACK
    port: int = DEFAULT_PORT
    queue_seconds: float = 2.0
    run_seconds: float = 5.0
    concurrency: int = 2
    balance_usd: float = 100.0

    def __post_init__(self) -> None:
        """Refuse what no sandbox can have."""
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            # Not a number is within no limits.
            if not low <= value <= high:
                raise ValueError(f"{name} must be a number from {low} to {high}, not {value}")


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message says what is missing or wrong."""
