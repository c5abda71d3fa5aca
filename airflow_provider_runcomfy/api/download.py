"""One safe, resumable, streamed download of a result's file."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import requests

from airflow_provider_runcomfy.api import answers
from airflow_provider_runcomfy.api.download_policy import DownloadPolicy
from airflow_provider_runcomfy.api.errors import DownloadFailedError
from airflow_provider_runcomfy.api.file_server import Body, BrokenError, FileServer, Patience, Subject
from airflow_provider_runcomfy.api.media import HEAD_BYTES, content_type_of
from airflow_provider_runcomfy.api.types import MediaKind

__all__ = ["Download", "DownloadPolicy", "Patience", "open_download"]

log = logging.getLogger(__name__)

_PIECE = 256 * 1024
_CHANGED = "it is no longer the same file as at its beginning"
# So many more bytes since the last break make it a new one: a server that cuts every few MiB is borne.
_PROGRESS = 1024 * 1024


def open_download(
    url: str,
    policy: DownloadPolicy,
    *,
    kind: MediaKind,
    request_id: str,
    patience: Patience | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Download:
    """
    Return a file to be downloaded: entering its ``with`` block asks for it and looks at its first bytes.

    :param url: where RunComfy says that the file is.
    :param policy: what may be downloaded.
    :param kind: what RunComfy says that the file is.
    :param request_id: the request whose result it is, for messages.
    :param patience: the time-outs and limits; the default is meant for real servers.
    :param sleep: waits between two attempts.
    """
    return Download(Subject(url, kind, request_id), policy, patience or Patience(), sleep)


class Download(AbstractContextManager["Download"]):
    """
    A file that is being downloaded; made by `open_download`.

    Entering and reading it raises `DownloadRefusedError` if the URL is not allowed, or the file is too large or gone,
    and `DownloadFailedError` if it could not be had whole, is no longer the same, or is no medium.

    ``size`` is in bytes, None where the server does not say it; ``content_type`` is a medium's;
    ``etag`` is the server's; ``bytes_read`` counts what has come from the server.
    """

    def __init__(
        self, subject: Subject, policy: DownloadPolicy, patience: Patience, sleep: Callable[[float], object]
    ) -> None:
        self.size: int | None = None
        self.content_type = ""
        self.etag: str | None = None
        self.bytes_read = 0
        self._subject, self._policy, self._patience, self._sleep = subject, policy, patience, sleep
        self._server = FileServer(subject, policy, patience)
        self._body: Body | None = None
        self._last_modified: str | None = None
        self._hash = hashlib.sha256()
        self._head = b""
        self._breaks = 0
        self._broken_at = 0
        self._is_ranged = True

    @property
    def sha256(self) -> str:
        """The SHA-256 of what has come, in hexadecimal: the file's own once all of it has."""
        return self._hash.hexdigest()

    def read1(self, amount: int) -> bytes:
        """
        Return what comes next, at most ``amount`` bytes; none at the end.

        Errors are raised before the end is told, so that no reader takes a part for the whole.
        """
        if not self._head:
            return self._receive(min(amount, _PIECE))
        piece, self._head = self._head[:amount], self._head[amount:]
        return piece

    def close(self) -> None:
        """Let go of the connections."""
        self._disconnect()
        self._server.close()

    def interrupt(self) -> None:
        """
        Let another thread, which may be waiting for the server, go on to the pause before its next attempt.

        Whoever gave the ``sleep`` of `open_download` ends the download there.
        """
        self._server.shut_down()

    def __enter__(self) -> Self:
        try:
            self._look()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _look(self) -> None:
        while len(self._head) < HEAD_BYTES and (piece := self._receive(HEAD_BYTES - len(self._head))):
            self._head += piece
        if not self._head:
            raise self._subject.failed("it is empty")
        content_type = content_type_of(self._head, self.content_type, self._subject.kind)
        if content_type is None:
            announced = self.content_type[:100] or "no content type"
            raise self._subject.failed(f"the server sent text instead of a medium ({announced!r})")
        self.content_type = content_type

    def _receive(self, amount: int) -> bytes:
        """Return what comes next, at most ``amount`` bytes; none at the true end of the file."""
        while True:
            try:
                self._body = self._body or self._connect()
                piece = self._body.read(amount)
                if not piece and self.size is not None and self.bytes_read < self.size:
                    raise BrokenError(f"it ended after {self.bytes_read} of {self.size} bytes")
            except BrokenError as error:
                self._disconnect()
                self._pause(str(error))
                continue
            self.bytes_read += len(piece)
            self._hash.update(piece)
            self._refuse_too_large()
            return piece

    def _pause(self, reason: str) -> None:
        if self.bytes_read - self._broken_at >= _PROGRESS:
            self._breaks = 0
        self._broken_at = self.bytes_read
        self._breaks += 1
        if self._breaks > self._patience.resumes:
            of_all = f" of {self.size}" if self.size is not None else ""
            raise self._subject.failed(
                f"{reason}, {self._breaks} times in a row without getting past byte {self.bytes_read}{of_all}"
            )
        seconds = min(2.0 ** (self._breaks - 1), self._patience.longest_pause)
        log.warning(
            "%s: %s. Going on from byte %d in %.0f s (%d of %d).",
            self._subject,
            reason,
            self.bytes_read,
            seconds,
            self._breaks,
            self._patience.resumes,
        )
        self._sleep(seconds)

    def _connect(self) -> Body:
        if not self.bytes_read:
            return self._begin(self._server.get({}))
        # Without a validator only the bytes themselves can tell whether it is still the same file.
        validator = self.etag if self.etag and not self.etag.startswith("W/") else self._last_modified
        is_ranged = validator is not None and self._is_ranged
        headers = {"Range": f"bytes={self.bytes_read}-", "If-Range": str(validator)} if is_ranged else {}
        return self._go_on(self._server.get(headers))

    def _begin(self, response: requests.Response) -> Body:
        self._body = Body(response, self._patience)
        if response.status_code != 200:
            raise self._subject.failed(f"the server answered {response.status_code} to a request for the whole file")
        if answers.is_encoded(response):
            raise self._subject.failed("the server sent it compressed")
        self.size = answers.length(response)
        self._refuse_endless(response)
        self.content_type = response.headers.get("Content-Type", "")
        self.etag = response.headers.get("ETag")
        self._last_modified = response.headers.get("Last-Modified")
        self._refuse_too_large()
        return self._body

    def _go_on(self, response: requests.Response) -> Body:
        self._body = Body(response, self._patience)
        if response.status_code == 416:
            raise self._nothing_more(response)
        is_part = response.status_code == 206
        start, total = answers.start_and_total(response) if is_part else (0, answers.length(response))
        known = self.size if self.size is not None else total
        if (
            start != (self.bytes_read if is_part else 0)
            or total not in (None, known)
            or answers.is_encoded(response)
            or self._is_another(response)
        ):
            raise self._subject.failed(_CHANGED)
        if is_part and known is None:
            # A server may send less than the rest: the end of this answer would be taken for the file's own.
            self._is_ranged = False
            raise BrokenError("the server does not say how long it is, but sends a part of it")
        self.size = known
        if not is_part:
            self._refuse_endless(response)
            self._skip(self._body)
        return self._body

    def _nothing_more(self, response: requests.Response) -> DownloadFailedError:
        """Return what is wrong where the server has nothing behind the bytes that have come."""
        total = answers.total_of_refusal(response)
        is_same = total == self.bytes_read and not self._is_another(response)
        if is_same and self.size is not None:
            return self._subject.failed(
                f"it ends after {self.bytes_read} bytes, although the server announced {self.size}"
            )
        return self._subject.failed("the server answered 416" if total is None or is_same else _CHANGED)

    def _refuse_endless(self, response: requests.Response) -> None:
        if self.size is None and not response.raw.chunked:
            raise self._subject.failed(
                "the server does not say how long it is, so nobody could tell whether it is whole"
            )

    def _is_another(self, response: requests.Response) -> bool:
        for name, before in (("ETag", self.etag), ("Last-Modified", self._last_modified)):
            now = response.headers.get(name)
            if before and now:
                return before != now
        return False

    def _skip(self, body: Body) -> None:
        """Read once more what was already handed on, where the server sends only whole files."""
        prefix, left = hashlib.sha256(), self.bytes_read
        while left and (piece := body.read(min(left, _PIECE))):
            prefix.update(piece)
            left -= len(piece)
        if left:
            raise BrokenError(f"it ended before byte {self.bytes_read}, where it had broken off")
        if prefix.digest() != self._hash.digest():
            raise self._subject.failed(_CHANGED)

    def _refuse_too_large(self) -> None:
        limit = self._policy.max_bytes
        if max(self.size or 0, self.bytes_read) > limit:
            size = f"{self.size} bytes" if self.size else f"more than {limit} bytes"
            raise self._subject.refused(
                f"it has {size}, and {limit} are allowed. It was paid for and is still on RunComfy's servers: "
                "raise `max_download_bytes` in the connection's extra and clear the task"
            )

    def _disconnect(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
