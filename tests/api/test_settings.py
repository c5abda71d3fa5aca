from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.api.errors import InvalidSettingsError
from airflow_provider_runcomfy.api.settings import DEFAULT_BASE_URL, Settings, clean_base_url, clean_token, is_loopback
from tests.api.callers import TOKEN

WHERE = "Connection 'c'"


@pytest.mark.parametrize(
    "pasted",
    [
        TOKEN,
        f" {TOKEN}\r\n",
        f"Bearer {TOKEN}",
        f"bearer   {TOKEN}\n",
        f"Authorization: Bearer {TOKEN}",
        f"authorization:{TOKEN}",
    ],
    ids=repr,
)
def test_a_token_is_taken_as_people_paste_it(pasted: str) -> None:
    assert clean_token(pasted, where=WHERE) == TOKEN


@pytest.mark.parametrize("given", [None, "", " \n", "Bearer", "bearer ", "Authorization: Bearer "], ids=repr)
def test_no_token(given: str | None) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        clean_token(given, where=WHERE)
    assert str(caught.value) == (
        "Connection 'c' has no API token. Create one in your RunComfy profile and set it as the connection's password, "
        "or set the environment variable RUNCOMFY_TOKEN. Nothing was sent, nothing was charged."
    )


@pytest.mark.parametrize(
    "given",
    ["secret word", "secret:word", "secretwörd", "secret\tword", "secret\nX-Evil: 1", "secret\0word", "Bearer\tsecret"],
    ids=repr,
)
def test_what_cannot_be_a_token_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(InvalidSettingsError, match="cannot be a RunComfy API token") as caught:
        clean_token(given, where=WHERE)
    assert "secret" not in str(caught.value)
    assert str(caught.value).endswith("Nothing was sent, nothing was charged.")


@given(st.text())
def test_any_token_is_fit_for_a_header_or_refused(text: str) -> None:
    try:
        token = clean_token(text, where=WHERE)
    except InvalidSettingsError:
        return
    assert token
    assert token.isascii()
    assert token.isprintable()
    assert not set(token) & set(" :\t\r\n")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"host": None}, DEFAULT_BASE_URL),
        ({"host": " "}, DEFAULT_BASE_URL),
        ({"host": "", "port": 0}, DEFAULT_BASE_URL),
        ({"host": "model-api.runcomfy.net"}, DEFAULT_BASE_URL),
        ({"host": "HTTPS://Model-API.runcomfy.net:443/"}, DEFAULT_BASE_URL),
        ({"host": "https://example.org/"}, "https://example.org"),
        ({"host": "example.org", "port": 8443}, "https://example.org:8443"),
        ({"host": "example.org:8443", "port": 1}, "https://example.org:8443"),
        ({"host": "example.org", "port": 0}, "https://example.org"),
        ({"host": "example.org", "scheme": "https"}, "https://example.org"),
        ({"host": "http://127.0.0.1:8000"}, "http://127.0.0.1:8000"),
        ({"host": "127.0.0.1", "port": 8000}, "http://127.0.0.1:8000"),
        ({"host": "127.0.0.1", "port": 8000, "scheme": "https"}, "https://127.0.0.1:8000"),
        ({"host": "localhost:80"}, "http://localhost"),
        ({"host": "[::1]:8000"}, "http://[::1]:8000"),
        ({"host": "http://[::1]"}, "http://[::1]"),
        ({"host": "https://[2001:db8::1]:8443"}, "https://[2001:db8::1]:8443"),
        ({"host": "127.8.9.1"}, "http://127.8.9.1"),
        ({"host": "LocalHost:1"}, "http://localhost:1"),
        ({"host": "example.org", "port": 1}, "https://example.org:1"),
        ({"host": "example.org", "port": 65535}, "https://example.org:65535"),
    ],
    ids=repr,
)
def test_the_base_url_is_taken_as_people_write_it(given: dict[str, Any], url: str) -> None:
    assert clean_base_url(**given, where=WHERE) == url


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"host": "https://example.org/v1"}, "no path, user or query"),
        ({"host": "https://example.org?a=b"}, "no path, user or query"),
        ({"host": "https://example.org#a"}, "no path, user or query"),
        ({"host": "https://user@example.org"}, "no path, user or query"),
        ({"host": "https://user:word@example.org"}, "no path, user or query"),
        ({"host": "https://model-api.runcomfy.net@example.org"}, "no path, user or query"),
        ({"host": "https://exa mple.org"}, "cannot be used"),
        ({"host": "https://example.org\\@evil.org"}, "cannot be used"),
        ({"host": "ftp://example.org"}, "cannot be used"),
        ({"host": "file:///etc/passwd"}, "cannot be used"),
        ({"host": "https://"}, "no URL|cannot be used"),
        ({"host": "https://:443"}, "cannot be used"),
        ({"host": "example.org", "scheme": "runcomfy"}, "cannot be used"),
        ({"host": "https://[::1"}, "no URL"),
        ({"host": "[::1"}, "no URL"),
        ({"host": "[zz]"}, "no URL"),
        ({"host": "::1"}, "no URL"),
        ({"host": "example.org:port"}, "no URL"),
        ({"host": "example.org:99999"}, "no URL"),
        ({"host": "example.org", "port": 65536}, "has the port 65536; expected one from 1 to 65535"),
        ({"host": "example.org", "port": 99999}, "has the port 99999"),
        ({"host": "example.org", "port": -1}, "has the port -1"),
        ({"host": "http://example.org"}, "unencrypted to example.org: use https"),
        ({"host": "example.org", "scheme": "http"}, "unencrypted to example.org: use https"),
        ({"host": "http://0.0.0.0"}, "unencrypted"),
        ({"host": "http://192.168.0.1"}, "unencrypted"),
        ({"host": "http://127.0.0.1.example.org"}, "unencrypted"),
        ({"host": "http://localhost.example.org"}, "unencrypted"),
    ],
    ids=repr,
)
def test_a_host_to_which_no_token_may_go_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidSettingsError, match=says) as caught:
        clean_base_url(**given, where=WHERE)
    assert str(caught.value).startswith(WHERE)


