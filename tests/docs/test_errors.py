"""Each row of `docs/errors.md` is what really happens: its cause is brought about, and class and words are compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from inspect import isclass
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy import exceptions
from airflow_provider_runcomfy.compat import AirflowFailException, AirflowSensorTimeout
from airflow_provider_runcomfy.transfers.copying import OtherObjectError
from airflow_provider_runcomfy.transfers.results import ResultNotYetError
from airflow_provider_runcomfy.transfers.source import CopyStoppedError
from airflow_provider_runcomfy.transfers.store import StorageFailedError, StorageRefusedError
from tests.docs.producers import PRODUCERS
from tests.docs.stage import Stage
from tests.docs.tables import docs, rows_of
from tests.transfers.file_server import FileServer, file_server

OF_COPIES = {OtherObjectError, ResultNotYetError, CopyStoppedError, StorageFailedError, StorageRefusedError}
ALL = OF_COPIES | {
    kind for kind in vars(exceptions).values() if isclass(kind) and kind.__module__ == exceptions.__name__
}


@dataclass(frozen=True)
class Row:
    """One row of the table: what happened, as what Airflow sees it, and what that means."""

    cause: str
    error: str
    says: str
    money: str
    retried: str
    cure: str

    def fits(self, text: str) -> bool:
        """Return whether an error's text is that of the row, in which `…` stands for what differs."""
        pattern = ".*?".join(re.escape(part) for part in self.says.split("…"))
        return re.search(pattern, text, re.DOTALL) is not None


ROWS = [Row(cause, error.strip("`"), *rest) for cause, error, *rest in rows_of(docs("errors.md"), "what happened")]


@pytest.fixture(scope="module")
def server() -> Iterator[FileServer]:
    with file_server() as server:
        yield server


@pytest.fixture
def stage(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(monkeypatch, tmp_path, server, stack)


@pytest.mark.slow
@pytest.mark.parametrize("row", [pytest.param(row, id=row.cause) for row in ROWS])
def test_what_a_row_says_is_what_happens(stage: Stage, row: Row) -> None:
    with pytest.raises(AirflowException) as caught:
        PRODUCERS[row.cause](stage)
    said = str(caught.value)
    assert type(caught.value).__name__ == row.error, said
    assert row.fits(said), said
    # Airflow retries neither of them.
    is_retried = not isinstance(caught.value, AirflowFailException | AirflowSensorTimeout)
    assert is_retried == row.retried.startswith("yes")
    if row.money.startswith("nothing") and "sandbox" in vars(stage):
        assert stage.sandbox.requests() == []


def test_no_row_is_without_a_test_and_no_test_without_a_row() -> None:
    assert sorted(row.cause for row in ROWS) == sorted(PRODUCERS)


def test_every_class_has_a_row() -> None:
    assert {kind.__name__ for kind in ALL} - {row.error for row in ROWS} == set()


def test_every_class_of_an_error_in_the_package_is_known_here() -> None:
    package = Path(exceptions.__file__).parent
    rooms = [path for path in package.rglob("*.py") if path.parent.name not in ("api", "sandbox")]
    found = {
        name
        for path in rooms
        for name, base in re.findall(r"^class (\w+)\((\w+)\):", path.read_text(), re.MULTILINE)
        if base in {kind.__name__ for kind in ALL}
    }
    assert found - {kind.__name__ for kind in ALL} == set()


def test_every_row_says_what_to_do() -> None:
    assert [row.cause for row in ROWS if not (row.money and row.cure)] == []
