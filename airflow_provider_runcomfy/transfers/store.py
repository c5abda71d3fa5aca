"""What differs between stores: the few things that a copy needs of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from airflow_provider_runcomfy.exceptions import RunComfyFailError, RunComfyRetryableError

if TYPE_CHECKING:
    from airflow_provider_runcomfy.transfers.source import Source

#: The metadata of an object that says what its bytes are: known, and added by the store, once all have come.
SHA256 = "runcomfy-sha256"


class StorageRefusedError(RunComfyFailError):
    """The store will not take the file, now or later: no permission, no such bucket, another object is there."""


class StorageFailedError(RunComfyRetryableError):
    """The store could not take the file now; a retry goes on with what is missing."""


def storage_error(
    who: str, doing: str, uri: str, said: str, *, advice: str | None
) -> StorageRefusedError | StorageFailedError:
    """
    Return the error for what a store has not done.

    :param who: who failed: the store, or the worker.
    :param doing: at what, say ``writing``.
    :param said: why, as a sentence.
    :param advice: what a person has to do; None where a retry may do without.
    """
    kind: type[StorageRefusedError | StorageFailedError] = StorageFailedError if advice is None else StorageRefusedError
    return kind(
        f"{who} failed while {doing} {uri}: {said} No part of a file is left behind under that name; what was paid for "
        f"can be copied as long as RunComfy keeps it. {advice or 'A retry goes on from here.'}"
    )


@dataclass(frozen=True)
class StoredObject:
    """
    An object that is there.

    ``metadata`` is what was stored with it, its names in lower case; None where the store keeps none.
    ``version`` changes whenever its bytes do (an ETag, a generation); None where the store has no such thing.
    """

    size: int
    content_type: str
    metadata: Mapping[str, str] | None = None
    version: str | None = None


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

    def writing(self, files_at_once: int) -> AbstractContextManager[None]:
        """Make ready for so many `write` at the same time, each in a thread, within one bound of memory."""

    def write(
        self, key: str, source: Source, metadata: Mapping[str, str], *, replace: bool, began: Callable[[str], None]
    ) -> StoredObject | None:
        """
        Stream ``source`` into an object that is there either whole or not at all; return it as the store has it now.

        Return None, having stored nothing, if an object is already there and ``replace`` is not set. Whatever ends it
        by an exception, nothing is left behind; for a process that is killed, ``began`` is first told by what `discard`
        finds the rest.
        """

    def discard(self, key: str, unfinished: str) -> None:
        """Remove what a `write` that was killed left behind; nothing, where there is nothing any more."""


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """
    Import a store's provider in the block.

    :raises StorageRefusedError: if it is not installed: says which extra of this package brings it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise StorageRefusedError(
            f"{error}: install 'airflow-provider-runcomfy[{extra}]' on the workers, and clear this task. Nothing was "
            "copied; what was paid for can be copied as long as RunComfy keeps it."
        ) from None
