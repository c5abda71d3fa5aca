from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_runcomfy.api.payload import (
    Answer,
    UnreadableError,
    excerpt,
    one_line,
    read_json,
    without_queries,
    without_secret,
    words_of,
)
from tests.api.answers import TOKEN, answer


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(b'{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}, id="JSON"),
        pytest.param(b"\xef\xbb\xbf{}", {}, id="a byte order mark"),
        pytest.param(b" \r\n{}\n", {}, id="white space"),
        pytest.param(b'"a\\u0000b"', "a\ufffdb", id="NUL"),
        pytest.param(b'"\\ud800"', "?", id="a lone surrogate"),
        pytest.param(b'"\\ud83d\\ude00"', "\U0001f600", id="a pair of surrogates"),
        pytest.param(b'{"\\u0000": 1}', {"\ufffd": 1}, id="NUL in a key"),
        pytest.param(b'{"a": 1, "a": 2}', {"a": 2}, id="a key twice"),
        pytest.param(b"[" * 63 + b"]" * 63, None, id="63 deep"),
        pytest.param(b'["\\\\", ' + b"[" * 63 + b"]" * 64, None, id="64 deep, and something to be cleaned"),
        pytest.param(b'{"x": "\\\\", "a": ' + b'{"a": ' * 62 + b"{}" + b"}" * 63, None, id="64 objects deep, and so"),
    ],
)
def test_json_that_can_be_kept(body: bytes, value: Any) -> None:
    assert read_json(answer(body)) == (json.loads(body) if value is None else value)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"{} {}", id="two"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"[-Infinity]", id="infinite"),
        pytest.param(b"1e999", id="overflowing"),
        pytest.param(b"9" * 5000, id="a number of 5000 digits"),
        pytest.param(b'"\xff"', id="no UTF-8"),
        pytest.param('"ä"'.encode("latin-1"), id="latin-1"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-32"), id="UTF-32"),
        pytest.param(b'{"a": "x\0"}', id="a raw NUL"),
        pytest.param(b"[" * 65 + b"]" * 65, id="65 deep"),
        pytest.param(b"[" * 200_000, id="200000 deep"),
        pytest.param(b'{"a":' * 200_000, id="200000 deep, objects"),
    ],
)
def test_json_that_cannot_be_kept(body: bytes) -> None:
    with pytest.raises(UnreadableError, match=r"^(no JSON \([A-Za-z]+Error\)|JSON nested deeper than 64)$"):
        read_json(answer(body))


def test_the_token_is_struck_out_of_keys_and_values() -> None:
    body = {f"Bearer {TOKEN}": [f"{TOKEN}{TOKEN}", {"a": f"x{TOKEN}y"}]}
    assert read_json(answer(body)) == {"Bearer ***": ["******", {"a": "x***y"}]}


def test_a_word_that_is_too_short_for_a_token_tears_no_url_apart() -> None:
    assert read_json(Answer(200, b'"https://a.com/test"', {}, "test")) == "https://a.com/test"


@pytest.mark.parametrize(("secret", "kept"), [("123456789", "x123456789y"), ("1234567890", "x***y")])
def test_a_token_has_ten_characters_at_least(secret: str, kept: str) -> None:
    assert read_json(Answer(200, f'"x{secret}y"'.encode(), {}, secret)) == kept


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"x" * 200, "x" * 200),
        (b"x" * 201, "x" * 199 + "…"),
        (b"\n <p>Bad</p>", "a web page, Bad"),
        (b"Bad <p>", "Bad <p>"),
    ],
    ids=["200 characters", "201 characters", "a page after white space", "no page"],
)
def test_an_excerpt_is_one_line_of_200_characters_at_most(body: bytes, shown: str) -> None:
    assert excerpt(answer(body)) == shown


def test_foreign_text_is_cut_and_has_no_token() -> None:
    assert without_secret("x" * 201, TOKEN) == "x" * 199 + "…"
    assert without_secret(f"a\n{TOKEN}", TOKEN) == "a ***"


def test_an_answer_shows_neither_the_token_nor_what_may_echo_it() -> None:
    assert TOKEN not in repr(answer(TOKEN.encode(), headers={"x": "y"}))


def test_an_excerpt_never_has_a_part_of_the_token() -> None:
    for padding in range(180, 210):
        shown = excerpt(answer(b"." * padding + TOKEN.encode()))
        assert not any(TOKEN[:length] in shown for length in range(4, len(TOKEN))), padding


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a", "a"),
        (" a\r\n\t b ", "a b"),
        ("a\x1b[31mb", "a [31mb"),
        ("a\u202eb", "a b"),
        ("1234567890", "1234567890"),
        ("12345678901", "123456789…"),
    ],
    ids=repr,
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text, 10) == line


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ConnectionResetError(104, "Connection reset by peer"),
            "ConnectionResetError: [Errno 104] Connection reset by peer",
        ),
        (TimeoutError("timed out"), "TimeoutError: timed out"),
        (OSError(), "OSError"),
        (ValueError("what the server sent"), "ValueError"),
    ],
)
def test_only_the_systems_words_are_repeated(error: Exception, words: str) -> None:
    assert words_of(error) == words


def test_a_signed_url_loses_its_query_and_nothing_else() -> None:
    text = "see https://a.example/b?X-Amz-Signature=s3cret, or http://a.example/c?d"
    assert without_queries(text) == "see https://a.example/b?… or http://a.example/c?…"
