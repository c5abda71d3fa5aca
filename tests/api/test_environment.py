"""Proxies and certificate authorities of the environment, honoured by both clients alike."""

from __future__ import annotations

import base64
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_runcomfy.api.environment import ca_bundle, proxies_for, proxy_for
from airflow_provider_runcomfy.api.errors import InvalidSettingsError, NotSentError, RunComfyError, UnavailableError
from airflow_provider_runcomfy.api.types import RequestState
from tests.api.answers import accepted, status_of
from tests.api.callers import MODEL, REQUEST, TOKEN
from tests.api.clock import Clock
from tests.api.conftest import CallerOf
from tests.api.raw_server import RawServer, drip, raw_server, reply, tunnel
from tests.api.test_client import client_of
from tests.tls import Authority

# No resolver knows it: only the proxy can lead there.
BEHIND = "https://runcomfy.test"


@pytest.fixture
def upstream(tls_server: RawServer) -> RawServer:
    tls_server.answer(reply(200, status_of("in_queue")))
    return tls_server


@pytest.fixture
def proxy(upstream: RawServer) -> Iterator[RawServer]:
    with raw_server() as running:
        running.answer(tunnel(upstream.port))
        yield running


@pytest.fixture
def trusting(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))


# --- Certificate authorities -----------------------------------------------------------------------------------------


def test_an_unknown_authority_is_not_trusted(caller_of: CallerOf, upstream: RawServer) -> None:
    with pytest.raises(UnavailableError, match=f"(?i)status of request {REQUEST}: .*certificate"):
        caller_of(upstream.url).get_status(REQUEST)
    assert upstream.requests == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_of_the_environment_is_trusted(
    caller_of: CallerOf, upstream: RawServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(authority.bundle))
    assert caller_of(upstream.url).get_status(REQUEST).state is RequestState.IN_QUEUE


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"])
def test_a_folder_of_the_environment_is_trusted(
    caller_of: CallerOf,
    upstream: RawServer,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
) -> None:
    (tmp_path / "ca.pem").write_bytes(authority.bundle.read_bytes())
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True)
    monkeypatch.setenv(variable, str(tmp_path))
    assert caller_of(upstream.url).get_status(REQUEST).state is RequestState.IN_QUEUE


def test_the_name_in_the_certificate_counts(caller_of: CallerOf, upstream: RawServer, trusting: None) -> None:
    with pytest.raises(UnavailableError, match=r"(?i)hostname|certificate"):
        caller_of(f"https://localhost:{upstream.port}").get_status(REQUEST)
    assert upstream.requests == []


