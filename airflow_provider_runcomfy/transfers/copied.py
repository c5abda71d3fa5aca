"""What a task instance has copied so far, in Airflow's task state store: so that a re-run gives the same manifest."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.api.types import MediaFile, MediaKind
from airflow_provider_runcomfy.transfers.keys import is_key

if TYPE_CHECKING:
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor

    from airflow_provider_runcomfy.transfers.files import SourceFile

#: Before the request's id, the keys that people see in the task state store tab of a task instance.
KEY_PREFIX = "runcomfy copy of "
#: The key of the list of requests of which something may be left behind.
REQUESTS_KEY = "runcomfy copies"
_VERSION = 1
_MANY = 20
_LINE = {
    "uri": str,
    "size": int,
    "content_type": str,
    "sha256": str,
    "kind": str,
    "request_id": str,
    "source_url": str,
}

log = logging.getLogger(__name__)


class LaterVersionError(ValueError):
    """A later version of the package has kept this: it is left as it is."""


@dataclass(frozen=True)
class Copied:
    """One file that was copied: its line of the manifest, and the version of the object as it was left."""

    line: dict[str, Any]
    version: str | None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {**self.line, "version": self.version}


@dataclass(frozen=True)
class Unfinished:
    """What a kill would leave behind of a copy: ``rest`` is how the store names it."""

    uri: str
    key: str
    rest: str


@dataclass
class Copies:
    """What became of one request's files."""

    files: int = 0
    copied: dict[int, Copied] = field(default_factory=dict)
    unfinished: list[Unfinished] = field(default_factory=list)

    @property
    def media(self) -> list[MediaFile]:
        """All files of the request, if all were copied; else none."""
        if not self.files or any(index not in self.copied for index in range(self.files)):
            return []
        lines = [self.copied[index].line for index in range(self.files)]
        return [MediaFile(line["source_url"], MediaKind(line["kind"])) for line in lines]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "version": _VERSION,
            "files": self.files,
            "copied": {str(index): copied.as_json() for index, copied in sorted(self.copied.items())},
            "unfinished": [asdict(rest) for rest in self.unfinished],
        }

    @classmethod
    def from_json(cls, data: Any) -> Copies:
        """
        Return what `as_json` made, leaving out whatever a person has made unreadable.

        :raises LaterVersionError: if a later version of the package made it.
        """
        _refuse_later_version(data)
        if not isinstance(data, dict) or data.get("version") != _VERSION:
            return cls()
        copied, unfinished, files = data.get("copied"), data.get("unfinished"), data.get("files")
        return cls(
            files=files if isinstance(files, int) else 0,
            copied={
                int(index): Copied({name: entry[name] for name in _LINE}, entry.get("version"))
                for index, entry in (copied.items() if isinstance(copied, dict) else ())
                if index.isdecimal() and _is_line(entry)
            },
            unfinished=[
                Unfinished(entry["uri"], entry["key"], entry["rest"])
                for entry in (unfinished if isinstance(unfinished, list) else ())
                if _is_unfinished(entry)
            ],
        )


