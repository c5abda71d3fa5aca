"""A folder as a transfer sees it: on the worker's disk, or on a share that is mounted there."""

from __future__ import annotations

import errno
import mimetypes
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_runcomfy.storage_errors import is_permanent, said, status
from airflow_provider_runcomfy.transfers.store import StoredObject, storage_error
from airflow_provider_runcomfy.transfers.unfinished import is_unfinished_name, unfinished_name

if TYPE_CHECKING:
    from airflow_provider_runcomfy.transfers.source import Source

_PIECE = 1024 * 1024
# What file systems without hard links answer: FAT, SMB, FUSE.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
# Another copy may remove the folder that both have just made, once it fails.
_ATTEMPTS = 10
_UNFINISHED = re.compile(r"(\d{1,3})/([^/]+)")


class LocalStore:
    """
    A folder, and what is below it.

    A file is written under a name of its own beside its final one, brought to the disk, and then given its final name
    in one step: by a hard link, which fails where the name is taken. Where the file system has no hard links, it is
    looked once more whether the name is free, and the file is renamed: another writer can come between the two.

    :param root: the folder's absolute path. It must exist: a share that is not mounted is not made up for.
    """

    def __init__(self, root: str) -> None:
        self._root = Path(root)
        # The folders that were made for files, so that a file that fails takes them with it if it was the last.
        self._made: set[Path] = set()

    def uri(self, key: str) -> str:
        """Return the file's ``file://`` URI, as ObjectStoragePath opens it: nothing in it is escaped."""
        return f"file://{self._root / key}"

    def find(self, key: str) -> StoredObject | None:
        """Return the file, or None if there is none; its version is made of its time, its size and its inode."""
        path = self._root / key
        with self._errors(key, "looking for"):
            self._require_root()
            try:
                found = path.stat()
            except FileNotFoundError:
                return None
            if not stat.S_ISREG(found.st_mode):
                raise IsADirectoryError(errno.EISDIR, "it is there, but it is no file")
        return _stored(path, found)

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the file's bytes, in pieces of 1 MiB."""
        with self._errors(key, "reading"), (self._root / key).open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    def writing(self, files_at_once: int) -> AbstractContextManager[None]:
        """Do nothing: each file takes 1 MiB of memory."""
        return nullcontext()

    def write(
        self, key: str, source: Source, metadata: Mapping[str, str], *, replace: bool, began: Callable[[str], None]
    ) -> StoredObject | None:
        """
        Stream ``source`` into a file that is there either whole or not at all; ``metadata`` are not kept.

        Return None, having stored nothing, if something is already there and ``replace`` is not set. The folders
        between the root and the file are made, and those that were made go again if it fails.
        """
        path = self._root / key
        unfinished = path.with_name(unfinished_name())
        with self._errors(key, "writing"):
            self._require_root()
            began(f"{sum(self._is_to_be_made(folder) for folder in self._folders(path))}/{unfinished.name}")
            try:
                with os.fdopen(self._create(unfinished), "wb", buffering=0) as file:
                    while piece := source.read(_PIECE):
                        _write_all(file.fileno(), piece)
                    os.fsync(file.fileno())
                    written = os.fstat(file.fileno())
                return _stored(path, written) if _publish(unfinished, path, replace) else None
            except FileNotFoundError:
                if self._root.is_dir():
                    raise OSError(errno.ESTALE, "the file was removed while it was written, by a newer try") from None
                raise
            finally:
                with suppress(OSError):
                    unfinished.unlink(missing_ok=True)
                _remove_empty(folder for folder in self._folders(path) if folder in self._made)

    def discard(self, key: str, unfinished: str) -> None:
        """Remove the file that a `write` that was killed left behind, and as many folders as it had made, if empty."""
        found = _UNFINISHED.fullmatch(unfinished)
        if not found or not is_unfinished_name(found[2]):
            return
        path = self._root / key
        rest = path.with_name(found[2])
        with self._errors(key, "removing what an earlier try left behind of"):
            with suppress(FileNotFoundError, NotADirectoryError):
                if stat.S_ISREG(rest.lstat().st_mode):
                    rest.unlink()
            _remove_empty(self._folders(path)[: int(found[1])])

    def _folders(self, path: Path) -> list[Path]:
        """Return the folders between the root and ``path``, the deepest first."""
        return list(path.parents[: len(path.relative_to(self._root).parts) - 1])

    def _is_to_be_made(self, folder: Path) -> bool:
        return folder in self._made or not folder.exists()

    def _create(self, path: Path) -> int:
        for _ in range(_ATTEMPTS):
            self._require_root()
            with suppress(FileNotFoundError):
                for folder in reversed(self._folders(path)):
                    self._make(folder)
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        raise OSError(errno.EBUSY, "its folder is removed again and again", str(path.parent))

    def _make(self, folder: Path) -> None:
        with suppress(FileExistsError):
            folder.mkdir()
            self._made.add(folder)

    def _require_root(self) -> None:
        if not self._root.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such folder", str(self._root))

    @contextmanager
    def _errors(self, key: str, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            advice = self._advice(error) if is_permanent(error) else None
            raise storage_error("The worker", doing, self.uri(key), said(error), advice=advice) from None

    def _advice(self, error: OSError) -> str:
        if status(error) == 404:
            return f"Mount or create {self._root} on every worker, or correct `destination`, and clear this task."
        if status(error) == 403:
            return f"Let the worker's user write below {self._root}, and clear this task."
        return "Correct `destination`, or remove what stands in the way, and clear this task."


def _stored(path: Path, found: os.stat_result) -> StoredObject:
    return StoredObject(
        size=found.st_size,
        content_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        version=f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}",
    )


def _write_all(file: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(file, rest) :]


def _publish(unfinished: Path, path: Path, replace: bool) -> bool:
    """Give a file its final name; return False if it is taken and may not be replaced."""
    if replace:
        unfinished.replace(path)
    else:
        try:
            path.hardlink_to(unfinished)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(path):
                return False
            unfinished.rename(path)
    _keep_name(path.parent)
    return True


def _keep_name(folder: Path) -> None:
    # The bytes are on the disk, and their name has to follow; some shares cannot do this for a folder.
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _remove_empty(folders: Iterator[Path] | list[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
