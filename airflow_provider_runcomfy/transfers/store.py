"""What differs between stores: the few things that a copy needs of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from airflow_provider_runcomfy.exceptions import RunComfyFailError, RunComfyRetryableError

if TYPE_CHECKING:
    from airflow_provider_runcomfy.api.download import Download


class StorageRefusedError(RunComfyFailError):
    """The store will not take the file, now or later: no permission, no such bucket, another object is there."""


class StorageFailedError(RunComfyRetryableError):
    """The store could not take the file now; a retry goes on with what is missing."""


@dataclass(frozen=True)
class StoredObject:
    """An object that is there; ``metadata`` is what was stored with it, its names in lower case."""

    size: int
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """
    A bucket, or whatever holds objects by key.

    Each method raises `StorageRefusedError` or `StorageFailedError`, and lets a source's errors through.
    """

    def uri(self, key: str) -> str:
        """Return how others name the object."""

    def find(self, key: str) -> StoredObject | None:
        """Return the object, or None if there is none, or none that may be seen."""

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the object's bytes, in pieces."""

    def write(self, key: str, source: Download, metadata: Mapping[str, str], *, replace: bool) -> bool:
        """
        Stream ``source`` into an object that is there either whole or not at all.

        Return False, having stored nothing, if an object is already there and ``replace`` is not set.
        """
