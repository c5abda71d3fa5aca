"""What the documentation says of the sandbox's options and faults is what it takes."""

from __future__ import annotations

import re

import pytest

from airflow_provider_runcomfy.sandbox.faults import Effect, InvalidFaultError, parse_fault
from airflow_provider_runcomfy.sandbox.options import OPTIONS
from tests.docs.tables import docs, rows_of

FAULTS = {row[0].strip("`"): row for row in rows_of(docs("commands.md"), "`effect`")}
VALUES = {
    "code": 503,
    "error_code": 400004,
    "body": "a",
    "headers": {"A": "b"},
    "seconds": 1,
    "error": "a",
    "drop": True,
    "after_bytes": 1,
}


def test_its_options_and_their_defaults() -> None:
    told = {row[0].strip("`"): row[1].strip("`") for row in rows_of(docs("commands.md"), "option")}
    assert told == {flag: f"{how['default']:g}" if flag != "--host" else how["default"] for flag, how in OPTIONS}


def test_its_faults() -> None:
    assert list(FAULTS) == [effect.value for effect in Effect]


@pytest.mark.parametrize("effect", FAULTS)
def test_each_takes_the_keys_that_are_told_and_comes_as_often(effect: str) -> None:
    _, keys, _, _, how_often = FAULTS[effect]
    named = re.findall(r"`(\w+)`", keys)
    # The two ways of an outage exclude each other.
    given = {name: 404 if (effect, name) == ("expire", "code") else VALUES[name] for name in named if name != "drop"}
    assert parse_fault({"effect": effect, **given}).times == {"once": 1, "always": None}[how_often]
    for name in VALUES.keys() - set(named):
        with pytest.raises(InvalidFaultError):
            parse_fault({"effect": effect, **given, name: VALUES[name]})
