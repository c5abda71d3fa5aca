from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_runcomfy.exceptions import InvalidInputsError
from airflow_provider_runcomfy.request_ids import GivenRequest, given_requests, request_ids

RESULT = {"request_id": "r-1", "state": "succeeded", "media": [{"url": "https://x", "kind": "video"}]}


class Lazy:
    """As Airflow's lazy sequence of mapped results: it can be iterated, and is no list."""

    def __iter__(self) -> Iterator[Any]:
        yield from (RESULT, "r-2")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("r-1", ["r-1"], id="an id"),
        pytest.param("A_b-9" * 25, ["A_b-9" * 25], id="a long id"),
        pytest.param(RESULT, ["r-1"], id="a result"),
        pytest.param(["r-2", RESULT], ["r-2", "r-1"], id="a list of both"),
        pytest.param(("r-2", "r-1"), ["r-2", "r-1"], id="a tuple"),
        pytest.param([["r-1", "r-2"], ["r-3"], RESULT, "r-4"], ["r-1", "r-2", "r-3", "r-4"], id="lists in a list"),
        pytest.param(Lazy(), ["r-1", "r-2"], id="what mapped tasks returned"),
        pytest.param(["r-1", RESULT, "r-2", "r-1"], ["r-1", "r-2"], id="each once"),
        pytest.param([], [], id="no mapped tasks"),
    ],
)
def test_what_a_request_id_may_be(value: Any, expected: list[str]) -> None:
    assert request_ids(value) == expected


@pytest.mark.parametrize("value", [["r-1", RESULT], [RESULT, "r-1"], [RESULT, {"request_id": "r-1"}]], ids=repr)
def test_a_result_is_kept_with_its_id(value: Any) -> None:
    assert given_requests(value) == [GivenRequest("r-1", RESULT)]


@pytest.mark.parametrize("value", [None, [None], ["r-1", None], [[None]], "None"], ids=repr)
def test_none_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidInputsError, match=r"`clip` is None.*marked it successful by hand"):
        request_ids(value, parameter="clip")


@pytest.mark.parametrize(
    "value",
    ["", " r-1", "r 1", "r/1", "../r", "r" * 129, "r-1\n", b"r-1", 7, True, {}, {"id": "r-1"}, {"request_id": None},
     {"request_id": 7}, "['r-1', 'r-2']", [[["r-1"]]]],
    ids=repr,
)  # fmt: skip
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputsError, match=r"`request_id` is .* which is no request id"):
        request_ids(value)


@pytest.mark.parametrize(
    ("said", "cost"),
    [(0.5, 0.5), (0, 0.0), (None, None), ("0.5", None), (True, None), (-1, None), (float("nan"), None)],
)
def test_the_cost_that_comes_with_a_result_is_an_amount_or_not_known(said: Any, cost: float | None) -> None:
    assert GivenRequest("r-1", {**RESULT, "cost_usd": said}).cost_usd == cost
