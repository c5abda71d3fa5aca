"""What a store reads from: a download that is watched, and that can be told to stop."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_runcomfy.exceptions import RunComfyRetryableError

if TYPE_CHECKING:
    from airflow_provider_runcomfy.api.download import Download

_PIECE = 256 * 1024


class CopyStoppedError(RunComfyRetryableError):
    """The task was killed while it copied: nothing of the file is left behind, and a retry copies it."""


class Source:
    """
    A file on its way into a store.

    :param download: the open file.
    :param stopped: is set when the task is killed; from then on reading raises.
    :param progress: is told again and again how many bytes have come so far.
    """

    def __init__(self, download: Download, stopped: threading.Event, progress: Callable[[int], None]) -> None:
        self._download, self._stopped, self._progress = download, stopped, progress

    @property
    def size(self) -> int | None:
        """How many bytes it has; None where the server does not say it."""
        return self._download.size

    @property
    def content_type(self) -> str:
        """Its type, a medium's."""
        return self._download.content_type

    @property
    def bytes_read(self) -> int:
        """How many bytes have come: its size, once `read` has given its end."""
        return self._download.bytes_read

    @property
    def sha256(self) -> str:
        """Its SHA-256 in hexadecimal, once `read` has given its end."""
        return self._download.sha256

    def read(self, amount: int) -> bytes:
        """
        Return the next ``amount`` bytes, fewer only at the end.

        :raises CopyStoppedError: the task was killed.
        :raises RunComfyError: as `Download.read1`.
        """
        # Room for all of it at once: joined from its pieces or grown by them, it would be in memory twice for a moment.
        gathered = io.BytesIO(bytes(amount))
        while (missing := amount - gathered.tell()) and (piece := self._piece(min(missing, _PIECE))):
            gathered.write(piece)
        gathered.truncate()
        return gathered.getvalue()

    def _piece(self, amount: int) -> bytes:
        refuse_if_stopped(self._stopped)
        piece = self._download.read1(amount)
        self._progress(self._download.bytes_read)
        return piece


def refuse_if_stopped(stopped: threading.Event) -> None:
    """
    Do nothing while the task goes on.

    :raises CopyStoppedError: the task was killed.
    """
    if stopped.is_set():
        raise CopyStoppedError("The task was killed while it copied. Nothing of the file is left behind.")
