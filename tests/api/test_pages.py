"""A web page in place of RunComfy's answer: what a person reads at night must say where it came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runcomfy.api import wire
from airflow_provider_runcomfy.api.errors import (
    RefusedError,
    RunComfyError,
    SubmissionUnknownError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.payload import Answer
from tests.api.answers import MODEL, REQUEST, SETTINGS, TOKEN

PAGE = b"<html><head><title>Blocked</title></head>\n<body><h1>by ACME</h1></body></html>"
SUBMIT = wire.submit_call(SETTINGS, MODEL, {"prompt": "x"})
STATUS = wire.status_call(SETTINGS, REQUEST)


@pytest.mark.parametrize(
    ("parse", "call", "status", "kind", "message"),
    [
        pytest.param(
            wire.parse_submit, SUBMIT, 403, RefusedError,
            f"Submit to {MODEL}: a web page, Blocked by ACME (HTTP 403). This is not RunComfy's own answer: check the "
            "connection's host, and the proxies and firewalls on the way to it. Nothing was charged.",
            id="a submit that a firewall refuses",
        ),
        pytest.param(
            wire.parse_submit, SUBMIT, 200, SubmissionUnknownError,
            f"Submit to {MODEL}: HTTP 200 without a usable request id, a web page, Blocked by ACME. It is not known "
            "whether RunComfy took it, so it may have been charged, and it was not sent again.",
            id="a submit that is answered with a page",
        ),
        pytest.param(
            wire.parse_status, STATUS, 200, UnavailableError,
            f"Status of request {REQUEST}: the answer could not be read: a web page, Blocked by ACME (HTTP 200). The "
            "call can be repeated later.",
            id="a poll that is answered with a page",
        ),
    ],
)  # fmt: skip
def test_a_page_is_named_by_its_words(
    parse: Callable[..., Any], call: wire.Call, status: int, kind: type[RunComfyError], message: str
) -> None:
    with pytest.raises(kind) as raised:
        parse(call, Answer(status, PAGE, {}, TOKEN))

    assert type(raised.value) is kind
    assert str(raised.value) == message


def test_a_page_that_echoes_the_token_does_not_bring_it_into_the_message() -> None:
    page = f"<p>Bearer {TOKEN}</p>".encode()

    with pytest.raises(UnavailableError) as raised:
        wire.parse_status(STATUS, Answer(200, page, {}, TOKEN))

    assert "a web page, Bearer ***" in str(raised.value)


def test_a_page_of_nothing_but_open_tags_is_read_in_no_time() -> None:
    with pytest.raises(UnavailableError):
        wire.parse_status(STATUS, Answer(200, b"<" * (1 << 20), {}, TOKEN))
