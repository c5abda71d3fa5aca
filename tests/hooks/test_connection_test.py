"""The *Test* button of the connection form: each thing that can be wrong has its own sentence, with its own cure."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_runcomfy.api.download_policy import DownloadPolicy
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from tests.api.answers import PAGE, refused
from tests.api.callers import TOKEN
from tests.api.raw_server import Behaviour, RawServer, raw_server, reply, reset, silence
from tests.hooks.conftest import SetConnection

BALANCE = reply(200, {"balance_usd": 12.5, "currency": "USD"})
NOBODY = reply(404, refused(404001))
TOKEN_CURE = "Create a new one in your RunComfy profile, and put it in the place of this one."
HOST_CURE = (
    "Correct the base URL (leave it empty for RunComfy itself), or ask who runs the proxy or firewall that answers in "
    "its place."
)
SANDBOX_CURE = (
    "Start the sandbox (python -m airflow_provider_runcomfy.sandbox), or correct the base URL; in a container "
    "127.0.0.1 is the container itself."
)


@pytest.fixture
def sandbox(set_connection: SetConnection) -> Iterator[Sandbox]:
    with running_sandbox() as running:
        set_connection(password=TOKEN, host=running.url)
        yield running


@pytest.fixture
def unused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def answer_of(set_connection: SetConnection, host: str) -> tuple[bool, str]:
    set_connection(password=TOKEN, host=host)
    passed, message = RunComfyHook().test_connection()
    assert TOKEN not in message
    return passed, message


@pytest.mark.slow
class TestTheSandbox:
    def test_it_serves(self, sandbox: Sandbox) -> None:
        assert RunComfyHook().test_connection() == (True, f"Connected to {sandbox.url}; balance 100.00 USD")

    def test_bad_token(self, sandbox: Sandbox) -> None:
        sandbox.add_fault("status", code=401, error_code=400004, times=None)
        passed, message = RunComfyHook().test_connection()
        assert passed is False
        assert message.startswith(f"{sandbox.url} does not accept the API token (HTTP 401: ")
        assert message.endswith(TOKEN_CURE)

    def test_no_balance(self, set_connection: SetConnection) -> None:
        with running_sandbox(balance_usd=0) as poor:
            assert answer_of(set_connection, poor.url) == (
                False,
                f"{poor.url} accepts the API token, but nothing is left on the account (balance 0.00 USD): RunComfy "
                "refuses every submit until you add funds to it.",
            )

    def test_no_network(self, set_connection: SetConnection) -> None:
        with running_sandbox() as stopped:
            pass
        passed, message = answer_of(set_connection, stopped.url)
        assert passed is False
        assert message.startswith(f"{stopped.url} does not answer. Balance: ")
        assert message.endswith(SANDBOX_CURE)

    def test_wrong_host(self, sandbox: Sandbox) -> None:
        sandbox.add_fault("status", code=200, body="<h1>It works!</h1>", times=None)
        assert RunComfyHook().test_connection() == (
            False,
            f"{sandbox.url} answers, but not as RunComfy does (HTTP 200: a web page, It works!). {HOST_CURE}",
        )


REFUSED_TOKEN = reply(401, refused(400004, f"bad token {TOKEN}"))
BAD = "does not accept the API token"
FOREIGN = "answers, but not as RunComfy does"
REFUSES = "RunComfy refuses every submit until you add funds to it."
RESET = "ConnectionResetError: [Errno 104] Connection reset by peer"
ASK_AGAIN = "Nothing is known of the token; try later."


def wrong(name: str, says: str, cure: str, *behaviours: Behaviour) -> Any:
    return pytest.param(behaviours, f"{says} {cure}", id=name)


WRONG = [
    wrong("bad token", f"{BAD} (HTTP 401: bad token ***).", TOKEN_CURE, REFUSED_TOKEN),
    wrong("bad token, HTTP 400", f"{BAD} (HTTP 400: No.).", TOKEN_CURE, reply(400, refused(400004))),
    wrong("bad token, for requests only", f"{BAD} (HTTP 401: bad token ***).", TOKEN_CURE, BALANCE, REFUSED_TOKEN),
    wrong(
        "bad token, or another host",
        f"{BAD} (HTTP 401: a web page, Who are you?).",
        f"{TOKEN_CURE} If that is not RunComfy which answers, correct the base URL.",
        reply(401, b"<html>Who are you?"),
    ),
    wrong("no balance", "says that nothing is left on the account (HTTP 402):", REFUSES, reply(402, refused(400002))),
    wrong(
        "a debt",
        "accepts the API token, but nothing is left on the account (balance -0.50 USD):",
        REFUSES,
        reply(200, {"balance_usd": -0.5}),
        NOBODY,
    ),
    wrong("a reset", f"does not answer. Balance: {RESET}. The call can be repeated later.", SANDBOX_CURE, reset()),
    wrong("a page", f"{FOREIGN} (HTTP 404: a web page, Bad gateway).", HOST_CURE, reply(404, PAGE)),
    wrong("a page with 200", f"{FOREIGN} (HTTP 200: a web page, Bad gateway).", HOST_CURE, reply(200, PAGE)),
    wrong("another API", f"{FOREIGN} (HTTP 404: Not Found).", HOST_CURE, reply(404, {"detail": "Not Found"})),
    wrong("another API with 200", f"{FOREIGN} (HTTP 200: status: ok).", HOST_CURE, reply(200, {"status": "ok"})),
    wrong(
        "a redirect",
        f"{FOREIGN} (HTTP 302: it answered with a redirect, which is not followed with a token; check the connection's "
        "host).",
        HOST_CURE,
        reply(302, b"", {"Location": "https://example.org"}),
    ),
    wrong(
        "the balance, and a page for requests",
        f"{FOREIGN} (HTTP 404: a web page, Bad gateway).",
        HOST_CURE,
        BALANCE,
        reply(404, PAGE),
    ),
    wrong("an outage", "cannot serve now (HTTP 503: an empty answer).", ASK_AGAIN, reply(503)),
    wrong("a limit", "cannot serve now (HTTP 429: an empty answer).", ASK_AGAIN, reply(429)),
]


@pytest.mark.parametrize(("behaviours", "says"), WRONG)
def test_what_is_wrong_is_told_apart(
    server: RawServer, set_connection: SetConnection, behaviours: tuple[Behaviour, ...], says: str
) -> None:
    server.answer(*behaviours)
    passed, message = answer_of(set_connection, server.url)
    assert passed is False
    assert message == f"{server.url} {says}"


@pytest.mark.parametrize(
    "request_answer",
    [
        pytest.param(NOBODY, id="no such request"),
        pytest.param(reply(404, {"detail": "no such request"}), id="no such request, without its code"),
        pytest.param(reply(403, refused(403001)), id="somebody else's"),
        pytest.param(reply(400, refused(400001)), id="a malformed id"),
    ],
)
def test_runcomfys_own_refusals_of_an_id_that_is_none_show_that_it_serves(
    server: RawServer, set_connection: SetConnection, request_answer: Behaviour
) -> None:
    server.answer(BALANCE, request_answer)
    assert answer_of(set_connection, server.url) == (True, f"Connected to {server.url}; balance 12.50 USD")
    assert [(received.method, received.path) for received in server.requests] == [
        ("GET", "/prod/v2/balance"),
        ("GET", "/v1/requests/connection-test/status"),
    ]


def test_nobody_answers(set_connection: SetConnection, unused_url: str) -> None:
    refused_connection = "ConnectionRefusedError: [Errno 111] Connection refused. The call can be repeated later."
    assert answer_of(set_connection, unused_url) == (
        False,
        f"{unused_url} does not answer. Balance: {refused_connection} {SANDBOX_CURE}",
    )


def test_a_silent_host_is_given_up(
    server: RawServer, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_runcomfy.api.diagnosis.READ_SECONDS", 0.2)
    server.answer(silence)
    passed, message = answer_of(set_connection, server.url)
    assert passed is False
    assert message.startswith(f"{server.url} does not answer. Balance: ")


def test_of_two_hosts_the_one_that_does_not_serve_is_named(
    server: RawServer, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RunComfy keeps the balance on a host of its own, and a firewall may let one through and not the other."""
    with raw_server() as balances:
        monkeypatch.setattr(Settings, "balance_base_url", balances.url)
        balances.answer(BALANCE)
        server.answer(reply(200, PAGE))
        passed, message = answer_of(set_connection, server.url)
        assert (passed, message.startswith(f"{server.url} answers, but not as")) == (False, True)
        balances.answer(reset())
        passed, message = answer_of(set_connection, server.url)
        assert (passed, message.startswith(f"{balances.url} does not answer")) == (False, True)


