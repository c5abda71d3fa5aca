"""The form of a fault, and which calls it meets."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from airflow_provider_runcomfy.sandbox import faults
from airflow_provider_runcomfy.sandbox.calls import CallKind
from airflow_provider_runcomfy.sandbox.faultbook import CallFacts, FaultBook
from airflow_provider_runcomfy.sandbox.faults import Effect, InvalidFaultError, parse_fault


@pytest.mark.parametrize(
    ("given", "calls", "times"),
    [
        pytest.param({"effect": "status", "code": 503}, set(CallKind), 1, id="status"),
        pytest.param({"effect": "delay", "seconds": 1}, set(CallKind), 1, id="delay"),
        pytest.param({"effect": "lost_answer"}, {"submit"}, 1, id="lost answer"),
        pytest.param({"effect": "fail"}, {"submit"}, 1, id="fail"),
        pytest.param({"effect": "moderate", "times": 3}, {"submit"}, 3, id="moderate"),
        pytest.param({"effect": "outage", "seconds": 60}, set(CallKind), None, id="outage"),
        pytest.param({"effect": "expire"}, {"status", "result", "cancel", "file"}, None, id="expire"),
        pytest.param({"effect": "expire", "times": 1}, {"status", "result", "cancel", "file"}, 1, id="expire once"),
        pytest.param({"effect": "truncate", "after_bytes": 10}, {"file"}, 1, id="truncate"),
        pytest.param({"effect": "delay", "seconds": 1, "calls": ["status", "file"]}, {"status", "file"}, 1, id="calls"),
        pytest.param({"effect": "status", "code": 429, "times": None}, set(CallKind), None, id="without end"),
    ],
)
def test_each_effect_has_its_own_calls_and_times(given: dict[str, Any], calls: set[str], times: int | None) -> None:
    fault = parse_fault(given)
    assert (fault.effect, set(fault.calls), fault.times) == (given["effect"], calls, times)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param([], "a fault is a JSON object", id="no object"),
        pytest.param({}, "effect must be one of delay, expire, fail, ", id="no effect"),
        pytest.param({"effect": "explode"}, "not 'explode'", id="unknown effect"),
        pytest.param({"effect": ["status"]}, r"not \['status'\]", id="effect of a wrong type"),
        pytest.param({"effect": "fail", "eror": "x"}, "fail does not take eror; it takes calls, ", id="unknown key"),
        pytest.param({"effect": "fail", "code": 500}, "fail does not take code", id="key of another effect"),
        pytest.param({"effect": "outage", "seconds": 1, "times": 2, "x": 1}, "does not take x", id="outage"),
        pytest.param({"effect": "status"}, "status needs code", id="missing key"),
        pytest.param({"effect": "status", "code": "503"}, "code must be an HTTP status .*, not '503'", id="text code"),
        pytest.param({"effect": "status", "code": 99}, "code must be an HTTP status", id="code too low"),
        pytest.param({"effect": "delay", "seconds": -1}, "seconds must be a number of seconds", id="negative delay"),
        pytest.param({"effect": "delay", "seconds": float("nan")}, "seconds must be", id="delay that is no number"),
        pytest.param({"effect": "delay", "seconds": True}, "seconds must be", id="boolean delay"),
        pytest.param(
            {"effect": "delay", "seconds": 1e10}, "from 0 to 1000000000, not 10000000000.0", id="delay of centuries"
        ),
        pytest.param({"effect": "outage", "seconds": 10**400}, "from 0 to 1000000000, not 1000", id="endless outage"),
        pytest.param({"effect": "fail", "times": 0}, "times must be a number from 1, or null", id="times"),
        pytest.param({"effect": "fail", "calls": ["status"]}, "fail cannot meet status; it can meet submit", id="call"),
        pytest.param({"effect": "status", "code": 500, "calls": "submit"}, "calls must be a list", id="calls as text"),
        pytest.param({"effect": "status", "code": 500, "calls": ["nope"]}, "cannot meet nope", id="unknown call"),
        pytest.param({"effect": "fail", "request_id": "x"}, "request_id cannot be met by submit", id="request id"),
        pytest.param({"effect": "status", "code": 500, "headers": {"A": 1}}, "headers must be", id="headers"),
        *(
            pytest.param({"effect": "status", "code": 500, "headers": {name: value}}, says, id=f"header {name!r}")
            for name, value, says in (
                (
                    "Transfer-Encoding",
                    "chunked",
                    "headers must not have Transfer-Encoding: the sandbox frames its answers",
                ),
                ("content-length", "5", "headers must not have content-length: the sandbox frames its answers"),
                ("Connection", "close", "headers must not have Connection: the sandbox frames its answers"),
                ("X A", "b", "headers must not have 'X A': a name is letters, digits and some signs of ASCII"),
                ("X-\xe9", "b", "headers must not have 'X-\xe9': a name is letters"),
                ("X-A", "\xe9", "headers must have printable ASCII as values, not 'X-A: \xe9'"),
                ("X-B", "a\r\nX-C: b", r"headers must have printable ASCII as values, not 'X-B: a\\r\\nX-C: b'"),
            )
        ),
        pytest.param({"effect": "status", "code": 500, "body": "\ud800"}, "body must be JSON, or text that", id="body"),
        pytest.param(
            {"effect": "outage", "seconds": 1, "code": 503, "drop": True},
            "outage takes code or drop, not both",
            id="or",
        ),
        pytest.param({"effect": "truncate", "after_bytes": 1.5}, "after_bytes must be", id="bytes"),
        pytest.param({"effect": "fail", "prompt": ""}, "prompt must be a non-empty text", id="empty prompt"),
    ],
)
def test_a_wrong_fault_is_refused_by_name(given: object, message: str) -> None:
    with pytest.raises(InvalidFaultError, match=message):
        parse_fault(given)


def test_a_fault_does_not_show_its_token() -> None:
    assert "old-token" not in repr(parse_fault({"effect": "status", "code": 401, "token": "old-token"}))


CALL = CallFacts(CallKind.STATUS, "token", model_id="a/b", request_id="r1", prompt="A black cat")


@pytest.mark.parametrize(
    ("match", "meets"),
    [
        pytest.param({}, True, id="everything"),
        pytest.param({"model_id": "a/b"}, True, id="model"),
        pytest.param({"model_id": "a"}, False, id="another model"),
        pytest.param({"request_id": "r1"}, True, id="request"),
        pytest.param({"request_id": "r"}, False, id="another request"),
        pytest.param({"prompt": "black"}, True, id="part of the prompt"),
        pytest.param({"prompt": "white"}, False, id="not in the prompt"),
        pytest.param({"token": "token"}, True, id="token"),
        pytest.param({"token": "other"}, False, id="another token"),
        pytest.param({"calls": ["status"]}, True, id="call"),
        pytest.param({"calls": ["result"]}, False, id="another call"),
        pytest.param({"model_id": "a/b", "prompt": "white"}, False, id="all must fit"),
    ],
)
def test_what_a_fault_meets(match: dict[str, Any], meets: bool) -> None:
    book = FaultBook()
    book.add(parse_fault({"effect": "status", "code": 500, **match}))
    assert (book.take(CALL, Effect.STATUS) is not None) is meets


def test_a_call_without_prompt_is_not_met_by_a_fault_for_a_prompt() -> None:
    book = FaultBook()
    book.add(parse_fault({"effect": "status", "code": 500, "prompt": "cat"}))
    assert book.take(CallFacts(CallKind.BALANCE, "token"), Effect.STATUS) is None


def test_faults_are_taken_in_order_and_as_often_as_they_say() -> None:
    book = FaultBook()
    book.add(parse_fault({"effect": "status", "code": 500, "times": 2}))
    book.add(parse_fault({"effect": "status", "code": 429}))
    codes = [fault.code if (fault := book.take(CALL, Effect.STATUS)) else None for _ in range(4)]
    assert codes == [500, 500, 429, None]


def test_a_fault_without_end_lasts_until_it_is_removed() -> None:
    book = FaultBook()
    book.add(parse_fault({"effect": "status", "code": 500, "times": None}))
    assert all(book.take(CALL, Effect.STATUS) for _ in range(100))
    book.clear()
    assert book.take(CALL, Effect.STATUS) is None


def test_a_fault_of_another_effect_is_left_for_its_time() -> None:
    book = FaultBook()
    book.add(parse_fault({"effect": "expire", "times": 1}))
    assert book.take(CALL, Effect.STATUS, Effect.OUTAGE) is None
    assert book.take(CALL, Effect.EXPIRE) is not None


def test_every_delay_counts() -> None:
    book = FaultBook()
    for seconds in (1, 2):
        book.add(parse_fault({"effect": "delay", "seconds": seconds}))
    assert [fault.seconds for fault in book.take_all(CALL, Effect.DELAY)] == [1, 2]
    assert book.take_all(CALL, Effect.DELAY) == []


def test_an_outage_ends_by_itself() -> None:
    now = [0.0]
    book = FaultBook(clock=lambda: now[0])
    book.add(parse_fault({"effect": "outage", "seconds": 60}))
    found = []
    for moment in (0.0, 59.9, 60.0):
        now[0] = moment
        found.append(book.take(CALL, Effect.OUTAGE) is not None)
    assert found == [True, True, False]


def test_the_documented_example_of_a_revoked_token_is_a_fault() -> None:
    assert faults.__doc__ is not None
    example = re.search(r"revoked token is ``(.*)``", faults.__doc__)
    assert example is not None
    fault = parse_fault(json.loads(example[1]))
    assert (fault.code, fault.error_code, fault.times) == (401, 400004, None)
