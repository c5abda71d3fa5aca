"""The bounds of single fields, and what is none of them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runcomfy.api import fields
from airflow_provider_runcomfy.api.types import CancelOutcome, RequestState


@pytest.mark.parametrize(("value", "amount"), [(1e12, 1e12), (-1e12, -1e12), (1e12 + 1, None), (-1e12 - 1, None)])
def test_the_largest_amount_of_money(value: float, amount: float | None) -> None:
    assert fields.number(value) == amount


@pytest.mark.parametrize(("value", "amount"), [(0, 0.0), (1, 1.0), (-0.01, None), (True, None), ("1", None)])
def test_a_cost_is_from_0_on(value: Any, amount: float | None) -> None:
    assert fields.cost(value) == amount


@pytest.mark.parametrize(("value", "kept"), [("", None), ("x", "x"), ("x" * 64, "x" * 64), ("x" * 65, None), (7, None)])
def test_a_time_is_text_of_up_to_64_characters(value: Any, kept: str | None) -> None:
    assert fields.time(value) == kept


def test_an_output_of_32_kib_is_kept_and_of_a_larger_one_the_beginning() -> None:
    largest = "x" * ((32 << 10) - 2)
    assert fields.bounded(largest) == largest
    assert fields.bounded(largest + "x") == {"truncated": '"' + "x" * 1999, "bytes": (32 << 10) + 1}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("running", RequestState.IN_PROGRESS),
        ("In-Progress", RequestState.IN_PROGRESS),
        (" not heard of ", RequestState.UNKNOWN),
        ("", None),
        (7, None),
    ],
)
def test_the_word_for_a_state(word: Any, state: RequestState | None) -> None:
    assert fields.state({"status": word}) is state


@pytest.mark.parametrize(("word", "says"), [("failed", True), (" Failed", True), ("error", False), (None, False)])
def test_only_the_documented_word_says_failed(word: Any, says: bool) -> None:
    assert fields.says_failed({"status": word}) is says


@pytest.mark.parametrize("data", [{}, {"status": "in_queue"}, {"status": 7}, {"outcome": "", "status": "queued"}])
def test_a_cancel_of_which_nothing_is_said(data: dict[str, Any]) -> None:
    assert fields.cancel_outcome(data) is CancelOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("data", "named", "why"),
    [
        ({}, None, "RunComfy gave no reason"),
        ({"error": [], "error_message": "A", "message": "B"}, "A", "A"),
        ({"message": "B", "detail": "C"}, None, "B"),
        ({"detail": "C"}, None, "C"),
        ({"error": "https://a/b?key=secret"}, "https://a/b?…", "https://a/b?…"),
        ({"error": "x" * 2000}, "x" * 2000, "x" * 2000),
        ({"error": "x" * 2001}, "x" * 1999 + "…", "x" * 1999 + "…"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_why_a_generation_failed(data: dict[str, Any], named: str | None, why: str) -> None:
    assert fields.named_error(data) == named
    assert fields.failure(data) == why