def test_a_name_that_does_not_resolve_is_no_network_and_asks_for_dns_and_proxy(
    set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    passed, message = answer_of(set_connection, "https://runcomfy.invalid")
    assert passed is False
    assert message.startswith("https://runcomfy.invalid does not answer. Balance: ")
    assert message.endswith(
        "Check the base URL, and DNS, proxy (HTTPS_PROXY) and firewall between this machine and RunComfy."
    )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param({"password": ""}, "The connection has no API token. Create one", id="no token"),
        pytest.param({"password": "two words"}, "The connection has a password that cannot be a RunComfy", id="words"),
        pytest.param(
            {"password": TOKEN, "host": "http://example.org"}, "The connection would send the API token", id="http"
        ),
        pytest.param({"password": TOKEN, "host": "https://a.org/v1"}, "The connection has a host that", id="a path"),
    ],
)
def test_what_cannot_be_used_is_told_without_a_call_and_without_airflows_random_name(
    set_connection: SetConnection, fields: dict[str, Any], says: str
) -> None:
    set_connection("qwertzuiop", **fields)
    passed, message = RunComfyHook("qwertzuiop").test_connection()
    assert (passed, message.startswith(says)) == (False, True), message


@pytest.mark.slow
def test_airflows_own_way_to_the_button(sandbox: Sandbox, airflow_home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The form's values go through a URI in the environment, as Airflow's API server sends them; port 0 with them."""
    from airflow.models.connection import Connection

    form = Connection(
        conn_id="of_the_form", conn_type="runcomfy", host=sandbox.url, password=TOKEN, port=0, schema="", login=""
    )
    monkeypatch.setenv("AIRFLOW_CONN_OF_THE_FORM", form.get_uri())
    said = form.test_connection()  # type: ignore[no-untyped-call]
    assert said == (True, f"Connected to {sandbox.url}; balance 100.00 USD")


def test_the_forms_empty_fields_are_the_defaults(airflow_home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the form saves them, with the port that lets Airflow 3.3.2 test, and as a URI, in which it tests them."""
    from airflow.models.connection import Connection

    extra = '{"download_hosts": null, "max_download_bytes": null}'
    form = Connection(conn_id="of_the_form", conn_type="runcomfy", password=TOKEN, port=443, extra=extra)
    monkeypatch.setenv("AIRFLOW_CONN_OF_THE_FORM", form.get_uri())
    hook = RunComfyHook("of_the_form")
    assert (hook.settings, hook.download_policy) == (Settings(TOKEN), DownloadPolicy())
