from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.api.errors import (
    ForbiddenError,
    InsufficientBalanceError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    RunComfyError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.refusals import MAX_RETRY_AFTER, error_for, read_code, reason, retry_after
from tests.api.answers import MODEL, PAGE, REQUEST, TOKEN, answer, refused

NOW = "Fri, 20 Nov 2026 14:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"retry-after": ""}, None, id="empty"),
        pytest.param({"retry-after": "0"}, 0.0, id="0"),
        pytest.param({"retry-after": "7"}, 7.0, id="seconds"),
        pytest.param({"retry-after": " 2.5 "}, 2.5, id="part of a second"),
        pytest.param({"retry-after": "-5"}, 0.0, id="negative"),
        pytest.param({"retry-after": "999999999"}, MAX_RETRY_AFTER, id="for years"),
        pytest.param({"retry-after": "inf"}, None, id="infinite"),
        pytest.param({"retry-after": "1e999"}, None, id="overflowing"),
        pytest.param({"retry-after": "nan"}, None, id="no number"),
        pytest.param({"retry-after": "soon"}, None, id="a word"),
        pytest.param({"retry-after": "Fri, 20 Nov 2026 14:00:30 GMT", "date": NOW}, 30.0, id="a date"),
        pytest.param({"retry-after": "Fri, 20 Nov 2026 13:00:00 GMT", "date": NOW}, 0.0, id="a date that is past"),
        pytest.param({"retry-after": "Sat, 20 Nov 2027 14:00:00 GMT", "date": NOW}, MAX_RETRY_AFTER, id="in a year"),
        pytest.param({"retry-after": "Fri, 20 Nov 2026 14:00:30 GMT"}, None, id="a date and nothing to count it from"),
        pytest.param({"retry-after": "Fri, 20 Nov 2026 14:00:30", "date": NOW}, None, id="one date without a zone"),
        pytest.param({"retry-after": "Fri, 99 Nov 2026 14:00:30 GMT", "date": NOW}, None, id="no date"),
        *(
            pytest.param({"retry-after": far, "date": now}, None, id=f"{what} that no clock has")
            for what, far, now in (
                ("a year", f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", NOW),
                ("a day", f"Fri, {'9' * 20} Nov 2026 14:00:30 GMT", NOW),
                ("an hour", f"Fri, 20 Nov 2026 {'9' * 20}:00:30 GMT", NOW),
                ("an offset", f"Fri, 20 Nov 2026 14:00:30 +{'9' * 20}", NOW),
                ("a year of its own", NOW, f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT"),
            )
        ),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(answer(b"", 429, headers)) == seconds
    error = error_for(answer(b"", 429, headers), None, "X")
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == seconds


@given(st.text(), st.text())
def test_any_retry_after_is_a_bearable_wait_or_none(text: str, date: str) -> None:
    seconds = retry_after(answer(b"", 429, {"retry-after": text, "date": date}))
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (400004, 400004),
        ("400004", 400004),
        (" 400004\n", 400004),
        (400004.0, 400004),
        (None, None),
        ("", 0),
        ("E_AUTH", 0),
        ("4e5", 0),
        (True, 0),
        ([], 0),
        ({}, 0),
        (-5, 0),
        (10**40, 0),
        ("9" * 5000, 0),
        (1, 1),
        (10**9 - 1, 10**9 - 1),
        (10**9, 0),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_error_code_is_a_number_or_at_least_there(value: object, code: int | None) -> None:
    assert read_code({"error_code": value}) == code


@pytest.mark.parametrize("data", [None, [], "error_code", 7, {}], ids=repr)
def test_what_has_no_error_code(data: object) -> None:
    assert read_code(data) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param({"error_code": 1, "error_message": "A", "message": "B", "error": "C"}, "A", id="error_message"),
        pytest.param({"message": "B", "error": "C", "detail": "D"}, "B (D)", id="message and detail"),
        pytest.param({"error": {"type": "t", "message": "m"}}, "type: t, message: m", id="error, an object"),
        pytest.param({"detail": "D"}, "D", id="detail, text"),
        pytest.param({"detail": [{"loc": ["a", 1], "msg": "m"}]}, "loc: a; 1, msg: m", id="detail, a list"),
        pytest.param({"error_message": "A", "detail": [{"msg": "m"}]}, "A (msg: m)", id="both"),
        pytest.param({"what": "else"}, "what: else", id="another key"),
        pytest.param([{"msg": "m"}], "msg: m", id="a list"),
        pytest.param("words", "words", id="JSON text"),
        pytest.param(b"<html>\r\n<b>Bad\tgateway</b>", "a web page, Bad gateway", id="a page"),
        pytest.param(b"\xff\xfe\x00bad", "\ufffd\ufffd\ufffdbad", id="no text"),
        pytest.param(b"", "an empty answer", id="empty"),
        pytest.param(b"{}", "{}", id="empty object"),
        pytest.param(b"[]", "[]", id="empty list"),
        pytest.param(b'""', '""', id="empty text"),
        pytest.param(b"null", "null", id="null"),
        pytest.param({"what": "x" * 300}, "what: " + "x" * 193 + "…", id="long, another key"),
        pytest.param(b"x" * 300, "x" * 199 + "…", id="long"),
        pytest.param({"message": "x" * 600}, "x" * 499 + "…", id="long message"),
        pytest.param({"message": f"no such token {TOKEN}!"}, "no such token ***!", id="the token"),
        pytest.param(b" " * 790 + TOKEN.encode(), "***", id="the token where an excerpt could cut it"),
        pytest.param(
            b'{"x": "\\u0072' + TOKEN[1:].encode() + b'"}', "x: ***", id="the token with an escaped character"
        ),
    ],
)
def test_the_reason_is_found_in_every_shape(body: object, words: str) -> None:
    from airflow_provider_runcomfy.api.payload import read_quietly

    got = answer(body, 500)
    assert reason(got, read_quietly(got)) == words


@pytest.mark.parametrize(("status", "redirects"), [(299, False), (300, True), (399, True), (400, False)], ids=str)
def test_a_redirect_is_named_as_one(status: int, redirects: bool) -> None:
    said = reason(answer({"message": "No."}, status), {"message": "No."})
    assert said.startswith("it answered with a redirect") is redirects


NOT_RUNCOMFY = (
    "This is not RunComfy's own answer: check the connection's host, and the proxies and firewalls on the way to it."
)


@pytest.mark.parametrize(
    ("status", "body", "page_refuses", "kind", "message"),
    [
        pytest.param(
            400,
            refused(400001),
            True,
            RefusedError,
            "X: No. (HTTP 400, error_code 400001).",
            id="refused",
        ),
        pytest.param(
            403,
            refused(403001),
            True,
            ForbiddenError,
            "X: No. (HTTP 403, error_code 403001). It belongs to another account: use the connection whose token "
            "submitted it.",
            id="forbidden",
        ),
        pytest.param(
            410,
            PAGE,
            True,
            RefusedError,
            f"X: a web page, Bad gateway (HTTP 410). {NOT_RUNCOMFY}",
            id="a page that refuses",
        ),
        pytest.param(
            403,
            PAGE,
            False,
            UnavailableError,
            "X: a web page, Bad gateway (HTTP 403). The call can be repeated later.",
            id="a page that says nothing",
        ),
    ],
)
def test_an_error_says_what_happened_and_what_to_do(
    status: int, body: object, page_refuses: bool, kind: type[RunComfyError], message: str
) -> None:
    data = body if isinstance(body, dict) else None
    error = error_for(
        answer(body, status), data, "X", request_id=REQUEST, model_id=MODEL, page_refuses=page_refuses, note=" Note."
    )
    assert type(error) is kind
    assert str(error) == f"{message} Note."
    assert (error.request_id, error.model_id, error.http_status, error.error_code) == (
        REQUEST,
        MODEL,
        status,
        data and data["error_code"],
    )


INPUTS = "Check the model id and the inputs against the model's API page."
NO_MODEL = "This account may not use the model, or there is none of that id: check the model id."


@pytest.mark.parametrize(
    ("status", "kind", "of_model", "of_request", "of_neither"),
    [
        pytest.param(400, RefusedError, INPUTS, "", "", id="refused"),
        pytest.param(
            403,
            ForbiddenError,
            NO_MODEL,
            "It belongs to another account: use the connection whose token submitted it.",
            "The account of this token may not ask for that: check the token and the connection's host.",
            id="forbidden",
        ),
        pytest.param(
            404,
            NotFoundError,
            NO_MODEL,
            "It never existed or has expired.",
            "There is nothing under that address: check the connection's host.",
            id="not found",
        ),
        pytest.param(402, InsufficientBalanceError, *["Add funds to the RunComfy account."] * 3, id="no balance"),
    ],
)
def test_what_to_do_fits_what_was_asked_for(
    status: int, kind: type[RunComfyError], of_model: str, of_request: str, of_neither: str
) -> None:
    got, data = answer({"message": "No."}, status), {"message": "No."}
    asked: list[tuple[dict[str, str], str]] = [
        ({"model_id": MODEL}, of_model),
        ({"request_id": REQUEST}, of_request),
        ({}, of_neither),
    ]
    for about, advice in asked:
        error = error_for(got, data, "X", **about, note=" Note.")  # type: ignore[arg-type]
        assert type(error) is kind
        assert str(error) == " ".join(filter(None, [f"X: No. (HTTP {status}).", advice, "Note."]))


def test_by_default_a_page_refuses_nothing_and_no_note_is_added() -> None:
    error = error_for(answer(PAGE, 404), None, "X")
    assert type(error) is UnavailableError
    assert str(error) == "X: a web page, Bad gateway (HTTP 404). The call can be repeated later."
    assert (error.request_id, error.model_id, error.error_code) == (None, None, None)
