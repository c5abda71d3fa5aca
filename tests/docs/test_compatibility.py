"""The table of `docs/compatibility.md` on what Airflow offers is what the Airflow that runs the tests offers."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import airflow
import pytest

from tests.docs.tables import docs, rows_of

MINOR = ".".join(airflow.__version__.split(".")[:2])
AIRFLOWS = ["3.1", "3.2", "3.3"]
PAGE = docs("compatibility.md")
ROWS = rows_of(PAGE, "what needs more than Airflow 3.1")
OFFERS: dict[str, Callable[[], bool]] = {}


def offers(what: str) -> Callable[[Callable[[], bool]], Callable[[], bool]]:
    """Say on which row of the table a function looks."""

    def keep(look: Callable[[], bool]) -> Callable[[], bool]:
        assert what not in OFFERS
        OFFERS[what] = look
        return look

    return keep


@offers("a retry and a clear go on with what an earlier try has paid for")
@offers("a re-run of a copy knows what it has copied, and removes what a killed one left")
def has_task_state_store() -> bool:
    from airflow.sdk.definitions.context import Context

    return "task_state_store" in Context.__annotations__


@offers("a person's kill cancels the queued request of a deferred task (`cancel_on_kill`)")
def tells_triggers_of_a_kill() -> bool:
    from airflow.triggers.base import BaseTrigger

    return hasattr(BaseTrigger, "on_kill")


@offers("the commands as `airflow runcomfy`")
def takes_commands_of_providers() -> bool:
    from airflow.providers_manager import ProvidersManager

    return hasattr(ProvidersManager, "initialize_providers_cli_command")


@offers("the connection form has fields for the extras")
def reads_fields_from_metadata() -> bool:
    from airflow import providers_manager

    return "conn-fields" in inspect.getsource(providers_manager)


@offers("a token that a trigger logs is masked by the process that writes the log, too")
def masks_from_triggers() -> bool:
    from airflow.sdk import log

    return hasattr(log, "amask_secret")


@offers("triggerers for certain queues alone (`airflow triggerer --queues`)")
def has_queues_of_triggers() -> bool:
    from airflow.configuration import conf

    return conf.has_option("triggerer", "queues_enabled")


@pytest.mark.skipif(MINOR not in AIRFLOWS, reason=f"the table does not have Airflow {MINOR}")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_of_this_airflow_what_it_offers(row: list[str]) -> None:
    what, *cells = row
    said = cells[AIRFLOWS.index(MINOR)]
    assert said.split(":")[0] == ("yes" if OFFERS[what]() else "no")


def test_every_row_is_looked_at() -> None:
    assert {row[0] for row in ROWS} == set(OFFERS)
    assert all(len(row) == 1 + len(AIRFLOWS) for row in ROWS)
    assert f"| {' | '.join(['what needs more than Airflow 3.1', *AIRFLOWS])} |" in PAGE


def test_what_is_missing_comes_with_what_happens_instead() -> None:
    for row in ROWS:
        assert all(cell == "yes" or cell.startswith("no: ") for cell in row[1:])
