"""The values that RunComfy's Model API deals in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class RequestState(StrEnum):
    """
    What is known of a request.

    ``COMPLETED`` is `/status` saying that a request has ended, not how: only `/result` tells
    ``SUCCEEDED`` from ``FAILED`` (documentation). ``UNKNOWN`` is a state that this package has not
    heard of: neither success nor failure, so one keeps polling.
    """

    IN_QUEUE = "in_queue"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class MediaKind(StrEnum):
    """What a result's file is."""

    VIDEO = "video"
    IMAGE = "image"
    AUDIO = "audio"


class CancelOutcome(StrEnum):
    """
    What RunComfy made of a cancel.

    Only a queued request can be cancelled; a running one goes on and is charged (documentation).
    ``CANCELLATION_REQUESTED`` was taken but not confirmed; ``UNKNOWN`` says that the answer named
    no outcome.
    """

    CANCELLED = "cancelled"
    NOT_CANCELLABLE = "not_cancellable"
    CANCELLATION_REQUESTED = "cancellation_requested"
    UNKNOWN = "unknown"

    @property
    def meaning(self) -> str:
        """What has become of the request, and of the money."""
        return _MEANINGS[self]


_MEANINGS = {
    CancelOutcome.CANCELLED: "was cancelled while it was queued; nothing is charged for it",
    CancelOutcome.NOT_CANCELLABLE: "could not be cancelled: it runs or has ended, and is charged",
    CancelOutcome.CANCELLATION_REQUESTED: "was asked to be cancelled; whether it is charged is not known",
    CancelOutcome.UNKNOWN: "may or may not have been cancelled; whether it is charged is not known",
}


@dataclass(frozen=True)
class RequestStatus:
    """What `/status` says; ``queue_position`` only while the request is queued."""

    request_id: str
    state: RequestState
    queue_position: int | None = None


@dataclass(frozen=True)
class MediaFile:
    """One file of a result."""

    url: str
    kind: MediaKind

    def as_dict(self) -> dict[str, str]:
        """Return the file as plain JSON."""
        return {"url": self.url, "kind": self.kind.value}


@dataclass(frozen=True)
class GenerationResult:
    """
    What `/result` says; it may be asked at any time, so the state may also be a waiting one.

    ``media`` and ``output`` are empty unless it succeeded. ``error`` is why it failed; a success has one only
    where RunComfy named an error beside its files. ``cost_usd`` may be missing at first.
    """

    request_id: str
    state: RequestState
    media: tuple[MediaFile, ...] = ()
    output: Any = None
    error: str | None = None
    cost_usd: float | None = None
    created_at: str | None = None
    finished_at: str | None = None

    def as_dict(self, model_id: str | None) -> dict[str, Any]:
        """Return the result as the plain JSON that goes to XCom."""
        return {
            "request_id": self.request_id,
            "model_id": model_id,
            "state": self.state.value,
            "media": [medium.as_dict() for medium in self.media],
            "output": self.output,
            "cost_usd": self.cost_usd,
            "created_at": self.created_at,
            "finished_at": self.finished_at,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GenerationResult:
        """Return the result of which :meth:`as_dict` made ``data``."""
        return cls(
            request_id=data["request_id"],
            state=RequestState(data["state"]),
            media=tuple(MediaFile(medium["url"], MediaKind(medium["kind"])) for medium in data["media"]),
            output=data["output"],
            cost_usd=data["cost_usd"],
            created_at=data["created_at"],
            finished_at=data["finished_at"],
        )


@dataclass(frozen=True)
class Balance:
    """What is left on the account; it may be 0 or negative (official clients)."""

    usd: float
    currency: str = "USD"
