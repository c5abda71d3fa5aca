"""Any store that ObjectStoragePath knows, as a transfer sees it. Imports fsspec: only when a task runs."""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import ObjectStoragePath

from airflow_provider_runcomfy.api.errors import RunComfyError
from airflow_provider_runcomfy.exceptions import RunComfyFailError, RunComfyRetryableError
from airflow_provider_runcomfy.storage_errors import is_permanent, said, status
from airflow_provider_runcomfy.transfers.store import (
    StorageFailedError,
    StorageRefusedError,
    StoredObject,
    storage_error,
)
from airflow_provider_runcomfy.transfers.unfinished import is_unfinished_name, unfinished_name

if TYPE_CHECKING:
    from airflow_provider_runcomfy.transfers.source import Source

_PIECE = 1024 * 1024
# What all files that are copied at once gather before they send it, together; a block is held up to three times.
_BLOCKS = 8 * 1024 * 1024
_READ_AHEAD = 3 * 1024 * 1024
# Where nothing is visible before the file is closed, and mode "xb" then fails if another object has come in between.
# Not gcsfs: what it writes to a zonal bucket can be seen while it grows.
_COMMITTING = ("adlfs",)
# Where a folder is but a part of a name; asked to make one, these would make a missing bucket.
_WITHOUT_FOLDERS = ("gcsfs", "s3fs")
# How a file is told its content type.
_OPTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "adlfs": lambda content_type: {"content_settings": {"content_type": content_type}},
    "gcsfs": lambda content_type: {"content_type": content_type},
}
_AZURE, _GOOGLE = "airflow-provider-runcomfy[azure]", "airflow-provider-runcomfy[google]"
_PACKAGES = {
    "abfs": _AZURE,
    "abfss": _AZURE,
    "adl": _AZURE,
    "gs": _GOOGLE,
    "gcs": _GOOGLE,
    # The extra amazon has no s3fs: RunComfyToS3Operator does without.
    "s3": "apache-airflow-providers-amazon[s3fs]",
    "s3a": "apache-airflow-providers-amazon[s3fs]",
}
_NOT_OURS = (RunComfyError, RunComfyFailError, RunComfyRetryableError)


