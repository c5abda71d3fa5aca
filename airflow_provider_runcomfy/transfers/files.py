"""One file of a request's result: its key, and what is said of it in the store and in the manifest."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airflow_provider_runcomfy.api.download_policy import without_query
from airflow_provider_runcomfy.api.types import MediaFile
from airflow_provider_runcomfy.exceptions import InvalidInputsError
from airflow_provider_runcomfy.transfers.keys import extension, object_key
from airflow_provider_runcomfy.transfers.store import StoredObject

#: The names under which an object's metadata say where it comes from.
REQUEST_ID, INDEX, FILES, KIND, SIZE, SOURCE, MODEL_ID = (
    "runcomfy-request-id",
    "runcomfy-index",
    "runcomfy-files",
    "runcomfy-kind",
    "runcomfy-size",
    "runcomfy-source",
    "runcomfy-model-id",
)

_LONGEST_SOURCE = 1000


@dataclass(frozen=True)
class SourceFile:
    """
    One file of a request's result, and the key under which it is stored.

    ``index`` is its place among the ``files`` that the request has; ``cost_usd`` is what the whole request cost, where
    that is known.
    """

    request_id: str
    index: int
    files: int
    medium: MediaFile
    key: str
    model_id: str | None = None
    cost_usd: float | None = None

    @property
    def source_url(self) -> str:
        """Where the file is at RunComfy, as :func:`source_url_of` has it."""
        return source_url_of(self.medium.url)

    def metadata(self, size: int | None) -> dict[str, str]:
        """Return what is stored with the object, so that a later run knows it again."""
        known = {
            REQUEST_ID: self.request_id,
            INDEX: str(self.index),
            FILES: str(self.files),
            KIND: self.medium.kind.value,
            SIZE: None if size is None else str(size),
            # S3 takes 2 KB of metadata in all, and the user's own are among them.
            SOURCE: self.source_url[:_LONGEST_SOURCE],
            MODEL_ID: self.model_id,
        }
        return {name: value for name, value in known.items() if value}

    def is_stored_as(self, stored: StoredObject) -> bool:
        """Whether an object is a whole copy of this file, by the metadata that it was stored with."""
        metadata = stored.metadata or {}
        return (
            metadata.get(REQUEST_ID) == self.request_id
            and metadata.get(INDEX) == str(self.index)
            and metadata.get(SIZE, str(stored.size)) == str(stored.size)
        )

    def manifest_line(self, uri: str, size: int, content_type: str, sha256: str) -> dict[str, Any]:
        """Return what the manifest says of this file."""
        return {
            "uri": uri,
            "size": size,
            "content_type": content_type,
            "sha256": sha256,
            "kind": self.medium.kind.value,
            "request_id": self.request_id,
            "source_url": self.source_url,
        }

    def __str__(self) -> str:
        return f"Request {self.request_id}, file {self.index}"


def source_url_of(url: str) -> str:
    """Return a file's URL as manifests and objects have it: in ASCII, without what may be a signature."""
    return quote(without_query(url), safe=string.punctuation)


def files_of(
    request_id: str,
    media: Iterable[MediaFile],
    template: str,
    model_id: str | None,
    cost_usd: float | None = None,
) -> list[SourceFile]:
    """Return a request's files, each with its key."""
    media = list(media)
    return [
        SourceFile(
            request_id=request_id,
            index=index,
            files=len(media),
            medium=medium,
            key=object_key(
                template,
                request_id=request_id,
                index=index,
                kind=medium.kind,
                ext=extension(medium.url, medium.kind),
            ),
            model_id=model_id,
            cost_usd=cost_usd,
        )
        for index, medium in enumerate(media)
    ]


def refuse_shared_keys(files: Iterable[SourceFile]) -> None:
    """
    Do nothing if each file has a key of its own.

    :raises InvalidInputsError: if two have the same one.
    """
    by_key: dict[str, SourceFile] = {}
    for file in files:
        other = by_key.setdefault(file.key, file)
        if other is not file:
            raise InvalidInputsError(
                f"File {other.index} of request {other.request_id} and file {file.index} of request {file.request_id} "
                f"would both be stored as {file.key!r}. Nothing was copied. Put {{request_id}} and {{index}} into it."
            )
