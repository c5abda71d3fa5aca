"""Entries of RunComfy's catalogue, kept for a quarter of an hour in files that all tasks of a worker share."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_AGE_SECONDS = 900.0
_MAX_BYTES = 4 << 20


class CatalogueCache:
    """
    A folder of entries, for each task is a process of its own. It only saves calls: whatever fails is a miss.

    :param folder: where they are; by default in the system's folder for temporary files.
    :param clock: gives the seconds since the epoch.
    """

    def __init__(self, folder: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder or Path(tempfile.gettempdir(), f"airflow-provider-runcomfy-{os.getuid()}")
        self._clock = clock

    def get(self, base_url: str, model_id: str) -> dict[str, Any] | None:
        """Return a model's entry as it was less than a quarter of an hour ago; None where it is not known."""
        try:
            file = self._file(base_url, model_id)
            if not self._is_ours() or file.stat().st_size > _MAX_BYTES:
                return None
            kept = json.loads(file.read_bytes())
            age, entry = self._clock() - kept["time"], dict[str, Any](kept["entry"])
            is_it = (kept["base_url"], entry["model_id"]) == (base_url, model_id)
            return entry if is_it and 0 <= age < MAX_AGE_SECONDS else None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def put(self, base_url: str, model_id: str, entry: dict[str, Any]) -> None:
        """Keep an entry; another task sees it whole or not at all."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if not self._is_ours():
                return
            text = json.dumps({"base_url": base_url, "time": self._clock(), "entry": entry})
            with tempfile.TemporaryDirectory(dir=self._folder) as folder:
                part = Path(folder, "part")
                part.write_bytes(text.encode())
                part.replace(self._file(base_url, model_id))
        except (OSError, ValueError, TypeError, RecursionError):
            return

    def _file(self, base_url: str, model_id: str) -> Path:
        return self._folder / f"{hashlib.sha256(f'{base_url} {model_id}'.encode()).hexdigest()}.json"

    def _is_ours(self) -> bool:
        """Return whether nobody else can write there: everybody may make folders among temporary files."""
        found = self._folder.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
