"""What the sandbox was asked, call by call."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

# A polling Dag that is forgotten over a week-end must not fill the memory.
_KEPT = 100_000


class CallKind(StrEnum):
    """Which call of the API was made; ``OTHER`` is a path that the API does not have."""

    SUBMIT = "submit"
    STATUS = "status"
    RESULT = "result"
    CANCEL = "cancel"
    MODELS = "models"
    BALANCE = "balance"
    FILE = "file"
    OTHER = "other"


@dataclass
class Call:
    """
    One call as it arrived, and what became of it. The token itself is never kept.

    ``status`` is the HTTP status of the answer: None while the call is under way, and for ever if the connection was
    cut before an answer was given. ``faults`` names the injected faults that met it; ``range`` is the Range header.
    """

    time: str
    kind: CallKind
    method: str
    path: str
    has_authorization: bool
    range: str | None = None
    request_id: str | None = None
    model_id: str | None = None
    status: int | None = None
    faults: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the call as plain JSON."""
        return asdict(self)


class CallLog:
    """The last 100 000 calls, in order of arrival."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=_KEPT)
        self._count = 0

    def add(self, call: Call) -> None:
        """Keep one more call."""
        self._calls.append(call)
        self._count += 1

    def all(self) -> list[Call]:
        """Return the calls that are kept, oldest first."""
        return list(self._calls)

    @property
    def dropped(self) -> int:
        """How many old calls are not kept any more."""
        return self._count - len(self._calls)


def bearer_token(authorization: str | None) -> str:
    """Return the token of an Authorization header, or an empty string if it holds none."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def fingerprint(token: str) -> str:
    """Return what the sandbox keeps of a token: enough to tell two of them apart."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