class ObjectStorageStore:
    """
    A place in a store that Airflow's ObjectStoragePath knows.

    On Azure an object appears when it is whole, and Azure itself refuses it if another one has come in between. The
    blocks that a killed or failed write has sent there cannot be seen, nor removed without showing an empty object for
    a moment; the next copy under that name removes them, or else Azure within a week, and charges for them until then.
    Everywhere else a file is written under a name of its own beside its final one, it is looked once more whether that
    is free, and the file is moved: another writer can come between the two.

    :param root: the place, ``scheme://container/`` or more, with a slash at its end.
    :param conn_id: the connection; None for what the store's library finds by itself.
    """

    def __init__(self, root: str, *, conn_id: str | None) -> None:
        self._root, self._conn_id = root, conn_id
        self._block_size = _BLOCKS
        with self._errors("", "opening"):
            path = ObjectStoragePath(root, conn_id=conn_id)
            self._base, self._fs = path.path.rstrip("/") + "/", path.fs
        self._library = type(self._fs).__module__.partition(".")[0]
        if self._library == "adlfs":
            # It would log ten lines and more for each call; Airflow's own Azure hooks silence it, too.
            logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)

    def uri(self, key: str) -> str:
        """Return the object's URI, as ObjectStoragePath opens it with the same connection."""
        return self._root + key

    def find(self, key: str) -> StoredObject | None:
        """Return the object, or None if there is none, or none that may be seen."""
        with self._errors(key, "looking for"):
            try:
                # Others write here, too: what was seen before says nothing.
                self._fs.invalidate_cache()
                found = self._fs.info(self._base + key)
            except Exception as error:
                # Who may not list a container is told 403 of an object that is not there.
                if status(error) in (403, 404):
                    return None
                raise
        if found["type"] != "file":
            return None
        return StoredObject(size=int(found["size"]), content_type=_content_type(key, found), version=_version(found))

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the object's bytes, in pieces of 1 MiB."""
        options = {"cache_type": "readahead", "block_size": _READ_AHEAD} if self._library in _OPTIONS else {}
        with self._errors(key, "reading"), self._fs.open(self._base + key, "rb", **options) as file:
            while piece := file.read(_PIECE):
                yield piece

    @contextmanager
    def writing(self, files_at_once: int) -> Iterator[None]:
        """Let so many files share the memory: the more at once, the smaller each one's blocks."""
        self._block_size = max(_PIECE, _BLOCKS // files_at_once // _PIECE * _PIECE)
        yield

    def write(
        self, key: str, source: Source, metadata: Mapping[str, str], *, replace: bool, began: Callable[[str], None]
    ) -> StoredObject | None:
        """
        Stream ``source`` into an object that is there either whole or not at all; ``metadata`` are not kept.

        Return None, having stored nothing, if an object is already there and ``replace`` is not set. ``began`` is
        called only where the file is written under a name of its own first; folders that are made for it stay.
        """
        with self._errors(key, "writing"):
            if not self._write(self._base + key, source, replace, began):
                return None
        with suppress(StorageRefusedError, StorageFailedError):
            if found := self.find(key):
                return found
        # It is there, and cannot be seen now.
        return StoredObject(source.bytes_read, source.content_type)

    def discard(self, key: str, unfinished: str) -> None:
        """Remove the file that a `write` that was killed left beside the object."""
        if not is_unfinished_name(unfinished):
            return
        with self._errors(key, "removing what an earlier try left behind of"), suppress(FileNotFoundError):
            self._fs.rm_file(_beside(self._base + key, unfinished))

    def _write(self, path: str, source: Source, replace: bool, began: Callable[[str], None]) -> bool:
        if self._library not in _COMMITTING:
            return self._write_beside(path, source, replace, began)
        try:
            self._fill(path, "wb" if replace else "xb", source)
        except FileExistsError:
            return False
        return True

    def _write_beside(self, path: str, source: Source, replace: bool, began: Callable[[str], None]) -> bool:
        unfinished = _beside(path, unfinished_name())
        has_folders = self._library not in _WITHOUT_FOLDERS
        if has_folders and not self._fs.exists(self._base):
            raise FileNotFoundError(f"no such folder: {self._base}")
        began(unfinished.rpartition("/")[2])
        if has_folders:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            self._fill(unfinished, "wb", source)
            self._fs.invalidate_cache()
            if not replace and self._fs.exists(path):
                return False
            self._fs.mv(unfinished, path)
        finally:
            with suppress(Exception):
                self._fs.rm_file(unfinished)
        return True

    def _fill(self, path: str, mode: str, source: Source) -> None:
        options = _OPTIONS[self._library](source.content_type) if self._library in _OPTIONS else {}
        file = self._fs.open(path, mode, block_size=self._block_size, **options)
        try:
            for piece in iter(partial(source.read, _PIECE), b""):
                file.write(piece)
            file.close()
        except BaseException:
            _abandon(file)
            raise

    @contextmanager
    def _errors(self, key: str, doing: str) -> Iterator[None]:
        try:
            yield
        except _NOT_OURS:
            raise
        except Exception as error:
            advice = self._advice(error) if is_permanent(error) else None
            raise storage_error("The store", doing, self.uri(key), said(error), advice=advice) from None

    def _advice(self, error: Exception) -> str:
        package = _PACKAGES.get(self._root.partition(":")[0])
        if package and ("No filesystem registered" in str(error) or isinstance(error, ImportError)):
            return f"Install '{package}' on the workers, and clear this task."
        if status(error) == 404:
            return "Create the container or correct `destination`, and clear this task."
        return (
            f"Check `destination`, and the connection {self._conn_id!r}: its identity has to read and write there. "
            "Then clear this task."
        )


def _abandon(file: Any) -> None:
    """Give a file up so that it never appears: closing it, which its `__del__` does too, would complete it."""
    with suppress(Exception):
        file.discard()
    with suppress(Exception):
        file.closed = True
    # Where that could be set nothing happens now; the other files have names of their own, and are removed.
    with suppress(Exception):
        file.close()


def _beside(path: str, name: str) -> str:
    return f"{path.rpartition('/')[0]}/{name}"


def _content_type(key: str, found: Mapping[str, Any]) -> str:
    settings = found.get("content_settings") or {}
    told = settings.get("content_type") or found.get("contentType")
    return str(told or mimetypes.guess_type(key)[0] or "application/octet-stream")


def _version(found: Mapping[str, Any]) -> str | None:
    return next((str(found[name]) for name in ("etag", "ETag", "generation") if found.get(name)), None)
