"""A real store as the tests of the copies see it: what all of them have to be able to do."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from airflow_provider_runcomfy.transfers.base import RunComfyTransferOperator


class Target(Protocol):
    """
    A place of its own, for one test, in a store that runs; seen by somebody who may see everything.

    Keys are relative to that place.
    """

    #: Whether the store keeps metadata with its objects.
    keeps_metadata: bool
    #: Whether a copy notes what a kill would leave behind of it.
    notes_what_it_begins: bool
    #: Whether what is left of a copy that failed cannot be seen by anybody, and only the store itself drops it.
    drops_what_is_left: bool
    #: What the error says where the identity may not write, or where the bucket is missing (regular expressions).
    refusal: str
    absence: str

    def operator(self, key: str = "{request_id}/{index}.{ext}", **given: Any) -> RunComfyTransferOperator:
        """Return the operator that copies to here as somebody who may; ``given`` are more of its parameters."""

    def uri(self, key: str) -> str:
        """Return the URI that the manifest names an object by."""

    def keys(self) -> list[str]:
        """Return the keys of all objects here, sorted: what others can see."""

    def leftovers(self) -> list[str]:
        """Return what is here and is no object: unfinished uploads, uncommitted blocks, temporary files, folders."""

    def places(self) -> list[str]:
        """Return the names of all buckets, or whatever else a copy goes into."""

    def body(self, key: str) -> bytes:
        """Return an object's bytes."""

    def metadata(self, key: str) -> dict[str, str]:
        """Return what the package stored with an object; tags count, too."""

    def put(self, key: str, body: bytes) -> None:
        """Let somebody else store an object here."""

    def remove(self, key: str) -> None:
        """Let somebody else delete an object."""

    def refusing(self) -> AbstractContextManager[dict[str, Any]]:
        """Give the parameters of an operator that may not write, while the block runs."""

    def missing(self) -> AbstractContextManager[dict[str, Any]]:
        """Give the parameters of an operator whose bucket does not exist, while the block runs."""

    def breaking(self, after: int) -> AbstractContextManager[dict[str, Any]]:
        """Give the parameters of an operator to whom the store breaks for good once ``after`` bytes were sent to it."""

    def failing_parts(self, after: int) -> AbstractContextManager[dict[str, Any]]:
        """Give the parameters of an operator whose parts fail after ``after`` bytes, while the store is still there."""
