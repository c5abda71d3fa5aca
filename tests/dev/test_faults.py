"""What the faults decide by themselves: what is killed, what is found, what must become of a marked task."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from dev.faults.campaign import TASK, Deck
from dev.faults.components import SCHEDULER, TRIGGERER
from dev.faults.database import Database
from dev.faults.marking_cases import RUNNING, Case, cases
from dev.faults.secrecy import search, what_it_overlooks
from dev.faults.stage import TOKEN

KEY = Fernet.generate_key().decode()


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_has_its_share_whatever_the_seed(seed: int) -> None:
    deck = Deck(60, random.Random(seed))

    assert Counter(deck.cards) == {TASK: 50, TRIGGERER: 5, SCHEDULER: 5}


def test_the_order_is_that_of_the_seed() -> None:
    assert Deck(60, random.Random(1)).cards == Deck(60, random.Random(1)).cards
    assert Deck(60, random.Random(1)).cards != Deck(60, random.Random(2)).cards


def test_the_job_at_work_is_the_newest_that_goes_on_and_has_had_a_heartbeat(tmp_path: Path) -> None:
    jobs = [
        (1, "TriggererJob", "running", "2026-01-01 09:59:59.0", "2026-01-01 10:00:09.0"),
        (2, "TriggererJob", "running", "2026-01-01 10:00:01.0", "2026-01-01 10:00:09.0"),
        (3, "TriggererJob", "success", "2026-01-01 10:00:02.0", "2026-01-01 10:00:09.0"),
        (4, "TriggererJob", "running", "2026-01-01 10:00:03.0", "2026-01-01 10:00:03.0"),
        (5, "SchedulerJob", "running", "2026-01-01 10:00:04.0", "2026-01-01 10:00:09.0"),
    ]
    with closing(sqlite3.connect(tmp_path / "airflow.db")) as database:
        database.execute("CREATE TABLE job (id INTEGER, job_type, state, start_date, latest_heartbeat)")
        database.executemany("INSERT INTO job VALUES (?, ?, ?, ?, ?)", jobs)
        database.commit()

    found = Database(tmp_path / "airflow.db").job(
        "TriggererJob", since=datetime(2026, 1, 1, 10, tzinfo=UTC).timestamp()
    )

    assert found == 2


def test_a_task_instance_is_told_by_its_id_and_one_that_is_nobody_s_is_of_no_dag(tmp_path: Path) -> None:
    own_id = "0199c0de-0000-7000-8000-0000000000aa"
    with closing(sqlite3.connect(tmp_path / "airflow.db")) as file:
        file.execute("CREATE TABLE task_instance (id, dag_id)")
        file.execute("INSERT INTO task_instance VALUES (?, 'a')", (own_id.replace("-", ""),))
        file.commit()
    database = Database(tmp_path / "airflow.db")

    assert database.dag_id(own_id) == "a"
    assert database.dag_id(own_id.replace("aa", "bb")) is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a run leaves behind: one log, and a database with a row for each place."""
    folder = tmp_path / "run"
    log = folder / "airflow" / "logs" / "dag_id=a" / "attempt=1.log"
    log.parent.mkdir(parents=True)
    log.write_text("a line\n")
    with closing(sqlite3.connect(folder / "airflow" / "airflow.db")) as database:
        database.execute("CREATE TABLE xcom (id INTEGER, value JSON)")
        database.execute("CREATE TABLE task_state_store (id INTEGER, value TEXT)")
        database.execute('CREATE TABLE trigger (id INTEGER, "kwargs" TEXT)')
        database.execute("INSERT INTO xcom VALUES (1, '{}')")
        database.execute("INSERT INTO task_state_store VALUES (1, '{}')")
        database.execute("INSERT INTO trigger VALUES (1, ?)", (_encrypted("{}"),))
        database.commit()
    return folder


def test_a_token_that_is_nowhere_is_not_found(folder: Path) -> None:
    found = search(folder, KEY)

    assert (found.files, found.values, found.triggers, found.places) == (2, 3, 1, ())


def test_a_token_in_what_a_trigger_is_given_is_found_although_it_is_encrypted(folder: Path) -> None:
    _write(folder, 'UPDATE trigger SET "kwargs" = ?', _encrypted(f'{{"token": "{TOKEN}"}}'))

    assert search(folder, KEY).places == ("trigger.kwargs",)


def test_a_token_that_the_database_file_splits_is_found(folder: Path) -> None:
    _write(folder, "UPDATE xcom SET value = ?", "x" * 200_000 + TOKEN)

    assert "xcom.value" in search(folder, KEY).places


def test_the_search_finds_what_is_planted_everywhere(folder: Path, tmp_path: Path) -> None:
    assert what_it_overlooks(folder, KEY, tmp_path / "scratch") == []
    assert search(folder, KEY).places == ()


def test_a_place_in_which_nothing_could_be_planted_counts_as_overlooked(folder: Path, tmp_path: Path) -> None:
    _write(folder, "DELETE FROM xcom WHERE id < ?", 10)

    assert what_it_overlooks(folder, KEY, tmp_path / "scratch") == ["xcom.value"]


def test_marking_meets_every_state_mode_flag_and_act() -> None:
    every = [*cases("in_progress"), *cases("in_queue")]

    assert len(every) == len({case.prefix for case in every}) == 28
    assert RUNNING == 14
    for case in every:
        assert len(case.said) >= 1


@pytest.mark.parametrize(
    ("case", "becomes"),
    [
        (Case("in_queue", "deferred", "on", "cleared"), ["in_queue"]),
        (Case("in_queue", "worker", "on", "cleared"), ["cancelled", "in_queue"]),
        (Case("in_queue", "worker", "off", "cleared"), ["in_queue"]),
        (Case("in_queue", "deferred", "on", "failed"), ["cancelled"]),
        (Case("in_queue", "deferred", "off", "success"), ["in_queue"]),
        (Case("in_progress", "worker", "on", "cleared"), ["in_progress"]),
        (Case("in_queue", "deferred", "on", "timed out"), ["cancelled"]),
        (Case("in_queue", "deferred", "off", "timed out"), ["in_queue"]),
    ],
)
def test_what_becomes_of_a_request_is_what_the_operator_documents(case: Case, becomes: list[str]) -> None:
    assert case.becomes == becomes


def _encrypted(text: str) -> str:
    return Fernet(KEY).encrypt(text.encode()).decode()


def _write(folder: Path, query: str, value: object) -> None:
    with closing(sqlite3.connect(folder / "airflow" / "airflow.db")) as database:
        database.execute(query, (value,))
        database.commit()