class CopyRecord:
    """
    The copies of one task instance, by request; used by several threads.

    It saves work and nothing else: if it cannot be read or kept, the log says so, and the copies go on.

    :param accessor: the task state store; None before Airflow 3.3, where nothing outlives a try.
    :param requests: those that this try copies.
    """

    def __init__(self, accessor: TaskStateStoreAccessor | None, requests: Iterable[str] = ()) -> None:
        self._accessor = accessor
        self._requests = list(dict.fromkeys(requests))
        self._by_request: dict[str, Copies] = {}
        # What could not be read must not be written over.
        self._unreadable: set[str] = set()
        self._lock = threading.RLock()
        #: What is kept under `REQUESTS_KEY`; None where that is not known.
        self._listed: list[str] | None = None

    def earlier_requests(self) -> list[str]:
        """Return the requests that earlier tries have copied and this one does not: a clear may have got a new one."""
        with self._lock:
            self._listed = self._read_list()
            return [request_id for request_id in self._listed or () if request_id not in self._requests]

    def of(self, request_id: str) -> Copies:
        """Return what is known of a request's files."""
        with self._lock:
            if request_id not in self._by_request:
                self._by_request[request_id] = self._read(request_id)
            return self._by_request[request_id]

    def begin(self, request_id: str, unfinished: Unfinished) -> None:
        """Keep what a kill would now leave behind."""
        with self._lock:
            self._list_requests()
            self.of(request_id).unfinished.append(unfinished)
            self._write(request_id)

    def forget(self, request_id: str, unfinished: Collection[Unfinished]) -> None:
        """Keep that nothing of this is left behind any more."""
        with self._lock:
            copies = self.of(request_id)
            if not set(unfinished) & set(copies.unfinished):
                return
            copies.unfinished = [rest for rest in copies.unfinished if rest not in unfinished]
            self._write(request_id)

    def finish(
        self,
        file: SourceFile,
        line: dict[str, Any],
        version: str | None,
        unfinished: Collection[Unfinished] = (),
    ) -> None:
        """Keep a file's line of the manifest, and that nothing of ``unfinished`` is left behind."""
        with self._lock:
            copies, copied = self.of(file.request_id), Copied(line, version)
            if not unfinished and copies.files == file.files and copies.copied.get(file.index) == copied:
                return
            copies.files = file.files
            copies.copied[file.index] = copied
            copies.unfinished = [rest for rest in copies.unfinished if rest not in unfinished]
            # The whole is written each time: of a request with very many files not after each one.
            if len(copies.copied) <= _MANY or len(copies.copied) % _MANY == 0 or len(copies.copied) >= file.files:
                self._write(file.request_id)

    def _list_requests(self) -> None:
        """Keep which requests a later try has to look after: written once, before the first file is begun."""
        listed = self._listed
        if self._accessor is None or listed is None:
            return
        rest = [each for each in listed if each in self._unreadable or self.of(each).unfinished]
        self._listed = list(dict.fromkeys([*rest, *self._requests]))
        if set(self._listed) != set(listed):
            self._set(REQUESTS_KEY, {"version": _VERSION, "requests": self._listed}, "Which requests were copied")

    def _read_list(self) -> list[str] | None:
        if self._accessor is None:
            return None
        try:
            data = self._accessor.get(REQUESTS_KEY)
            _refuse_later_version(data)
        except Exception as error:
            log.warning("Which requests were copied before cannot be read: %s. What is left of them stays.", error)
            return None
        requests = data.get("requests") if isinstance(data, dict) and data.get("version") == _VERSION else None
        return [each for each in requests if isinstance(each, str)] if isinstance(requests, list) else []

    def _read(self, request_id: str) -> Copies:
        if self._accessor is None:
            return Copies()
        try:
            return Copies.from_json(self._accessor.get(KEY_PREFIX + request_id))
        except Exception as error:
            log.warning("What was copied of request %s cannot be read: %s. Looking at the objects.", request_id, error)
            self._unreadable.add(request_id)
            return Copies()

    def _write(self, request_id: str) -> None:
        if request_id not in self._unreadable:
            data = self._by_request[request_id].as_json()
            self._set(KEY_PREFIX + request_id, data, f"What was copied of request {request_id}")

    def _set(self, key: str, data: dict[str, Any], what: str) -> None:
        if self._accessor is None:
            return
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        try:
            self._accessor.set(key, data, retention=NEVER_EXPIRE)
        except Exception as error:
            log.warning("%s cannot be kept: %s. A re-run looks at the objects.", what, error)


def _refuse_later_version(data: Any) -> None:
    version = data.get("version") if isinstance(data, dict) else None
    if type(version) is int and version > _VERSION:
        raise LaterVersionError(
            f"a later version of this package has kept it (its version is {version}; this one reads {_VERSION})"
        )


def _is_unfinished(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(name), str) for name in ("uri", "key", "rest"))
        and is_key(entry["key"])
    )


def _is_line(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and all(type(entry.get(name)) is kind for name, kind in _LINE.items())
        and entry["kind"] in list(MediaKind)
        and isinstance(entry.get("version"), str | None)
    )
