"""What Airflow's database says and its REST API does not: which triggerer has which triggers, a task's own id."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Database:
    """
    Airflow's SQLite file, read only.

    :param file: where it lies.
    """

    file: Path

    def job(self, kind: str, since: float) -> int | None:
        """Return the newest job of a kind that goes on, begun after ``since``, in seconds, and with a heartbeat."""
        moment = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        rows = self._rows(
            "SELECT max(id) FROM job WHERE job_type = ? AND start_date >= ? AND latest_heartbeat > start_date "
            "AND state = 'running'",
            (kind, moment),
        )
        return None if rows[0][0] is None else int(rows[0][0])

    def triggers_of(self, triggerer: int) -> int:
        """Return how many triggers a triggerer's job has."""
        return int(self._rows("SELECT count(*) FROM trigger WHERE triggerer_id = ?", (triggerer,))[0][0])

    def triggers(self) -> int:
        """Return how many triggers there are."""
        return int(self._rows("SELECT count(*) FROM trigger", ())[0][0])

    def task_instance_id(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
        """Return the id of a task instance's present try."""
        rows = self._rows(
            "SELECT id FROM task_instance WHERE dag_id = ? AND run_id = ? AND task_id = ? AND map_index = ?",
            (dag_id, run_id, task_id, map_index),
        )
        return str(uuid.UUID(rows[0][0]))

    def dag_id(self, task_instance_id: str) -> str | None:
        """Return the Dag of a task instance's present try; None if it is nobody's."""
        rows = self._rows("SELECT dag_id FROM task_instance WHERE id = ?", (uuid.UUID(task_instance_id).hex,))
        return str(rows[0][0]) if rows else None

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(query, values).fetchall()
