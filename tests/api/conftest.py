from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from airflow_provider_runcomfy.api.settings import Settings
from tests.api.callers import TOKEN, Caller, make_caller
from tests.api.raw_server import RawServer, raw_server
from tests.tls import Authority

CallerOf = Callable[..., Caller]

# What a developer's machine may have set, and what would lead a test elsewhere.
_VARIABLES = [
    *(name for base in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (base, base.lower())),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC"),
]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[RawServer]:
    with raw_server() as running:
        yield running


@pytest.fixture(params=["requests", "aiohttp"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def caller_of(transport: str) -> Iterator[CallerOf]:
    """Return a function that makes a caller, over either transport, of a base URL."""
    made: list[Caller] = []

    def make(base_url: str, *, seconds: float = 10.0, token: str = TOKEN) -> Caller:
        made.append(make_caller(transport, Settings(token, base_url), seconds))
        return made[-1]

    yield make
    for caller in made:
        caller.close()


@pytest.fixture
def caller(caller_of: CallerOf, server: RawServer) -> Caller:
    return caller_of(server.url)


@pytest.fixture
def tls_server(authority: Authority) -> Iterator[RawServer]:
    with raw_server(authority.server_context()) as running:
        yield running
