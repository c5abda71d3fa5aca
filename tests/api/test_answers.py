"""What a file server's headers say, and what they do not."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_runcomfy.api import answers


def response(headers: Mapping[str, str] | None = None, *, chunked: bool = False) -> Any:
    return SimpleNamespace(headers=headers or {}, raw=SimpleNamespace(chunked=chunked))


@pytest.mark.parametrize(
    ("value", "chunked", "size"),
    [("10", False, 10), ("0", False, 0), ("10", True, None), ("", False, None), ("-1", False, None),
     ("1_0", False, None), ("\u0665", False, None), ("\u00b2", False, None),
     ("9" * 18, False, 10**18 - 1), ("9" * 19, False, None), ("9" * 5000, False, None)],
)  # fmt: skip
def test_the_length_of_an_answer(value: str, chunked: bool, size: int | None) -> None:
    assert answers.length(response({"Content-Length": value}, chunked=chunked)) == size


def test_an_answer_without_a_length_has_none() -> None:
    assert answers.length(response()) is None


@pytest.mark.parametrize(
    ("headers", "encoded"),
    [({}, False), ({"Content-Encoding": " Identity "}, False), ({"Content-Encoding": "gzip"}, True)],
)
def test_whether_an_answer_is_compressed(headers: dict[str, str], encoded: bool) -> None:
    assert answers.is_encoded(response(headers)) is encoded


@pytest.mark.parametrize(
    ("value", "start_and_total"),
    [
        ("bytes 5-9/10", (5, 10)),
        ("bytes 5-9/*", (5, None)),
        ("bytes */10", (-1, None)),
        ("5-9/10", (-1, None)),
        (f"bytes 5-9/{'9' * 18}", (5, 10**18 - 1)),
        (f"bytes 5-9/{'9' * 19}", (-1, None)),
        (f"bytes 5-9/{'9' * 5000}", (-1, None)),
        (f"bytes {'9' * 5000}-9/*", (-1, None)),
        ("", (-1, None)),
    ],
)
def test_which_part_of_a_file_an_answer_has(value: str, start_and_total: tuple[int, int | None]) -> None:
    assert answers.start_and_total(response({"Content-Range": value})) == start_and_total


def test_an_answer_that_does_not_say_which_part_it_is() -> None:
    assert answers.start_and_total(response()) == (-1, None)
    assert answers.total_of_refusal(response()) is None


@pytest.mark.parametrize(
    ("value", "total"),
    [
        ("bytes */10", 10),
        ("bytes 5-9/10", None),
        ("bytes */*", None),
        (f"bytes */{'9' * 18}", 10**18 - 1),
        (f"bytes */{'9' * 19}", None),
        (f"bytes */{'9' * 5000}", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_how_large_a_file_is_that_has_no_such_part(value: str, total: int | None) -> None:
    assert answers.total_of_refusal(response({"Content-Range": value})) == total
