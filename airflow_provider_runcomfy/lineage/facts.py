"""What a task knows of its requests and objects at its end: plain values that lineage and asset events are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_OF_THE_LINE = ("uri", "size", "content_type", "sha256", "kind", "request_id")


@dataclass(frozen=True)
class Request:
    """
    A request; what is None is not known.

    :param state: its state, or how the wait for it ended.
    :param cost_usd: what the whole request cost, however many files it has.
    :param files: how many files it has.
    """

    request_id: str
    model_id: str | None = None
    state: str | None = None
    cost_usd: float | None = None
    files: int | None = None

    @property
    def event(self) -> tuple[str, dict[str, Any]]:
        """The URI of the asset that a request is, and what its event tells."""
        told = {
            "request_id": self.request_id,
            "files": self.files,
            "model_id": self.model_id,
            "cost_usd": self.cost_usd,
        }
        return f"runcomfy://requests/{self.request_id}", told


@dataclass(frozen=True)
class Copy:
    """
    An object that one file of a request was copied to.

    :param line: its line of the manifest.
    :param index: the file's place among those of its request.
    """

    line: Mapping[str, Any]
    request: Request
    index: int

    @property
    def event(self) -> tuple[str, dict[str, Any]]:
        """The URI of the asset that the object is, and what its event tells."""
        told = {name: self.line[name] for name in _OF_THE_LINE}
        return str(self.line["uri"]), {**self.request.event[1], **told, "index": self.index}


@dataclass(frozen=True)
class Facts:
    """
    What a task tells.

    :param namespace: how OpenLineage names the RunComfy that the requests are at; None where that was not looked up.
    """

    requests: tuple[Request, ...]
    copies: tuple[Copy, ...] = ()
    namespace: str | None = None
