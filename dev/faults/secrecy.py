"""Look for the token in everything that was written: files as they are, the database value by value."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

from dev.faults.stage import TOKEN

_DATABASE = Path("airflow", "airflow.db")
_LOGS = Path("airflow", "logs")
# So long that SQLite spreads the value over several pages.
_PADDING = "x" * 20_000


@dataclass(frozen=True)
class Search:
    """
    What was looked through, and where the token is.

    :param values: how many texts and bytes of the database.
    :param triggers: how many triggers' decrypted arguments are among them.
    """

    files: int
    values: int
    triggers: int
    places: tuple[str, ...]


def search(folder: Path, fernet_key: str) -> Search:
    """Look for the token in every file below ``folder``, and in every value of Airflow's database there."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    places = [str(path.relative_to(folder)) for path in files if TOKEN.encode() in path.read_bytes()]
    values = triggers = 0
    for place, value in _values(folder / _DATABASE, Fernet(fernet_key)):
        values += 1
        triggers += place == "trigger.kwargs"
        if TOKEN.encode() in value and place not in places:
            places.append(place)
    return Search(len(files), values, triggers, tuple(places))


def _values(database: Path, fernet: Fernet) -> Iterator[tuple[str, bytes]]:
    """Return every text of a database with its table and column; what triggers are given is decrypted."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for table in sorted(name.decode() for (name,) in names):
            rows = connection.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in rows.description]
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    if isinstance(value, bytes):
                        place = f"{table}.{column}"
                        yield place, _decrypted(value, fernet) if place == "trigger.kwargs" else value


def _decrypted(value: bytes, fernet: Fernet) -> bytes:
    # Airflow itself reads what begins so as not encrypted.
    return value if value.startswith(b"{") else fernet.decrypt(value)


def what_it_overlooks(folder: Path, fernet_key: str, scratch: Path) -> list[str]:
    """Return where :func:`search` does not find a token that was planted in a copy of the logs and the database."""
    (scratch / _DATABASE).parent.mkdir(parents=True)
    with (
        closing(sqlite3.connect(f"file:{folder / _DATABASE}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(scratch / _DATABASE)) as target,
    ):
        source.backup(target)
        for place, encode in _plants(Fernet(fernet_key)).items():
            _plant(target, place, encode)
        target.commit()
    log = next((folder / _LOGS).glob("dag_id=*/**/*.log"))
    planted = scratch / log.relative_to(folder)
    planted.parent.mkdir(parents=True)
    shutil.copy(log, planted)
    with planted.open("a") as text:
        text.write(f'{{"event": "{TOKEN}"}}\n')
    wanted = {*_plants(Fernet(fernet_key)), str(log.relative_to(folder))}
    return sorted(wanted - set(search(scratch, fernet_key).places))


def _plants(fernet: Fernet) -> dict[str, Callable[[str], str]]:
    """Return the columns in which a token is planted, and how each keeps a text."""
    return {
        "xcom.value": str,
        "task_state_store.value": str,
        "trigger.kwargs": lambda text: fernet.encrypt(text.encode()).decode(),
    }


def _plant(database: sqlite3.Connection, place: str, encode: Callable[[str], str]) -> None:
    table, column = place.split(".")
    value = encode(f'{{"value": "{_PADDING}{TOKEN}"}}')
    query = f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = (SELECT min(rowid) FROM "{table}")'
    database.execute(query, (value,))
