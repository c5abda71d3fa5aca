"""How large, how deep and how odd a value may be before JSON cannot hold it, and how it is shown in an error."""

from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType
from typing import Any

import pytest

from airflow_provider_runcomfy.api.errors import Fault
from airflow_provider_runcomfy.api.plain_json import joined, plain_json, short_repr, shortened


class Text(str):
    __slots__ = ()


class Number(float):
    __slots__ = ()


class Level(IntEnum):
    HIGH = 3


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_as_many_values_as_there_may_be() -> None:
    assert plain_json([0] * 99_999) == ([0] * 99_999, [])


def test_one_value_more_than_there_may_be() -> None:
    plain, faults = plain_json([0] * 100_000)
    assert repr(plain) == "<list>"
    assert faults == [Fault("inputs", "<list>", "at most 100000 values, and none within itself")]


def test_how_deep_a_value_may_be() -> None:
    assert plain_json(nested(50)) == (nested(50), [])
    _, faults = plain_json(nested(51))
    where = "inputs" + "[0]" * 50
    assert faults == [Fault(where, "...", "at most 50 levels deep, and no value within itself")]


def test_how_large_a_number_may_be() -> None:
    largest = 2**1023 - 1
    assert plain_json([largest, -largest]) == ([largest, -largest], [])
    _, faults = plain_json(largest + 1)
    assert faults == [Fault("inputs", short_repr(2**1023), "a number that JSON's readers can hold")]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        pytest.param(Text("a"), "a", id="text"),
        pytest.param(Number(0.5), 0.5, id="a float"),
        pytest.param(Level.HIGH, 3, id="an enum"),
        pytest.param((1, 2), [1, 2], id="a tuple"),
        pytest.param(MappingProxyType({"a": 1}), {"a": 1}, id="a mapping"),
        pytest.param(True, True, id="true"),
        pytest.param(None, None, id="null"),
    ],
)
def test_a_value_becomes_one_of_jsons_own_types(value: Any, plain: Any) -> None:
    copy, faults = plain_json(value)
    assert (type(copy), copy, faults) == (type(plain), plain, [])


def test_every_value_that_json_cannot_hold_is_named_where_it_is() -> None:
    plain, faults = plain_json({"a": [{1}], "b\0": 1, 7: 1, "c": "\ud800", "d": float("inf")})
    assert [*plain] == ["a", "c", "d"]
    assert repr(plain["a"]) == "[{1}]"
    assert [(fault.path, fault.value, fault.allowed) for fault in faults] == [
        ("a[0]", "{1}", "text, a number, true, false, None, a list or an object, as JSON has them"),
        ("inputs['b\\x00']", "'b\\x00'", "field names without NUL and lone surrogates"),
        ("inputs[7]", "7", "field names are text"),
        ("c", "'\\ud800'", "text without NUL and lone surrogates"),
        ("d", "inf", "a finite number"),
    ]


@pytest.mark.parametrize(
    ("path", "steps", "where"),
    [
        ("", (), ""),
        ("", ("a", 0, "b"), "a[0].b"),
        ("a", ("b c",), "a['b c']"),
        ("", (0,), "inputs[0]"),
        ("", ("a" * 80,), "a" * 80),
        ("", ("a" * 81,), f"inputs['{'a' * 79}...]"),
    ],
)
def test_where_a_value_is(path: str, steps: tuple[Any, ...], where: str) -> None:
    assert joined(path, *steps) == where


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("x" * 78, f"'{'x' * 78}'", id="80 characters"),
        pytest.param("x" * 79, f"'{'x' * 79}...", id="81 characters"),
        pytest.param(b"x" * 500, f"b'{'x' * 78}...", id="bytes"),
        pytest.param(bytearray(b"x"), "bytearray(b'x')", id="a bytearray"),
        pytest.param(Broken(), "<Broken>", id="what cannot be shown"),
        pytest.param("a\nb", "'a\\nb'", id="a line break"),
    ],
)
def test_a_value_in_an_error_is_short(value: Any, shown: str) -> None:
    assert short_repr(value) == shown


@pytest.mark.parametrize(
    ("text", "shown"), [("x" * 80, "x" * 80), ("x" * 81, "x" * 80 + "..."), ("a\n\u202eb", "a  b"), ("", "")]
)
def test_text_in_an_error_is_one_line(text: str, shown: str) -> None:
    assert shortened(text) == shown
