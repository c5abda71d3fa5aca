"""The task state store of one task instance, in a file: what a process that was killed has kept is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.airflow_db import skip_without_task_state_store


class StateStore:
    """The contract of Airflow's ``TaskStateStoreAccessor``."""

    def __init__(self, folder: Path) -> None:
        skip_without_task_state_store()
        self._file = folder / "task-state-store.json"
        self.values_written = 0

    @property
    def values(self) -> dict[str, Any]:
        """Return what is kept."""
        values: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}
        return values

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self.values_written += 1
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps({**self.values, key: value}, allow_nan=False))
        fresh.replace(self._file)