@pytest.mark.parametrize(
    "host",
    [
        f"Authorization: Bearer {TOKEN}",
        f"Bearer:{TOKEN}",
        f"example.org:{TOKEN}",
        f"https://example.org:{TOKEN}",
        f"https://user:{TOKEN}@ex\u2100mple.org",
        f"https://[{TOKEN}]",
    ],
)
def test_a_token_in_the_place_of_the_host_is_not_repeated(host: str) -> None:
    with pytest.raises(InvalidSettingsError, match="no URL") as caught:
        clean_base_url(host, where=WHERE)
    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__


@given(st.text() | st.from_regex(r"(https?://)?[a-zA-Z0-9\[\]:@/.%\\-]+", fullmatch=True), st.integers() | st.none())
def test_any_host_gives_a_url_for_a_token_or_is_refused(host: str, port: int | None) -> None:
    try:
        url = clean_base_url(host, port=port, where=WHERE)
    except InvalidSettingsError:
        return
    assert clean_base_url(url, where=WHERE) == url
    assert url.startswith("https://") or Settings(TOKEN, url).is_local


@pytest.mark.parametrize(
    ("base_url", "is_local"),
    [
        (DEFAULT_BASE_URL, False),
        ("http://127.0.0.1:1", True),
        ("https://localhost", True),
        ("http://[::1]:1", True),
        ("https://10.0.0.1", False),
    ],
)
def test_is_local(base_url: str, is_local: bool) -> None:
    assert Settings(TOKEN, base_url).is_local is is_local


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("[::1]", True),
        ("::1", True),
        ("localhost", True),
        ("127.255.255.255", True),
        ("128.0.0.1", False),
        ("X127.0.0.1X", False),
        ("", False),
    ],
)
def test_is_loopback(host: str, is_one: bool) -> None:
    assert is_loopback(host) is is_one


def test_settings_do_not_show_the_token() -> None:
    assert repr(Settings(TOKEN, "https://a")) == "Settings(base_url='https://a')"
