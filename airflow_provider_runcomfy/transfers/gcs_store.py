"""A Google Cloud Storage bucket as a transfer sees it. Imports Google's client: only when a task runs."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.google.cloud.hooks.gcs import GCSHook
from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError
from google.api_core.exceptions import Forbidden, GoogleAPIError, PreconditionFailed, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY
from requests import RequestException

from airflow_provider_runcomfy.storage_errors import is_permanent, status
from airflow_provider_runcomfy.transfers.store import (
    SHA256,
    StorageFailedError,
    StorageRefusedError,
    StoredObject,
    storage_error,
)

if TYPE_CHECKING:
    from airflow_provider_runcomfy.transfers.source import Source

log = logging.getLogger(__name__)

# The client holds two chunks of each file at once: the one that is sent, and the one before in its last answer.
_CHUNKS = 6 * 1024 * 1024
# Up to this a file is sent in one chunk.
_WHOLE = 8 * 1024 * 1024
# GCS takes chunks in multiples of this.
_UNIT = 256 * 1024
_PIECE = 256 * 1024
# A chunk that fails is sent again from memory, for so long; then the task's own retries go on. One attempt may take
# the client's own 60 seconds.
_RETRY = DEFAULT_RETRY.with_timeout(60.0)
_ERRORS = (GoogleAPIError, GoogleAuthError, RequestException, DataCorruption, ValueError)
_QUERY = re.compile(r"\?[^\s'\")]*")


class GCSStore:
    """
    A bucket, with what Airflow's Google connection says of how to reach it.

    Uploads are resumable ones, in chunks: until its last chunk has come, GCS shows nothing of a file, charges nothing
    for it, and forgets it within a week. So nothing is left behind that could be discarded.

    :param bucket: its name.
    :param gcp_conn_id: the Google connection.
    :param impersonation_chain: the service account to act as, or the list of them that leads there.
    """

    def __init__(self, bucket: str, *, gcp_conn_id: str, impersonation_chain: str | Sequence[str] | None) -> None:
        self._name = bucket
        self._gcp_conn_id = gcp_conn_id
        self._chunk, self._whole = _CHUNKS, _WHOLE
        self._bucket = self._client(impersonation_chain).bucket(bucket)

    def uri(self, key: str) -> str:
        """Return the object's ``gs://`` URI."""
        return f"gs://{self._name}/{key}"

    def find(self, key: str) -> StoredObject | None:
        """Return the object, or None if there is none, or none that may be seen."""
        with self._errors(key, "looking for"):
            try:
                blob = self._bucket.get_blob(key, retry=_RETRY)
            except Forbidden:
                return None
        return _stored(blob) if blob else None

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the object's bytes, in pieces: those of one generation, even where it is replaced meanwhile."""
        with self._errors(key, "reading"):
            blob = self._bucket.blob(key)
            blob.reload(retry=_RETRY)
            with blob.open("rb", chunk_size=_CHUNKS, retry=_RETRY) as body:
                while piece := body.read(_PIECE):
                    yield piece

    @contextmanager
    def writing(self, files_at_once: int) -> Iterator[None]:
        """Let so many files share the memory: the more at once, the smaller each one's chunks."""
        self._chunk = max(_UNIT, _CHUNKS // files_at_once // _UNIT * _UNIT)
        self._whole = _WHOLE // files_at_once
        yield

    def write(
        self, key: str, source: Source, metadata: Mapping[str, str], *, replace: bool, began: Callable[[str], None]
    ) -> StoredObject | None:
        """
        Stream ``source`` into an object that is there either whole or not at all.

        Return None, having stored nothing, if an object is already there and ``replace`` is not set. ``began`` is
        never called: nobody can see or remove what a killed write has sent, and GCS forgets it by itself.
        """
        blob = self._bucket.blob(key, chunk_size=self._chunk)
        blob.metadata = dict(metadata)
        with self._errors(key, "writing"):
            try:
                self._upload(blob, source, if_generation_match=None if replace else 0)
            except PreconditionFailed:
                return None
        return _stored(blob)

    def _upload(self, blob: Any, source: Source, **condition: int | None) -> None:
        options = {
            "content_type": source.content_type,
            # GCS compares it before it shows the object.
            "checksum": "auto",
            "retry": _RETRY,
            **condition,
        }
        first = b""
        if source.size is not None and source.size <= self._whole:
            # What is in memory whole has a hash already, and goes in one chunk: a longer one than it is.
            first = source.read(source.size)
            blob.metadata = {**blob.metadata, SHA256: source.sha256}
            blob.chunk_size = (source.size // _UNIT + 1) * _UNIT
        # Without a size the client sends small files in chunks, too, and ends only where the source does.
        blob.upload_from_file(_Stream(first, source), size=None, **options)
        if not first:
            self._add_hash(blob, source.sha256)

    def discard(self, key: str, unfinished: str) -> None:
        """Do nothing: nothing is left behind."""

    def _add_hash(self, blob: Any, sha256: str) -> None:
        """Add the hash to the object that was just written, and to no other; without it the copy is as good."""
        blob.metadata = {**(blob.metadata or {}), SHA256: sha256}
        try:
            blob.patch(if_generation_match=blob.generation, retry=_RETRY)
        except _ERRORS as error:
            log.info("%s is stored, without its SHA-256 in its metadata: %s", self.uri(blob.name), _said(error))

    def _client(self, impersonation_chain: str | Sequence[str] | None) -> Any:
        try:
            return GCSHook(gcp_conn_id=self._gcp_conn_id, impersonation_chain=impersonation_chain).get_conn()
        except AirflowRuntimeError:
            # Airflow cannot be asked for the connection now.
            raise
        except (AirflowException, GoogleAuthError, OSError, TypeError, ValueError) as error:
            is_final = is_permanent(error)
            advice = "Correct the connection or `impersonation_chain`, and clear this task."
            raise (StorageRefusedError if is_final else StorageFailedError)(
                f"The connection {self._gcp_conn_id!r} gives no credentials for {self.uri('')}: "
                f"{_said(error)} Nothing was copied; what was paid for can be copied as long as RunComfy keeps it. "
                f"{advice if is_final else 'A retry asks again.'}"
            ) from None

    @contextmanager
    def _errors(self, key: str, doing: str) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            # The client's own ValueErrors say that it and GCS do not agree on how much has come.
            has_lost_count = isinstance(error, ValueError) and not isinstance(error, GoogleAuthError)
            advice = self._advice(error) if is_permanent(error) and not has_lost_count else None
            raise storage_error("GCS", doing, self.uri(key), _said(error), advice=advice) from None

    def _advice(self, error: Exception) -> str:
        if status(error) == 404:
            return "Create the bucket or correct `bucket_name`, and clear this task."
        if status(error) == 400:
            return "Correct `bucket_name` or `object_name`, and clear this task."
        return (
            f"Check the connection {self._gcp_conn_id!r} and `impersonation_chain`: the identity needs "
            "storage.objects.create and storage.objects.get in the bucket, storage.objects.delete for `replace`, and "
            "storage.objects.update to add a file's hash. Then clear this task."
        )


def _stored(blob: Any) -> StoredObject:
    return StoredObject(
        size=blob.size,
        content_type=blob.content_type or "",
        metadata={name.lower(): value for name, value in (blob.metadata or {}).items()},
        version=str(blob.generation),
    )


class _Stream:
    """What the client reads from: it asks for the position, too, and never goes back, since it keeps each chunk."""

    def __init__(self, first: bytes, source: Source) -> None:
        self._first, self._source = first, source
        self._position = 0

    def tell(self) -> int:
        return self._position

    def read(self, amount: int) -> bytes:
        chunk, self._first = self._first or self._source.read(amount), b""
        self._position += len(chunk)
        return chunk


def _cause(error: Exception) -> Exception:
    return error.cause if isinstance(error, RetryError) and error.cause else error


def _said(error: Exception) -> str:
    """Return what GCS said; never a URL's query, since whoever has an upload's URL may send to it."""
    cause = _cause(error)
    try:
        said = f"{status(error)} {cause.response.json()['error']['message']}"  # type: ignore[attr-defined]
    except (AttributeError, KeyError, TypeError, ValueError):
        said = _QUERY.sub("", str(cause))
    patiently = f" (again and again for {_RETRY.timeout:.0f} s)" if cause is not error else ""
    return said[:500].rstrip(".") + f"{patiently}."
