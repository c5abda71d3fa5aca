"""The submit against a real server: what is sent, how often, and what is said of the money; and the catalogue."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_runcomfy.api import wire
from airflow_provider_runcomfy.api.client import RunComfyClient
from airflow_provider_runcomfy.api.errors import (
    InsufficientBalanceError,
    InvalidInputError,
    InvalidSettingsError,
    Money,
    NotSentError,
    RateLimitedError,
    RunComfyError,
    SubmissionUnknownError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.sandbox.server import running_sandbox
from tests.api.answers import PAGE, accepted, refused
from tests.api.callers import MODEL, REQUEST, TOKEN
from tests.api.clock import Clock
from tests.api.raw_server import Behaviour, RawServer, drip, raw_server, reply, reset, send, silence
from tests.tls import Authority

INPUTS = {"prompt": "Größe", "duration": 5}
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tenacity.nap.time", clock)
    monkeypatch.setattr("tenacity.time", clock)
    return clock


def client_of(base_url: str) -> RunComfyClient:
    return RunComfyClient(Settings(TOKEN, base_url), connect_seconds=2, read_seconds=2)


def submit(base_url: str) -> str:
    with client_of(base_url) as client:
        return client.submit(client.prepare_submit(MODEL, INPUTS))


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_submit_is_one_post_of_the_inputs(server: RawServer, clock: Clock) -> None:
    server.answer(reply(200, accepted()))
    assert submit(server.url) == REQUEST
    [received] = server.requests
    assert (received.method, received.path) == ("POST", f"/v1/models/{MODEL}")
    assert json.loads(received.body) == INPUTS
    assert received.headers["content-type"] == "application/json"
    assert received.headers["authorization"] == f"Bearer {TOKEN}"
    assert "expect" not in received.headers
    assert clock.pauses == []


def test_each_submit_has_a_connection_of_its_own(server: RawServer) -> None:
    server.answer(reply(200, accepted()))
    with client_of(server.url) as client:
        for _ in range(3):
            client.submit(client.prepare_submit(MODEL, INPUTS))
    assert (len(server.requests), server.accepted) == (3, 3)


AMBIGUOUS = [
    pytest.param(reset(), id="reset before the answer"),
    pytest.param(send(b""), id="closed before the answer"),
    pytest.param(reset(OK + b"Content-Length: 99\r\n\r\n{"), id="reset in the answer"),
    pytest.param(send(OK + b'Content-Length: 99\r\n\r\n{"request_id"'), id="closed in the answer"),
    pytest.param(send(b"\0\0\0"), id="no HTTP"),
    pytest.param(send(OK + b"\r\n" + b" " * (2 << 20)), id="an answer that is too long"),
    pytest.param(reply(200, b""), id="200 empty"),
    pytest.param(reply(200, PAGE), id="200 page"),
    pytest.param(reply(408), id="408"),
    pytest.param(reply(409), id="409"),
    pytest.param(reply(500, PAGE), id="500"),
    pytest.param(reply(502, PAGE), id="502"),
    pytest.param(reply(503, b"", {"Retry-After": "1"}), id="503 with Retry-After"),
    pytest.param(reply(504), id="504"),
    pytest.param(reply(307, b"", {"Location": "/elsewhere"}), id="307"),
    pytest.param(reply(308, b"", {"Location": "http://[::1"}), id="308 to no URL"),
    pytest.param(reply(429, accepted()), id="429 with an id"),
    pytest.param(reply(407, PAGE), id="407"),
]


@pytest.mark.parametrize("behaviour", AMBIGUOUS)
def test_a_submit_that_may_have_been_taken_is_sent_once(server: RawServer, clock: Clock, behaviour: Behaviour) -> None:
    server.answer(behaviour, reply(200, accepted()))
    with pytest.raises(SubmissionUnknownError) as caught:
        submit(server.url)
    assert (len(server.requests), server.accepted, clock.pauses) == (1, 1, [])
    error = caught.value
    assert (error.money, error.retryable, error.model_id) == (Money.UNKNOWN, False, MODEL)
    assert str(error).startswith(f"Submit to {MODEL}: ")
    assert "it may have been charged, and it was not sent again." in str(error)
    assert TOKEN not in f"{error}{error!r}"


# What is cut off looks as if it were whole.
CUT = "HTTP 200 without a usable request id, an empty answer"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        pytest.param(silence, "TimeoutError: timed out", id="silence"),
        pytest.param(drip(b"", b"H"), "ReadTimeout: no whole answer within 0.5 s", id="slow status line"),
        pytest.param(drip(OK, b"X: y\r\n"), CUT, id="slow headers"),
        pytest.param(drip(OK + b"\r\n", b" "), CUT, id="slow body"),
    ],
)
def test_a_submit_that_is_not_answered_in_time_is_sent_once(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, reason: str
) -> None:
    monkeypatch.setattr("airflow_provider_runcomfy.api.client.SUBMIT_READ_SECONDS", 0.3)
    server.answer(behaviour, reply(200, accepted()))
    with (
        RunComfyClient(Settings(TOKEN, server.url), connect_seconds=0.2) as client,
        pytest.raises(SubmissionUnknownError, match=rf"^Submit to {MODEL}: {reason}\. .* may have been charged"),
    ):
        client.submit(client.prepare_submit(MODEL, INPUTS))
    assert len(server.requests) == 1


def test_a_reset_while_the_body_is_sent_is_ambiguous(clock: Clock) -> None:
    """A large body: the server has taken some of it when it goes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take_some() -> None:
            connection, _ = listener.accept()
            connection.recv(100_000)
            connection.close()

        thread = threading.Thread(target=take_some)
        thread.start()
        with client_of(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            call = client.prepare_submit(MODEL, {"image": "x" * (16 << 20)})
            with pytest.raises(SubmissionUnknownError):
                client.submit(call)
        thread.join()
    assert clock.pauses == []


@pytest.mark.parametrize("head", [OK + b"\r\n", OK + b"Content-Length: 10\r\n\r\n"], ids=["no length", "a length"])
def test_an_answer_may_be_as_long_as_its_call_says(server: RawServer, head: bytes) -> None:
    server.answer(send(head + b"x" * 10))
    with client_of(server.url) as client:
        answer = client.ask(wire.Call("GET", f"{server.url}/a", "A", max_bytes=10))
        assert (answer.status, answer.body, answer.secret) == (200, b"x" * 10, TOKEN)
    # By a connection of its own: the server closes the first one, perhaps under the second call.
    with (
        client_of(server.url) as client,
        pytest.raises(UnavailableError, match=r"^A: ContentDecodingError: an answer of more than 9 bytes"),
    ):
        client.ask(wire.Call("GET", f"{server.url}/a", "A", max_bytes=9))


NOT_SENT_AT_ALL = ["refused", "no such host", "untrusted certificate"]


@pytest.fixture
def unreachable(request: pytest.FixtureRequest, closed_port: int, authority: Authority) -> Iterator[str]:
    with raw_server(authority.server_context()) as tls_server:
        yield {
            "refused": f"http://127.0.0.1:{closed_port}",
            "no such host": "https://runcomfy.invalid",
            "untrusted certificate": tls_server.url,
        }[request.param]
        assert tls_server.requests == []


@pytest.mark.parametrize("unreachable", NOT_SENT_AT_ALL, indirect=True)
def test_a_submit_that_did_not_reach_anybody_is_sent_again_for_half_a_minute(unreachable: str, clock: Clock) -> None:
    with pytest.raises(NotSentError) as caught:
        submit(unreachable)
    error = caught.value
    assert (error.money, error.retryable, error.model_id) == (Money.NOT_SPENT, True, MODEL)
    assert str(error).endswith(". It did not reach RunComfy; nothing was charged.")
    assert 3 <= len(clock.pauses) <= 10
    assert all(1 <= pause <= 10 for pause in clock.pauses)
    assert sum(clock.pauses) < 30


def test_a_submit_reaches_a_server_that_comes_back(closed_port: int, clock: Clock) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def serve() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{"request_id": "req-1"}')
            connection.close()

        def come_back() -> None:
            if len(clock.pauses) == 2:
                listener.bind(("127.0.0.1", closed_port))
                listener.listen()
                threading.Thread(target=serve, daemon=True).start()

        clock.before_waking = come_back
        assert submit(f"http://127.0.0.1:{closed_port}") == REQUEST
    assert len(clock.pauses) == 2


@pytest.mark.parametrize(
    ("retry_after", "pauses"),
    [("3", [3.0, 3.0]), ("0", [1.0, 1.0]), ("-1", [1.0, 1.0])],
)
def test_a_submit_that_was_told_to_wait_waits_and_is_sent_again(
    server: RawServer, clock: Clock, retry_after: str, pauses: list[float]
) -> None:
    too_many = reply(429, b"", {"Retry-After": retry_after})
    server.answer(too_many, too_many, reply(200, accepted()))
    assert submit(server.url) == REQUEST
    assert (len(server.requests), clock.pauses) == (3, pauses)


def test_a_submit_that_was_told_to_wait_without_saying_how_long_backs_off(server: RawServer, clock: Clock) -> None:
    server.answer(reply(429))
    with pytest.raises(RateLimitedError, match=r"Nothing was charged\.$"):
        submit(server.url)
    assert len(server.requests) == len(clock.pauses) + 1
    assert clock.pauses[0] <= 2
    assert clock.pauses == sorted(clock.pauses[:3]) + clock.pauses[3:]
    assert 10 < sum(clock.pauses) < 30


def test_a_submit_that_is_to_wait_too_long_fails_at_once_and_retryably(server: RawServer, clock: Clock) -> None:
    server.answer(reply(429, b"", {"Retry-After": "60"}), reply(200, accepted()))
    with pytest.raises(RateLimitedError) as caught:
        submit(server.url)
    assert (caught.value.retry_after, caught.value.retryable) == (60.0, True)
    assert (len(server.requests), clock.pauses) == (1, [])


def test_a_submit_is_not_sent_again_after_a_429_and_then_a_doubt(server: RawServer, clock: Clock) -> None:
    server.answer(reply(429), reset(), reply(200, accepted()))
    with pytest.raises(SubmissionUnknownError):
        submit(server.url)
    assert (len(server.requests), len(clock.pauses)) == (2, 1)


@pytest.mark.parametrize(
    ("status", "body"), [(402, PAGE), (400, refused(400002)), (200, refused(400002))], ids=["402", "400", "200"]
)
def test_a_refused_submit_is_sent_once(server: RawServer, clock: Clock, status: int, body: object) -> None:
    server.answer(reply(status, body))
    with pytest.raises(InsufficientBalanceError, match=r"Add funds to the RunComfy account\. Nothing was charged\.$"):
        submit(server.url)
    assert (len(server.requests), clock.pauses) == (1, [])


def test_a_submit_is_encoded_before_it_is_sent(server: RawServer) -> None:
    with client_of(server.url) as client, pytest.raises(InvalidInputError):
        client.prepare_submit(MODEL, {"prompt": object()})
    assert server.accepted == 0


def test_settings_that_cannot_be_used_are_no_doubt(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(InvalidSettingsError, match="nothing was charged"):
        submit("https://runcomfy.invalid")


def test_certificate_authorities_that_cannot_be_read_are_no_doubt(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with pytest.raises(NotSentError):
        submit(f"https://127.0.0.1:{server.port}")


def test_no_object_and_no_error_shows_the_token(server: RawServer) -> None:
    server.answer(reply(401, {"message": f"bad token {TOKEN}"}))
    with client_of(server.url) as client:
        call = client.prepare_submit(MODEL, INPUTS)
        with pytest.raises(RunComfyError) as caught:
            client.submit(call)
        shown = [client, call, client.__dict__, caught.value, caught.value.args, str(caught.value), vars(caught.value)]
    assert not [thing for thing in shown if TOKEN in repr(thing)]


# --- Catalogue and balance -------------------------------------------------------------------------------------------


def models(*names: str) -> list[dict[str, str]]:
    return [{"model_id": name} for name in names]


def test_an_entry_is_read_to_its_end(server: RawServer) -> None:
    entry = {"model_id": MODEL, "description": "a" * 200_000}
    server.answer(reply(200, entry))
    with client_of(server.url) as client:
        assert client.get_model(MODEL) == entry


def test_the_catalogue_is_read_page_by_page(server: RawServer) -> None:
    server.answer(
        reply(200, {"models": models("a", "b"), "total": 3}),
        reply(200, {"models": models("c"), "total": 3}),
    )
    with client_of(server.url) as client:
        assert list(client.list_models({"kind": "video"})) == models("a", "b", "c")
    assert [received.path for received in server.requests] == [
        "/v1/models?kind=video&limit=100&offset=0",
        "/v1/models?kind=video&limit=100&offset=2",
    ]


@pytest.mark.parametrize(
    ("total", "pages"), [(10**9, 1), (0, 1), (-5, 1)], ids=["an empty page", "no more", "a negative number"]
)
def test_a_catalogue_that_counts_wrongly_ends(server: RawServer, total: int, pages: int) -> None:
    server.answer(reply(200, {"models": [], "total": total}))
    with client_of(server.url) as client:
        assert list(client.list_models({})) == []
    assert len(server.requests) == pages


def test_a_catalogue_without_end_ends(server: RawServer) -> None:
    server.answer(reply(200, {"models": models(*(f"m{n}" for n in range(1000))), "total": 10**12}))
    with client_of(server.url) as client:
        assert sum(1 for _ in client.list_models({})) == 5_000


def test_a_broken_page_ends_the_catalogue_with_an_error(server: RawServer) -> None:
    server.answer(reply(200, {"models": models("a"), "total": 2}), reply(500))
    with client_of(server.url) as client, pytest.raises(UnavailableError, match="List of models"):
        list(client.list_models({}))


@pytest.mark.slow
def test_a_request_of_the_sandbox_from_submit_to_result() -> None:
    with running_sandbox(queue_seconds=0, run_seconds=0) as sandbox, client_of(sandbox.url) as client:
        request_id = client.submit(client.prepare_submit(MODEL, {"prompt": "A cat", "duration": 3, "sound": False}))
        assert client.get_status(request_id).request_id == request_id
        assert client.get_balance().usd < 100
        assert client.get_model(MODEL)["model_id"] == MODEL
        assert [entry["model_id"] for entry in client.list_models({})].count(MODEL) == 1
