"""What the metadata database says, asked by SQL: thousands of task instances by REST would load what is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier


@dataclass(frozen=True)
class Table:
    """How much was ever done to a table, and what is in it."""

    rows: int
    inserts: int
    updates: int
    deletes: int
    kib: float

    def since(self, before: Table) -> Table:
        """Return what came after ``before``."""
        return Table(
            self.rows - before.rows,
            self.inserts - before.inserts,
            self.updates - before.updates,
            self.deletes - before.deletes,
            self.kib - before.kib,
        )


@dataclass(frozen=True)
class Instance:
    """A task instance; ``resumes`` where it goes on after it was deferred."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    resumes: bool

    def __str__(self) -> str:
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


class Database:
    """The metadata database of a cluster that runs one Dag once."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def instances(self) -> list[Instance]:
        """Return all task instances."""
        return self._instances(SQL("TRUE"))

    def running_on(self, host: str) -> list[Instance]:
        """Return the task instances that run on a worker."""
        return self._instances(SQL("state = 'running' AND hostname = {}").format(host))

    def states(self) -> Counter[tuple[str, str]]:
        """Return how many task instances are in each state, by task."""
        rows = self._rows(SQL("SELECT task_id, state, count(*) FROM task_instance GROUP BY 1, 2"))
        return Counter({(task_id, state or "none"): count for task_id, state, count in rows})

    def waiting_on(self, host: str) -> int:
        """Return how many triggers run on a triggerer."""
        query = "SELECT count(*) FROM trigger JOIN job ON job.id = triggerer_id WHERE job.hostname = {}"
        return int(self._rows(SQL(query).format(host))[0][0])

    def run_state(self) -> str:
        """Return the state of the run."""
        return str(self._rows(SQL("SELECT state FROM dag_run"))[0][0])

    def tables(self) -> dict[str, Table]:
        """Return every table; PostgreSQL may count what was done to it ten seconds late."""
        done = "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del, pg_total_relation_size(relid) FROM pg_stat_user_tables"
        return {
            name: Table(self._count(name), inserts, updates, deletes, size / 1024)
            for name, inserts, updates, deletes, size in self._rows(SQL(done))
        }

    def _count(self, name: str) -> int:
        return int(self._rows(SQL("SELECT count(*) FROM {}").format(Identifier(name)))[0][0])

    def _instances(self, which: Any) -> list[Instance]:
        query = "SELECT task_id, map_index, state, try_number, next_method IS NOT NULL FROM task_instance WHERE {}"
        rows = self._rows(SQL(query).format(which) + SQL(" ORDER BY task_id, map_index"))
        return [Instance(*row) for row in rows]

    def _rows(self, query: Any) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(query).fetchall()
        return rows


@contextmanager
def database(url: str) -> Iterator[Database]:
    """Be connected while the block runs."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield Database(connection)
