"""A browser is never sent to Airflow's own host name, to which it would send Airflow's session cookie."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from airflow_provider_runcomfy.ui.own_host import OwnHosts


def reached_at(*names: str) -> OwnHosts:
    return OwnHosts(frozenset(names))


@pytest.mark.parametrize(
    ("own", "url", "safe"),
    [
        ("airflow.example.com", "https://files.runcomfy.net/a.mp4", "https://files.runcomfy.net/a.mp4"),
        ("airflow.example.com", "https://airflow.example.com:9000/a.mp4", None),
        ("airflow.example.com", "https://AIRFLOW.example.com/a.mp4", None),
        ("airflow.example.com", "https://airflow.example.com./a.mp4", None),
        ("airflow.example.com", "https://s3.airflow.example.com/a.mp4", "https://s3.airflow.example.com/a.mp4"),
        ("127.0.0.1", "http://127.0.0.1:9000/a.mp4?x=1", "http://localhost:9000/a.mp4?x=1"),
        ("localhost", "http://localhost:9000/a.mp4", "http://127.0.0.1:9000/a.mp4"),
        ("localhost", "http://127.0.0.1:9000/a.mp4", "http://127.0.0.1:9000/a.mp4"),
        ("::1", "http://[::1]:9000/a.mp4", "http://localhost:9000/a.mp4"),
    ],
)
def test_no_url_gets_the_cookies(own: str, url: str, safe: str | None) -> None:
    assert reached_at(own).without_cookies(url) == safe
    assert safe is None or not reached_at(own).would_get_cookies(safe)


def test_with_both_loopback_names_there_is_no_way() -> None:
    assert reached_at("localhost", "127.0.0.1").without_cookies("http://127.0.0.1:9000/a.mp4") is None


@pytest.mark.parametrize(
    ("headers", "base_url", "names", "local"),
    [
        ({"host": "127.0.0.1:8080"}, "", {"127.0.0.1"}, True),
        ({"host": "localhost:8080"}, "http://localhost:8080/airflow", {"localhost"}, True),
        ({"host": "127.0.0.1:8080"}, "https://airflow.example.com/", {"127.0.0.1", "airflow.example.com"}, False),
        ({"host": "api:8080", "x-forwarded-host": "a.example.com"}, "", {"api", "a.example.com"}, False),
        ({"host": "[::1]:8080"}, "", {"::1"}, True),
        ({"host": "["}, "", set(), False),
        ({}, "", set(), False),
    ],
)
def test_its_names_are_those_by_which_it_may_have_been_reached(
    headers: dict[str, str], base_url: str, names: set[str], local: bool
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    own = OwnHosts.of(Request({"type": "http", "headers": raw}), base_url)

    assert (set(own.names), own.are_local) == (names, local)
