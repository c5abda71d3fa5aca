"""Whatever a server answers: a value of the right type or a RunComfyError, and never a success that is none."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_runcomfy.api import wire
from airflow_provider_runcomfy.api.errors import Money, RunComfyError, SubmissionUnknownError
from airflow_provider_runcomfy.api.ids import is_request_id
from airflow_provider_runcomfy.api.payload import Answer
from airflow_provider_runcomfy.api.refusals import read_code
from airflow_provider_runcomfy.api.types import (
    Balance,
    CancelOutcome,
    GenerationResult,
    RequestState,
    RequestStatus,
)
from tests.api.answers import MODEL, PAGE, REQUEST, SETTINGS, TOKEN, accepted, refused, status_of

URL = "https://cdn.runcomfy.com/x_output.mp4"
REAL: list[Any] = [
    accepted(status="in_queue"),
    status_of("in_queue", queue_position=2, status_url=URL, result_url=URL),
    status_of("completed"),
    status_of("succeeded", output={"video": URL, "images": [URL, {"url": URL}]}, cost=0.84, created_at="2026-11-20"),
    status_of("failed", error=[{"errorCode": 1, "error": "No.", "debugInfo": {"a": "b"}}]),
    status_of("completed", outcome="cancelled"),
    refused(400005, detail=[{"loc": ["a"], "msg": "b"}]),
    refused(400002, request_id=REQUEST),
    {"models": [{"model_id": MODEL, "kind": "video"}], "total": 2, "limit": 500, "offset": 0},
    {"model_id": MODEL, "input_schema": {}},
    {"balance_usd": 5, "balance_microdollars": 5000000, "currency": "USD"},
]
WORDS = ["succeeded", "completed", "FAILED", "in queue", "cancelled", "not_cancellable", REQUEST, "other", TOKEN, URL]
ODD = ["\0", "\ud800", "a" * 3000, -1, 0, 2**70, 1e308, 400004, "404001", 500001, True]
VALUES = st.recursive(
    st.none() | st.sampled_from([*WORDS, *ODD]) | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
KEYS = sorted({key for body in REAL for key in body} | {"error", "message", "detail", "outcome", "output", "cost"})


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a real answer with some of its fields changed, added or taken away."""
    body = copy.deepcopy(draw(st.sampled_from(REAL)))
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=4)):
        if draw(st.booleans()):
            body[key] = draw(VALUES)
        else:
            body.pop(key, None)
    text = json.dumps(body)
    cut = draw(st.none() | st.integers(0, len(text)))
    return text[:cut].encode()


BODIES = mutated() | VALUES.map(lambda value: json.dumps(value).encode()) | st.binary() | st.sampled_from([PAGE, b""])
STATUSES = st.sampled_from([200, 200, 200, 202, 204, 302, 400, 401, 403, 404, 429, 500, 503]) | st.integers(100, 999)
HEADERS = st.dictionaries(st.sampled_from(["retry-after", "date", "content-type"]), st.text())
ANSWERS = st.builds(Answer, STATUSES, BODIES, HEADERS, st.just(TOKEN))

Parse = Callable[[wire.Call, Answer], Any]
PARSERS: list[Any] = [
    pytest.param(wire.parse_submit, wire.submit_call(SETTINGS, MODEL, {}), str, id="submit"),
    pytest.param(wire.parse_status, wire.status_call(SETTINGS, REQUEST), RequestStatus, id="status"),
    pytest.param(wire.parse_result, wire.result_call(SETTINGS, REQUEST), GenerationResult, id="result"),
    pytest.param(wire.parse_cancel, wire.cancel_call(SETTINGS, REQUEST), CancelOutcome, id="cancel"),
    pytest.param(wire.parse_models, wire.models_call(SETTINGS, {}, offset=0), tuple, id="models"),
    pytest.param(wire.parse_model, wire.model_call(SETTINGS, MODEL), dict, id="model"),
    pytest.param(wire.parse_balance, wire.balance_call(SETTINGS), Balance, id="balance"),
]


def parsed(parse: Parse, call: wire.Call, answer: Answer) -> Any:
    """Return the value, or the error as a value."""
    try:
        return parse(call, answer)
    except RunComfyError as error:
        return error


