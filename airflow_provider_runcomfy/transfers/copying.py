"""One file into a store: found there, or copied, checked, and noted."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from airflow_provider_runcomfy.api.download import Download, open_download
from airflow_provider_runcomfy.api.download_policy import DownloadPolicy
from airflow_provider_runcomfy.exceptions import DownloadRefusedError, RunComfyDownloadError, airflow_errors
from airflow_provider_runcomfy.transfers.copied import CopyRecord
from airflow_provider_runcomfy.transfers.files import SourceFile
from airflow_provider_runcomfy.transfers.progress import MIB, Progress
from airflow_provider_runcomfy.transfers.source import Source, refuse_if_stopped
from airflow_provider_runcomfy.transfers.store import (
    SHA256,
    ObjectStore,
    StorageFailedError,
    StorageRefusedError,
    StoredObject,
)

log = logging.getLogger(__name__)


class OtherObjectError(StorageRefusedError):
    """Another object has the name that a file would get. It was left as it is."""


#: What is wrong with one file, and says nothing of the others.
OF_ONE_FILE = (DownloadRefusedError, RunComfyDownloadError, OtherObjectError)


@dataclass(frozen=True)
class Copier:
    """
    Brings files into a store, several at a time, each by a thread.

    :param store: where to.
    :param record: what this task instance has copied.
    :param policy: what may be downloaded.
    :param replace: whether another object under a file's key is replaced.
    """

    store: ObjectStore
    record: CopyRecord
    policy: DownloadPolicy
    replace: bool
    _stopped: threading.Event = field(default_factory=threading.Event)
    _downloads: set[Download] = field(default_factory=set)

    def stop(self) -> None:
        """Let every `land`, those under way and those to come, end with `CopyStoppedError`."""
        self._stopped.set()
        for download in list(self._downloads):
            download.interrupt()

    def land(self, file: SourceFile) -> dict[str, Any]:
        """
        Return a file's line of the manifest, having copied it if it is not there yet.

        :raises OtherObjectError: if another object is there.
        :raises StorageRefusedError: if the store will not take it.
        :raises StorageFailedError: if the store could not take it now.
        :raises DownloadRefusedError: if it must not be downloaded, or is gone.
        :raises RunComfyDownloadError: if it could not be downloaded whole.
        """
        refuse_if_stopped(self._stopped)
        try:
            self._discard_rest(file)
            stored = self.store.find(file.key)
            line = stored and self._line_of(file, stored)
            if stored and not line:
                if not self.replace:
                    raise self._other_object(file, stored)
                log.warning("%s is another object (%d bytes): replacing it.", self._uri(file), stored.size)
            return line or self._copy(file)
        except (StorageRefusedError, StorageFailedError) as error:
            raise type(error)(f"{file}: {error}") from None

    def _uri(self, file: SourceFile) -> str:
        return self.store.uri(file.key)

    def _discard_rest(self, file: SourceFile) -> None:
        uri = self._uri(file)
        rest = self.record.of(file.request_id).unfinished.get(uri)
        if rest is None:
            return
        try:
            self.store.discard(file.key, rest)
        except (StorageRefusedError, StorageFailedError) as error:
            log.warning("What an earlier try left behind of %s stays there: %s", uri, error)
            return
        self.record.forget(file, uri)
        log.info("Removed what an earlier try, which was killed, had left behind of %s.", uri)

    def _line_of(self, file: SourceFile, stored: StoredObject) -> dict[str, Any] | None:
        """Return the file's line if the object is a whole copy of it."""
        line = self._noted_line(file, stored) or self._told_line(file, stored)
        if line:
            self.record.finish(file, line, stored.version)
            log.info("%s is already there: not copied again.", line["uri"])
        return line

    def _noted_line(self, file: SourceFile, stored: StoredObject) -> dict[str, Any] | None:
        """Return the line that this task instance has noted, if the object is still the one that it left."""
        copied = self.record.of(file.request_id).copied.get(file.index)
        if copied is None or (copied.line["uri"], copied.line["size"]) != (self._uri(file), stored.size):
            return None
        is_as_left = stored.version is not None and stored.version == copied.version
        return copied.line if is_as_left or self._hash(file) == copied.line["sha256"] else None

    def _told_line(self, file: SourceFile, stored: StoredObject) -> dict[str, Any] | None:
        """Return the line by what the object tells of itself; by its bytes, where it cannot."""
        if stored.metadata is None:
            return self._compared_line(file, stored)
        if not file.is_stored_as(stored):
            return None
        return self._line(file, stored, stored.metadata.get(SHA256) or self._hash(file))

    def _compared_line(self, file: SourceFile, stored: StoredObject) -> dict[str, Any] | None:
        try:
            with self._opened(file) as source:
                if source.size not in (None, stored.size):
                    return None
                while source.read(MIB):
                    pass
        except DownloadRefusedError as error:
            if file.request_id not in file.key:
                raise
            log.warning("%s %s, which bears its name, is taken for it unseen.", error, self._uri(file))
            return self._line(file, stored, self._hash(file))
        sha256 = self._hash(file)
        return self._line(file, stored, sha256) if sha256 == source.sha256 else None

    def _line(self, file: SourceFile, stored: StoredObject, sha256: str) -> dict[str, Any]:
        return file.manifest_line(self._uri(file), stored.size, stored.content_type, sha256)

    def _hash(self, file: SourceFile) -> str:
        sha256 = hashlib.sha256()
        for piece in self.store.read(file.key):
            refuse_if_stopped(self._stopped)
            sha256.update(piece)
        return sha256.hexdigest()

    def _copy(self, file: SourceFile) -> dict[str, Any]:
        uri, started = self._uri(file), time.monotonic()
        with self._opened(file) as source:
            written = self.store.write(
                file.key,
                source,
                file.metadata(source.size),
                replace=self.replace,
                began=partial(self.record.begin, file, uri),
            )
        stored = self.store.find(file.key)
        if not written:
            self.record.forget(file, uri)
            return self._line_of_other_writer(file, stored)
        if stored and stored.size != source.bytes_read:
            raise StorageFailedError(
                f"{uri} has {stored.size} bytes, although {source.bytes_read} were written: another writer has "
                "replaced it. The file was paid for and is still on RunComfy's servers; a retry looks again."
            )
        line = file.manifest_line(uri, source.bytes_read, source.content_type, source.sha256)
        self.record.finish(file, line, stored.version if stored else None)
        seconds = time.monotonic() - started
        log.info(
            "Copied %s to %s: %d bytes in %.1f s (%.1f MiB/s), sha256 %s.",
            file,
            uri,
            source.bytes_read,
            seconds,
            source.bytes_read / MIB / max(seconds, 1e-6),
            source.sha256,
        )
        return line

    @contextmanager
    def _opened(self, file: SourceFile) -> Iterator[Source]:
        with (
            airflow_errors(),
            open_download(
                file.medium.url,
                self.policy,
                kind=file.medium.kind,
                request_id=file.request_id,
                sleep=self._pause,
            ) as download,
        ):
            self._downloads.add(download)
            try:
                yield Source(download, self._stopped, Progress(f"{file} to {self._uri(file)}", download.size))
            finally:
                self._downloads.discard(download)

    def _pause(self, seconds: float) -> None:
        self._stopped.wait(seconds)
        refuse_if_stopped(self._stopped)

    def _line_of_other_writer(self, file: SourceFile, stored: StoredObject | None) -> dict[str, Any]:
        if stored is None:
            raise OtherObjectError(
                f"{self._uri(file)} was there when the copy was to be completed, but it cannot be seen: the "
                "identity may write it but not read it, or another writer has just deleted it. It was left as it is, "
                "and nothing was copied. The file was paid for and is still on RunComfy's servers. "
                "Let the identity read the object, delete it, or set `replace=True`, and clear this task."
            )
        line = self._line_of(file, stored)
        if line is None:
            raise self._other_object(file, stored)
        return line

    def _other_object(self, file: SourceFile, stored: StoredObject) -> OtherObjectError:
        return OtherObjectError(
            f"{self._uri(file)} is already there ({stored.size} bytes), and it is not a whole copy of this file. It "
            "was left as it is, and nothing was copied. The file was paid for and is still on RunComfy's servers. "
            "Delete the object, choose another key, or set `replace=True`, and clear this task."
        )
