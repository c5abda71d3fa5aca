"""One file into a store: found there, or copied, checked, and noted."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_runcomfy.api.download import Download, open_download
from airflow_provider_runcomfy.api.download_policy import DownloadPolicy
from airflow_provider_runcomfy.api.media import HEAD_BYTES, content_type_of
from airflow_provider_runcomfy.exceptions import (
    DownloadRefusedError,
    FileGoneError,
    RunComfyDownloadError,
    UrlRefusedError,
    airflow_errors,
)
from airflow_provider_runcomfy.transfers.copied import Copied, CopyRecord, Unfinished
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
OF_ONE_FILE = (DownloadRefusedError, RunComfyDownloadError, StorageRefusedError)
_PAID = "The file was paid for, and can be copied for as long as RunComfy keeps it."
# So many refusals, and nothing stored: the store refuses all.
_HOPELESS = 4


@dataclass(frozen=True)
class Copier:
    """
    Brings files into a store, several at a time, each by a thread.

    :param store: where to.
    :param record: what this task instance has copied.
    :param policy: what may be downloaded.
    :param fresh: asks RunComfy where a file is now.
    :param replace: whether another object under a file's key is replaced.
    """

    store: ObjectStore
    record: CopyRecord
    policy: DownloadPolicy
    fresh: Callable[[SourceFile], SourceFile]
    replace: bool
    _stopped: threading.Event = field(default_factory=threading.Event)
    _downloads: set[Download] = field(default_factory=set)
    _landed: list[SourceFile] = field(default_factory=list)
    _refused: list[SourceFile] = field(default_factory=list)

    def stop(self) -> None:
        """Let every `land`, those under way and those to come, end with `CopyStoppedError`."""
        self._stopped.set()
        # A thread, since this is called in signal handlers; again and again, since there may be no connection yet.
        threading.Thread(target=self._interrupt, daemon=True).start()

    def _interrupt(self) -> None:
        while self._downloads:
            for download in tuple(self._downloads):
                download.interrupt()
            time.sleep(0.1)

    def clean_up(self, request_id: str) -> None:
        """
        Remove what killed tries of this task instance have left behind of a request's files.

        :raises CopyStoppedError: the task was killed.
        """
        refuse_if_stopped(self._stopped)
        removed = []
        for rest in self.record.of(request_id).unfinished:
            if self.store.uri(rest.key) != rest.uri:
                # It is in a bucket of which this task knew before it was edited.
                continue
            try:
                self.store.discard(rest.key, rest.rest)
            except (StorageRefusedError, StorageFailedError) as error:
                log.warning("What an earlier try left behind of %s stays there: %s", rest.uri, error)
            else:
                log.info("Removed what an earlier try may have left behind of %s.", rest.uri)
                removed.append(rest)
        self.record.forget(request_id, removed)

    def land(self, file: SourceFile) -> dict[str, Any]:
        """
        Return a file's line of the manifest, having copied it if it is not there yet.

        :raises OtherObjectError: if another object is there.
        :raises StorageRefusedError: if the store will not take it.
        :raises StorageFailedError: if the store could not take it now.
        :raises DownloadRefusedError: if it must not be downloaded, or is gone.
        :raises RunComfyDownloadError: if it could not be downloaded whole.
        :raises ResultNotYetError: if its URL is refused, and RunComfy cannot be asked for another one now.
        :raises CopyStoppedError: if the task is killed.
        """
        refuse_if_stopped(self._stopped)
        if len(self._refused) >= _HOPELESS and not self._landed:
            raise StorageRefusedError(
                f"{file} was not tried: the store has refused all files before it, see there. {_PAID}"
            )
        try:
            line = self._land(file)
        except OtherObjectError as error:
            raise OtherObjectError(f"{file}: {error}") from None
        except StorageRefusedError as error:
            self._refused.append(file)
            raise StorageRefusedError(f"{file}: {error}") from None
        except StorageFailedError as error:
            raise StorageFailedError(f"{file}: {error}") from None
        self._landed.append(file)
        return line

    def _land(self, file: SourceFile) -> dict[str, Any]:
        try:
            return self._found_or_copied(file)
        except (FileGoneError, UrlRefusedError) as error:
            fresh = self.fresh(file)
            if fresh.medium.url == file.medium.url:
                return self._unseen_line(file, error)
            log.info("%s Going on with the URL that RunComfy names now.", error)
        try:
            return self._found_or_copied(fresh)
        except FileGoneError as error:
            return self._unseen_line(fresh, error)

    def _found_or_copied(self, file: SourceFile) -> dict[str, Any]:
        stored = self.store.find(file.key)
        if stored is None:
            return self._copy(file)
        line = self._line_of(file, stored)
        if line:
            return line
        if not self.replace:
            raise self._other_object(file, stored)
        log.warning("%s is another object (%d bytes): replacing it.", self._uri(file), stored.size)
        return self._copy(file)

    def _uri(self, file: SourceFile) -> str:
        return self.store.uri(file.key)

    def _line_of(self, file: SourceFile, stored: StoredObject) -> dict[str, Any] | None:
        """Return the file's line if the object is a whole copy of it."""
        noted = self._noted(file)
        line = self._noted_line(noted, file, stored) if noted else self._told_line(file, stored)
        if line:
            self.record.finish(file, line, stored.version)
            log.info("%s is already there: not copied again.", line["uri"])
        return line

    def _noted(self, file: SourceFile) -> Copied | None:
        """Return what this task instance has noted of the object that it left."""
        copied = self.record.of(file.request_id).copied.get(file.index)
        return copied if copied and copied.line["uri"] == self._uri(file) else None

    def _noted_line(self, noted: Copied, file: SourceFile, stored: StoredObject) -> dict[str, Any] | None:
        if noted.line["size"] != stored.size:
            return None
        is_as_left = stored.version is not None and stored.version == noted.version
        return noted.line if is_as_left or self._hash(file) == noted.line["sha256"] else None

    def _told_line(self, file: SourceFile, stored: StoredObject) -> dict[str, Any] | None:
        """Return the line by what the object tells of itself; by its bytes, where it cannot."""
        if stored.metadata is None:
            return self._compared_line(file, stored)
        if not file.is_stored_as(stored):
            return None
        sha256 = stored.metadata.get(SHA256) or self._hash(file)
        return file.manifest_line(self._uri(file), stored.size, stored.content_type, sha256)

    def _compared_line(self, file: SourceFile, stored: StoredObject) -> dict[str, Any] | None:
        with self._opened(file) as source:
            if source.size not in (None, stored.size):
                return None
            while source.read(MIB):
                pass
        sha256 = self._hash(file)
        if sha256 != source.sha256:
            return None
        # What such a store says of the type comes from the name, by the tables of this machine.
        return file.manifest_line(self._uri(file), stored.size, source.content_type, sha256)

    def _unseen_line(self, file: SourceFile, error: FileGoneError | UrlRefusedError) -> dict[str, Any]:
        """Return the line of an object that nothing but its name tells of, where its file is gone; else raise."""
        stored = self.store.find(file.key) if isinstance(error, FileGoneError) else None
        if stored is None or stored.metadata is not None or self._noted(file) or file.request_id not in file.key:
            raise error
        # The name alone says little of the type, and that by the tables of this machine.
        head = next(iter(self.store.read(file.key)), b"")[:HEAD_BYTES]
        content_type = content_type_of(head, stored.content_type, file.medium.kind) or stored.content_type
        line = file.manifest_line(self._uri(file), stored.size, content_type, self._hash(file))
        log.warning("%s is gone from RunComfy. %s, which bears its name, is taken for it unseen.", file, line["uri"])
        self.record.finish(file, line, stored.version)
        return line

    def _hash(self, file: SourceFile) -> str:
        sha256 = hashlib.sha256()
        for piece in self.store.read(file.key):
            refuse_if_stopped(self._stopped)
            sha256.update(piece)
        return sha256.hexdigest()

    def _copy(self, file: SourceFile) -> dict[str, Any]:
        uri, started = self._uri(file), time.monotonic()
        begun: list[Unfinished] = []

        def begin(rest: str) -> None:
            begun.append(Unfinished(uri, file.key, rest))
            self.record.begin(file.request_id, begun[-1])

        with self._opened(file) as source:
            metadata = file.metadata(source.size)
            stored = self.store.write(file.key, source, metadata, replace=self.replace, began=begin)
        if stored is None:
            self.record.forget(file.request_id, begun)
            return self._line_of_other_writer(file)
        if stored.size != source.bytes_read:
            raise StorageFailedError(
                f"{uri} has {stored.size} bytes, although {source.bytes_read} were written: another writer has "
                f"replaced it. A retry looks again. {_PAID}"
            )
        line = file.manifest_line(uri, source.bytes_read, source.content_type, source.sha256)
        self.record.finish(file, line, stored.version, begun)
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
        medium = file.medium
        download = open_download(
            medium.url, self.policy, kind=medium.kind, request_id=file.request_id, sleep=self._pause
        )
        self._downloads.add(download)
        try:
            # Now `stop` either sees the download, or is seen here.
            refuse_if_stopped(self._stopped)
            with airflow_errors(), download:
                yield Source(download, self._stopped, Progress(f"{file} to {self._uri(file)}", download.size))
        finally:
            self._downloads.discard(download)

    def _pause(self, seconds: float) -> None:
        self._stopped.wait(seconds)
        refuse_if_stopped(self._stopped)

    def _line_of_other_writer(self, file: SourceFile) -> dict[str, Any]:
        stored = self.store.find(file.key)
        if stored is None:
            raise OtherObjectError(
                f"{self._uri(file)} was there when the copy was to be completed, but it cannot be seen: the "
                "identity may write it but not read it, or another writer has just deleted it. It was left as it is, "
                f"and nothing was copied. {_PAID} "
                "Let the identity read the object, delete it, or set `replace=True`, and clear this task."
            )
        line = self._line_of(file, stored)
        if line is None:
            raise self._other_object(file, stored)
        return line

    def _other_object(self, file: SourceFile, stored: StoredObject) -> OtherObjectError:
        return OtherObjectError(
            f"{self._uri(file)} is already there ({stored.size} bytes), and it is not a whole copy of this file. It "
            f"was left as it is, and nothing was copied. {_PAID} "
            "Choose another key; or, if the object is of no use to anybody, delete it or set `replace=True`. Then "
            "clear this task."
        )