def is_storable(text: str) -> bool:
    return "\0" not in text and text.encode("utf-8").decode("utf-8") == text


@pytest.mark.parametrize(("parse", "call", "kind"), PARSERS)
@given(answer=ANSWERS)
def test_any_answer_is_a_value_or_a_runcomfy_error(parse: Parse, call: wire.Call, kind: type, answer: Answer) -> None:
    got = parsed(parse, call, answer)
    assert isinstance(got, (kind, RunComfyError))
    assert TOKEN not in f"{got!r}{got}"
    if isinstance(got, RunComfyError):
        assert is_storable(str(got))
        assert str(got).isprintable()
        assert 0 < len(str(got)) < 2000


@settings(max_examples=300)
@given(answer=ANSWERS)
def test_success_is_only_what_a_result_says_in_a_2xx_without_an_error(answer: Answer) -> None:
    got = parsed(wire.parse_result, wire.result_call(SETTINGS, REQUEST), answer)
    if isinstance(got, GenerationResult) and got.state is RequestState.SUCCEEDED:
        said = json.loads(answer.body)
        assert 200 <= answer.status < 300
        assert said["status"].strip().lower() in ("succeeded", "completed", "success")
        assert said.get("error_code") is None
        assert said.get("request_id", REQUEST) == REQUEST
        assert got.media or not got.error
    status = parsed(wire.parse_status, wire.status_call(SETTINGS, REQUEST), answer)
    assert isinstance(status, RunComfyError) or status.state is not RequestState.SUCCEEDED


FAILED_ANSWERS = st.builds(
    lambda status, fields, headers: Answer(status, json.dumps({"status": "failed", **fields}).encode(), headers),
    STATUSES,
    st.dictionaries(st.sampled_from(["error_code", "error", "request_id", "status"]), VALUES, max_size=3),
    HEADERS,
)


@settings(max_examples=300)
@given(answer=ANSWERS | FAILED_ANSWERS)
def test_a_failure_is_only_what_an_answer_says_of_this_request_and_none_of_token_gateway_or_patience(
    answer: Answer,
) -> None:
    for parse, call in (
        (wire.parse_status, wire.status_call(SETTINGS, REQUEST)),
        (wire.parse_result, wire.result_call(SETTINGS, REQUEST)),
    ):
        got = parsed(parse, call, answer)
        if isinstance(got, RunComfyError) or got.state is not RequestState.FAILED:
            continue
        said = json.loads(answer.body)
        assert said.get("request_id", REQUEST) == REQUEST
        assert read_code(said) not in (400002, 400004, 400005, 403001, 404001)
        assert answer.is_success or (
            answer.status in (400, 409, 422, 500) and said["status"].strip().lower() == "failed"
        )


@settings(max_examples=300)
@given(answer=ANSWERS)
def test_a_submit_is_an_id_of_a_2xx_without_an_error_or_certainly_refused_or_unknown(answer: Answer) -> None:
    got = parsed(wire.parse_submit, wire.submit_call(SETTINGS, MODEL, {}), answer)
    if isinstance(got, str):
        said = json.loads(answer.body)
        assert got == said["request_id"]
        assert is_request_id(got)
        assert 200 <= answer.status < 300
        assert said.get("error_code") is None
    elif isinstance(got, SubmissionUnknownError):
        assert got.money is Money.UNKNOWN
    else:
        assert got.money is Money.NOT_SPENT
        assert str(got).endswith("Nothing was charged.")
        assert answer.status < 500 or got.error_code in (400001, 400002, 400004, 403001, 404001)


@settings(max_examples=300)
@given(answer=ANSWERS)
def test_a_result_is_the_same_after_a_round_trip_and_can_be_stored(answer: Answer) -> None:
    got = parsed(wire.parse_result, wire.result_call(SETTINGS, REQUEST), answer)
    if isinstance(got, RunComfyError):
        return
    text = json.dumps(got.as_dict(MODEL), allow_nan=False)
    assert "\\u0000" not in text
    assert len(text) < 200_000
    assert is_storable(json.dumps(got.as_dict(MODEL), ensure_ascii=False))
    again = GenerationResult.from_dict(json.loads(text))
    assert again.as_dict(MODEL) == got.as_dict(MODEL)
    assert is_storable(got.error or "")
