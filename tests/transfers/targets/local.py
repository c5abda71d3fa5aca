"""A folder on this machine's disk."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runcomfy.transfers.runcomfy_to_object_storage import RunComfyToObjectStorageOperator
from airflow_provider_runcomfy.transfers.unfinished import is_unfinished_name

_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522


class LocalTarget:
    """A folder of its own, for one test; nothing has to be set up for it."""

    keeps_metadata = False
    notes_what_it_begins = True
    drops_what_is_left = False
    refusal = "Permission denied"
    absence = "no such folder"

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = folder / "clips"
        self.root.mkdir()

    def operator(self, key: str = "{request_id}/{index}.{ext}", **given: Any) -> RunComfyToObjectStorageOperator:
        parameters = {"request_id": "r-1", "destination": self.uri(key), **given}
        return RunComfyToObjectStorageOperator(task_id="copy", **parameters)

    def uri(self, key: str) -> str:
        return f"file://{self.root}/{key}"

    def keys(self) -> list[str]:
        return sorted(key for key, path in self._files() if not is_unfinished_name(path.name))

    def leftovers(self) -> list[str]:
        unfinished = [key for key, path in self._files() if is_unfinished_name(path.name)]
        folders = [path for path in self.root.rglob("*") if path.is_dir()]
        empty = [f"{folder.relative_to(self.root)}/" for folder in folders if not any(folder.iterdir())]
        return sorted(unfinished + empty)

    def places(self) -> list[str]:
        return sorted(path.name for path in self.root.parent.iterdir() if path.is_dir())

    def body(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def metadata(self, key: str) -> dict[str, str]:
        return {}

    def put(self, key: str, body: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def remove(self, key: str) -> None:
        (self.root / key).unlink()

    @contextmanager
    def refusing(self) -> Iterator[dict[str, Any]]:
        self.root.chmod(0o555)
        try:
            with _bound_by_permissions():
                yield {}
        finally:
            self.root.chmod(0o755)

    @contextmanager
    def missing(self) -> Iterator[dict[str, Any]]:
        away = self.root.rename(self.root.with_name(f"{self.root.name}-away"))
        try:
            yield {}
        finally:
            away.rename(self.root)

    @contextmanager
    def breaking(self, after: int) -> Iterator[dict[str, Any]]:
        """No file of this process can grow beyond ``after`` bytes while the block runs."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (after, hard))
        try:
            yield {}
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def failing_parts(self, after: int) -> AbstractContextManager[dict[str, Any]]:
        """A folder that takes no more bytes is still there."""
        return self.breaking(after)

    def _files(self) -> Iterator[tuple[str, Path]]:
        return ((str(path.relative_to(self.root)), path) for path in self.root.rglob("*") if path.is_file())


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def _bound_by_permissions() -> Iterator[None]:
    """Let root be refused what a file's mode refuses: in this thread, and in those that it starts."""
    # Another user could not even import what the task needs, where the interpreter is in root's home.
    if os.geteuid():
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, capabilities = _Header(_CAPABILITY_VERSION_3, 0), (_Capabilities * 2)()

    def call(function: Any) -> None:
        if function(ctypes.byref(header), capabilities):
            raise OSError(ctypes.get_errno(), "cannot read or set this thread's capabilities")

    call(libc.capget)
    before = capabilities[0].effective
    capabilities[0].effective &= ~(1 << _CAP_DAC_OVERRIDE)
    call(libc.capset)
    try:
        yield
    finally:
        capabilities[0].effective = before
        call(libc.capset)
