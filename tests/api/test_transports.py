"""Both clients against a real server: the same bytes give the same value or the same class of error."""

from __future__ import annotations

import gzip
import socket
from pathlib import Path

import pytest

from airflow_provider_runcomfy import __version__
from airflow_provider_runcomfy.api.errors import (
    AuthenticationError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.types import CancelOutcome, RequestState, RequestStatus
from tests.api.answers import PAGE, refused, status_of
from tests.api.callers import REQUEST, TOKEN, Caller
from tests.api.conftest import CallerOf
from tests.api.raw_server import Behaviour, RawServer, raw_server, reply, reset, send

QUEUED = status_of("in_queue", queue_position=1)
IS_QUEUED = RequestStatus(REQUEST, RequestState.IN_QUEUE, 1)
OK = b"HTTP/1.1 200 OK\r\n"
BODY = b'{"status": "in_queue", "queue_position": 1}'
MIB = 1 << 20


VALUES = [
    pytest.param(reply(200, QUEUED), id="as documented"),
    pytest.param(reply(202, QUEUED, {"Content-Type": "text/html"}), id="another type"),
    pytest.param(send(OK + b"\r\n" + BODY), id="no length"),
    pytest.param(send(b"HTTP/1.0 200 OK\r\n\r\n" + BODY), id="HTTP 1.0"),
    pytest.param(
        send(OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)), id="chunked"
    ),
    pytest.param(reply(200, gzip.compress(BODY), {"Content-Encoding": "gzip"}), id="gzip although none was asked for"),
    pytest.param(send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 43\r\n\r\n" + BODY), id="100 first"),
]


@pytest.mark.parametrize("behaviour", VALUES)
def test_an_answer_that_is_one(caller: Caller, server: RawServer, behaviour: Behaviour) -> None:
    server.answer(behaviour)
    assert caller.get_status(REQUEST) == IS_QUEUED


ERRORS = [
    pytest.param(reply(401, refused(400004)), AuthenticationError, id="401"),
    pytest.param(reply(200, refused(403001)), ForbiddenError, id="200 with 403001"),
    pytest.param(reply(404, refused(404001)), NotFoundError, id="404001"),
    pytest.param(reply(404, PAGE), UnavailableError, id="404 page"),
    pytest.param(reply(429, b"", {"Retry-After": "7"}), RateLimitedError, id="429"),
    pytest.param(reply(503, PAGE), UnavailableError, id="503"),
]


@pytest.mark.parametrize(("behaviour", "kind"), ERRORS)
def test_an_answer_that_is_an_error_is_one_of_its_class(
    caller: Caller, server: RawServer, behaviour: Behaviour, kind: type[UnavailableError]
) -> None:
    server.answer(behaviour)
    with pytest.raises(kind) as caught:
        caller.get_status(REQUEST)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(f"Status of request {REQUEST}: ")


def test_a_call_is_made_as_the_wire_layer_says(caller: Caller, server: RawServer) -> None:
    server.answer(reply(202, status_of("completed", outcome="cancelled")))
    assert caller.cancel(REQUEST) is CancelOutcome.CANCELLED
    [received] = server.requests
    assert (received.method, received.path, received.body) == ("POST", f"/v1/requests/{REQUEST}/cancel", b"")
    sent = received.headers
    assert sent["authorization"] == f"Bearer {TOKEN}"
    assert sent["user-agent"] == f"airflow-provider-runcomfy/{__version__}"
    assert sent["x-runcomfy-client"] == "airflow-provider-runcomfy"
    assert sent["accept-encoding"] == "identity"
    assert sent["host"] == f"127.0.0.1:{server.port}"


def test_the_result_is_asked_for_with_its_cost(caller: Caller, server: RawServer) -> None:
    server.answer(reply(200, status_of("succeeded", output={"video": "https://a/b.mp4"}, cost=0.84)))
    result = caller.get_result(REQUEST)
    assert (result.state, result.cost_usd) == (RequestState.SUCCEEDED, 0.84)
    assert [received.path for received in server.requests] == [f"/v1/requests/{REQUEST}/result?include_cost=true"]


def test_redirects_are_not_followed_and_the_target_gets_nothing(caller: Caller, server: RawServer) -> None:
    with raw_server() as target:
        target.answer(reply(200, QUEUED))
        for status in (301, 302, 303, 307, 308):
            server.answer(reply(status, b"", {"Location": f"{target.url}/v1/requests/{REQUEST}/status"}))
            with pytest.raises(UnavailableError, match="redirect, which is not followed with a token; check"):
                caller.get_status(REQUEST)
        assert (target.accepted, target.requests) == (0, [])


def test_cookies_are_not_kept(caller: Caller, server: RawServer) -> None:
    server.answer(reply(200, QUEUED, {"Set-Cookie": "session=1; Path=/"}))
    caller.get_status(REQUEST)
    caller.get_status(REQUEST)
    assert ["cookie" in received.headers for received in server.requests] == [False, False]


def test_a_netrc_does_not_replace_the_token(
    caller_of: CallerOf, server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server.answer(reply(200, QUEUED))
    caller_of(server.url).get_status(REQUEST)
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_polls_keep_their_connection(caller: Caller, server: RawServer) -> None:
    server.answer(reply(200, QUEUED))
    for _ in range(5):
        caller.get_status(REQUEST)
    assert (len(server.requests), server.accepted) == (5, 1)


def test_a_kept_connection_that_was_closed_is_made_anew(caller: Caller, server: RawServer) -> None:
    server.answer(send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)))
    for _ in range(3):
        assert caller.get_status(REQUEST) == IS_QUEUED
        assert server.closed.acquire(timeout=5)
    assert server.accepted == 3


def test_a_call_goes_on_after_one_that_broke(caller: Caller, server: RawServer) -> None:
    server.answer(reset(OK), reply(200, QUEUED))
    with pytest.raises(UnavailableError):
        # aiohttp makes a GET, which is free, again by itself.
        caller.cancel(REQUEST)
    assert caller.get_status(REQUEST) == IS_QUEUED


def test_an_error_of_the_network_names_the_request_and_what_to_do(caller: Caller, server: RawServer) -> None:
    server.answer(reset())
    with pytest.raises(UnavailableError) as caught:
        caller.cancel(REQUEST)
    assert (caught.value.request_id, caught.value.model_id) == (REQUEST, None)
    assert str(caught.value).endswith(". The call can be repeated later.")


def test_a_refused_connection(caller_of: CallerOf) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnavailableError, match=f"Status of request {REQUEST}: .*refused|Connect call failed"):
        caller_of(f"http://127.0.0.1:{port}").get_status(REQUEST)


@pytest.mark.parametrize("host", ["runcomfy.invalid", "a" * 70 + ".invalid"], ids=["no such host", "no host at all"])
def test_a_host_that_is_not_found(caller_of: CallerOf, host: str) -> None:
    with pytest.raises(UnavailableError, match=f"Status of request {REQUEST}: "):
        caller_of(f"https://{host}").get_status(REQUEST)


def test_the_reason_is_the_calls_own_and_not_what_its_caller_was_handling(caller: Caller, server: RawServer) -> None:
    server.answer(reset())
    try:
        raise ValueError("the outer one")
    except ValueError:
        with pytest.raises(UnavailableError) as caught:
            caller.cancel(REQUEST)
    assert "the outer one" not in str(caught.value)
    assert "reset" in str(caught.value)