def test_a_bundle_that_cannot_be_read_is_an_error_of_ours(
    caller_of: CallerOf, upstream: RawServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with pytest.raises(RunComfyError, match=r"(?i)certificate"):
        caller_of(upstream.url).get_status(REQUEST)


def test_the_bundle_is_the_first_that_exists(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without = ca_bundle()
    assert ssl.create_default_context(cafile=without).get_ca_certs()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    assert ca_bundle() == without
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert ca_bundle() == str(tmp_path)


# --- Proxies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_https_goes_through_the_proxy_of_the_environment(
    caller_of: CallerOf,
    upstream: RawServer,
    proxy: RawServer,
    trusting: None,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, proxy.url)
    assert caller_of(BEHIND).get_status(REQUEST).state is RequestState.IN_QUEUE
    [asked] = proxy.requests
    assert (asked.method, asked.path) == ("CONNECT", "runcomfy.test:443")
    assert TOKEN not in str(asked.headers)
    assert upstream.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert upstream.requests[0].headers["host"] == "runcomfy.test"
    assert "proxy-authorization" not in upstream.requests[0].headers


def test_the_proxy_gets_the_credentials_of_its_url(
    caller_of: CallerOf, proxy: RawServer, trusting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:pass%40word@"))
    caller_of(BEHIND).get_status(REQUEST)
    expected = base64.b64encode(b"me:pass@word").decode()
    assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {expected}"


def test_a_proxy_without_a_scheme_is_an_http_proxy(
    caller_of: CallerOf, proxy: RawServer, trusting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
    assert caller_of(BEHIND).get_status(REQUEST).state is RequestState.IN_QUEUE


def test_a_proxy_that_refuses_is_named_and_its_password_is_not(
    caller_of: CallerOf, proxy: RawServer, trusting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.answer(reply(407))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:password1@"))
    with pytest.raises(UnavailableError, match="407") as caught:
        caller_of(BEHIND).get_status(REQUEST)
    assert "password1" not in str(caught.value)


def test_an_https_proxy(
    caller_of: CallerOf, upstream: RawServer, authority: Authority, trusting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_server(authority.server_context()) as proxy:
        proxy.answer(tunnel(upstream.port))
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert caller_of(BEHIND).get_status(REQUEST).state is RequestState.IN_QUEUE
        assert proxy.requests[0].method == "CONNECT"


@pytest.mark.parametrize("slow", ["the proxy", "the server behind it"])
def test_a_call_through_a_proxy_ends_within_its_time_out(
    caller_of: CallerOf,
    upstream: RawServer,
    proxy: RawServer,
    trusting: None,
    monkeypatch: pytest.MonkeyPatch,
    slow: str,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    (proxy if slow == "the proxy" else upstream).answer(drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"))
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        caller_of(BEHIND, seconds=0.6).get_status(REQUEST)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "no_proxy", ["runcomfy.test", ".test", "*", "other.org, runcomfy.test"], ids=["host", "domain", "all", "list"]
)
def test_no_proxy_is_honoured(
    caller_of: CallerOf, proxy: RawServer, trusting: None, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(BEHIND) is None
    with pytest.raises(UnavailableError):
        caller_of(BEHIND).get_status(REQUEST)
    assert proxy.accepted == 0


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_plain_http_to_this_machine_never_shows_the_token_to_a_proxy(
    caller_of: CallerOf, server: RawServer, proxy: RawServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, proxy.url)
    server.answer(reply(200, status_of("in_queue")))
    assert caller_of(server.url).get_status(REQUEST).state is RequestState.IN_QUEUE
    assert proxy.accepted == 0


UNUSABLE = ["socks5://me:password1@127.0.0.1:1", "http://[", "http://h:99999", "http://a b", "http://", "ftp://h"]


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_proxy_that_cannot_be_used_is_refused_alike(
    caller_of: CallerOf, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(InvalidSettingsError, match=r"proxy for runcomfy\.test that cannot be used") as caught:
        caller_of(BEHIND).get_status(REQUEST)
    assert "password1" not in str(caught.value)


def test_a_submit_through_the_proxy(
    upstream: RawServer, proxy: RawServer, trusting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    upstream.answer(reply(200, accepted()))
    with client_of(BEHIND) as client:
        assert client.submit(client.prepare_submit(MODEL, {})) == REQUEST
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("fault", ["down", "refusing", "leading nowhere"])
def test_a_submit_that_the_proxy_did_not_let_through_was_not_sent(
    upstream: RawServer, proxy: RawServer, trusting: None, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    clock = Clock()
    monkeypatch.setattr("tenacity.nap.time", clock)
    monkeypatch.setattr("tenacity.time", clock)
    with raw_server() as gone:
        down = gone.url
    monkeypatch.setenv("HTTPS_PROXY", down if fault == "down" else proxy.url)
    if fault == "refusing":
        proxy.answer(reply(403))
    if fault == "leading nowhere":
        proxy.answer(tunnel(gone.port))
    with client_of(BEHIND) as client, pytest.raises(NotSentError, match=r"nothing was charged\.$"):
        client.submit(client.prepare_submit(MODEL, {}))
    assert upstream.requests == []
    assert len(clock.pauses) >= 3


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_for_the_url_whichever_its_scheme(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", "http://proxy.example:8080")
    proxy = "http://proxy.example:8080"
    assert proxies_for(f"{scheme}://runcomfy.example/a") == {"http": proxy, "https": proxy}


def test_without_a_proxy_there_is_none_to_go_over() -> None:
    assert proxies_for("https://runcomfy.example/a") == {}
