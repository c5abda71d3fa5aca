"""The connection, in every form that people give it, turned into clients; errors as Airflow acts upon them."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock

import airflow
import pytest
from airflow.sdk import BaseHook
from airflow.sdk import log as log_of_airflow
from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse, MaskSecret

from airflow_provider_runcomfy import exceptions
from airflow_provider_runcomfy.api import errors
from airflow_provider_runcomfy.api.download_policy import DEFAULT_HOSTS, DEFAULT_MAX_BYTES
from airflow_provider_runcomfy.api.settings import DEFAULT_BASE_URL
from airflow_provider_runcomfy.api.types import CancelOutcome, RequestState
from airflow_provider_runcomfy.compat import AirflowFailException
from airflow_provider_runcomfy.exceptions import RunComfyConnectionError, airflow_errors, to_airflow
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyAsyncHook, RunComfyHook
from airflow_provider_runcomfy.sandbox.server import running_sandbox
from tests.api.answers import accepted, refused, status_of
from tests.api.callers import MODEL, REQUEST, TOKEN
from tests.api.raw_server import RawServer, reply, reset, send
from tests.hooks.conftest import SetConnection

OTHER = "rc-other-token-0123456789"
BALANCE = {"balance_usd": 12.5, "currency": "USD"}
AIRFLOW_3_1_HIDES_IT = pytest.mark.skipif(
    airflow.__version__.startswith("3.1."), reason="Airflow 3.1 says itself that there is no such connection"
)


# --- The connection --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        pytest.param({}, DEFAULT_BASE_URL, id="token alone"),
        pytest.param({"host": "", "port": 0}, DEFAULT_BASE_URL, id="port 0 of the form"),
        pytest.param({"host": "", "port": 443}, DEFAULT_BASE_URL, id="port alone"),
        pytest.param({"host": "example.org"}, "https://example.org", id="host alone"),
        pytest.param({"host": "https://example.org/"}, "https://example.org", id="URL"),
        pytest.param({"host": "http://127.0.0.1:8001"}, "http://127.0.0.1:8001", id="loopback URL"),
        pytest.param({"host": "127.0.0.1", "port": 8001}, "http://127.0.0.1:8001", id="loopback and port"),
        pytest.param({"host": "localhost", "schema": "https"}, "https://localhost", id="schema"),
        pytest.param({"host": "http://[::1]:8001"}, "http://[::1]:8001", id="IPv6 loopback"),
        pytest.param({"password": f"Bearer {TOKEN}\n"}, DEFAULT_BASE_URL, id="pasted with Bearer and a newline"),
    ],
)
async def test_the_forms_of_a_connection(set_connection: SetConnection, fields: dict[str, Any], base_url: str) -> None:
    set_connection(**{"password": TOKEN, **fields})
    settings = RunComfyHook().settings
    assert (settings.token, settings.base_url) == (TOKEN, base_url)
    assert await RunComfyAsyncHook()._settings() == settings


@pytest.mark.parametrize(
    "error", [AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR)), PermissionError("Access denied")]
)
async def test_what_airflow_does_not_tell_now_it_may_tell_later(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(RunComfyHook, "get_connection", Mock(side_effect=error))
    monkeypatch.setattr(BaseHook, "aget_connection", AsyncMock(side_effect=error))
    with pytest.raises(errors.UnavailableError, match="could not be asked for the connection 'runcomfy_default'"):
        _ = RunComfyHook().settings
    with pytest.raises(errors.UnavailableError, match="could not be asked for the connection 'runcomfy_default'"):
        await RunComfyAsyncHook().get_conn()


def test_a_connection_may_be_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_RUNCOMFY_DEFAULT", f"runcomfy://:{TOKEN}@127.0.0.1:8001")
    settings = RunComfyHook().settings
    assert (settings.token, settings.base_url) == (TOKEN, "http://127.0.0.1:8001")


BAD_CONNECTIONS = [
    pytest.param({}, "has no API token", id="no password"),
    pytest.param({"password": ""}, "has no API token", id="empty password"),
    pytest.param({"password": "Bearer "}, "has no API token", id="Bearer and nothing"),
    pytest.param({"password": "secret words"}, "cannot be a RunComfy API token", id="words"),
    pytest.param({"password": TOKEN, "host": "https://example.org/v1"}, "no path, user or query", id="a path"),
    pytest.param({"password": TOKEN, "host": "https://me@example.org"}, "no path, user or query", id="user info"),
    pytest.param({"password": TOKEN, "host": "http://example.org"}, "unencrypted", id="http to elsewhere"),
    pytest.param({"password": TOKEN, "host": "example.org", "schema": "http"}, "unencrypted", id="schema http"),
    pytest.param({"password": TOKEN, "host": "[::1"}, "no URL", id="half an address"),
    pytest.param({"password": TOKEN, "host": "example.org", "port": 99999}, "port 99999", id="no port"),
]


@pytest.mark.parametrize(("fields", "says"), BAD_CONNECTIONS)
async def test_a_connection_that_cannot_be_used_is_named_in_one_clear_error(
    set_connection: SetConnection, fields: dict[str, Any], says: str
) -> None:
    set_connection("mine", **fields)
    hook = RunComfyHook("mine")
    for use in (hook.get_conn, hook.get_balance, lambda: hook.download_policy, lambda: hook.submit(MODEL, {})):
        with pytest.raises(RunComfyConnectionError, match=says) as caught:
            use()
        assert "Connection 'mine'" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert TOKEN not in str(caught.value)
        assert isinstance(caught.value, AirflowFailException)
    assert hook.test_connection()[0] is False
    async with RunComfyAsyncHook("mine") as async_hook:
        with pytest.raises(errors.InvalidSettingsError, match=says):
            await async_hook.get_status(REQUEST)


async def test_a_missing_connection_says_how_to_add_one(set_connection: SetConnection) -> None:
    message = (
        "There is no Airflow connection 'mine'. Add one of type 'runcomfy' with the API token as its password. "
        "Nothing was sent, nothing was charged."
    )
    with pytest.raises(RunComfyConnectionError) as caught:
        RunComfyHook("mine").get_conn()
    assert str(caught.value) == message
    async with RunComfyAsyncHook("mine") as hook:
        with pytest.raises(errors.InvalidSettingsError) as caught_async:
            await hook.get_conn()
    assert str(caught_async.value) == message


def test_a_missing_default_connection_says_that_a_variable_would_do(set_connection: SetConnection) -> None:
    with pytest.raises(RunComfyConnectionError, match="or set the environment variable RUNCOMFY_TOKEN"):
        RunComfyHook().get_conn()


async def test_the_variable_is_enough_for_the_default_connection_alone(
    set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNCOMFY_TOKEN", f"Bearer {TOKEN}")
    assert (RunComfyHook().settings.token, RunComfyHook().settings.base_url) == (TOKEN, DEFAULT_BASE_URL)
    assert (await RunComfyAsyncHook()._settings()).token == TOKEN
    with pytest.raises(RunComfyConnectionError, match="There is no Airflow connection 'mine'"):
        RunComfyHook("mine").get_conn()
    set_connection(password=OTHER)
    assert RunComfyHook().settings.token == OTHER


def test_an_empty_variable_is_named(set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNCOMFY_TOKEN", " ")
    with pytest.raises(RunComfyConnectionError, match="The environment variable RUNCOMFY_TOKEN has no API token"):
        RunComfyHook().get_conn()


def test_forget_connection_reads_it_anew(set_connection: SetConnection, server: RawServer) -> None:
    server.answer(reply(200, BALANCE))
    set_connection(password=TOKEN, host=server.url)
    hook = RunComfyHook()
    hook.get_balance()
    set_connection(password=OTHER, host=server.url)
    hook.get_balance()
    hook.forget_connection()
    hook.get_balance()
    sent = [received.headers["authorization"] for received in server.requests]
    assert sent == [f"Bearer {TOKEN}", f"Bearer {TOKEN}", f"Bearer {OTHER}"]


async def test_a_closed_async_hook_reads_the_connection_anew(set_connection: SetConnection, server: RawServer) -> None:
    server.answer(reply(200, status_of("in_queue")))
    set_connection(password=TOKEN, host=server.url)
    hook = RunComfyAsyncHook()
    await hook.get_status(REQUEST)
    set_connection(password=OTHER, host=server.url)
    await hook.close()
    await hook.get_status(REQUEST)
    await hook.close()
    assert [received.headers["authorization"] for received in server.requests] == [f"Bearer {TOKEN}", f"Bearer {OTHER}"]


# --- The extras ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "hosts", "max_bytes"),
    [
        (None, DEFAULT_HOSTS, DEFAULT_MAX_BYTES),
        ({"download_hosts": None, "max_download_bytes": None}, DEFAULT_HOSTS, DEFAULT_MAX_BYTES),
        ({"download_hosts": "", "max_download_bytes": ""}, DEFAULT_HOSTS, DEFAULT_MAX_BYTES),
        ({"download_hosts": ["CDN.example.org."]}, ("cdn.example.org",), DEFAULT_MAX_BYTES),
        ({"download_hosts": "a.org, b.org"}, ("a.org", "b.org"), DEFAULT_MAX_BYTES),
        ({"download_hosts": []}, (), DEFAULT_MAX_BYTES),
        ({"max_download_bytes": 1000}, DEFAULT_HOSTS, 1000),
        ({"max_download_bytes": "1000"}, DEFAULT_HOSTS, 1000),
    ],
    ids=repr,
)
def test_the_extras_bound_the_downloads(
    set_connection: SetConnection, extra: Any, hosts: tuple[str, ...], max_bytes: int
) -> None:
    set_connection(password=TOKEN, extra=extra)
    policy = RunComfyHook().download_policy
    assert (policy.hosts, policy.max_bytes, policy.allow_loopback_http) == (hosts, max_bytes, False)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"download_hosts": 7}, "'download_hosts' must be a list of domains"),
        ({"download_hosts": {"a": "b"}}, "'download_hosts' must be a list of domains"),
        ({"download_hosts": ["a.org", 7]}, "'download_hosts' must be a list of domains"),
        ({"download_hosts": ["a.org", ""]}, "'download_hosts' must be a list of domains"),
        ({"download_hosts": "a.org,"}, "'download_hosts' must be a list of domains"),
        ({"max_download_bytes": 0}, "'max_download_bytes' must be a number of bytes above 0"),
        ({"max_download_bytes": -1}, "'max_download_bytes' must be a number of bytes above 0"),
        ({"max_download_bytes": "2 GiB"}, "'max_download_bytes' must be a number of bytes above 0"),
        ({"max_download_bytes": True}, "'max_download_bytes' must be a number of bytes above 0"),
        ({"max_download_bytes": [1]}, "'max_download_bytes' must be a number of bytes above 0"),
        ('{"max_download_bytes": Infinity}', "'max_download_bytes' must be a number of bytes above 0"),
        pytest.param("[1]", "the extra must be a JSON object", marks=AIRFLOW_3_1_HIDES_IT),
    ],
    ids=repr,
)
def test_extras_that_are_wrong_are_named(set_connection: SetConnection, extra: Any, says: str) -> None:
    set_connection("mine", password=TOKEN, extra=extra)
    with pytest.raises(RunComfyConnectionError, match=says) as caught:
        _ = RunComfyHook("mine").download_policy
    assert str(caught.value).startswith("Connection 'mine': ")


@pytest.mark.parametrize(("host", "allowed"), [("http://127.0.0.1:1", True), ("https://example.org", False)])
def test_plain_downloads_only_from_a_sandbox(set_connection: SetConnection, host: str, allowed: bool) -> None:
    set_connection(password=TOKEN, host=host)
    assert RunComfyHook().download_policy.allow_loopback_http is allowed


# --- The calls -------------------------------------------------------------------------------------------------------


@pytest.fixture
def hook(set_connection: SetConnection, server: RawServer) -> RunComfyHook:
    set_connection(password=TOKEN, host=server.url)
    return RunComfyHook()


def test_reading_calls_are_made_up_to_four_times(
    hook: RunComfyHook, server: RawServer, no_waiting: list[float]
) -> None:
    server.answer(reply(503), reset(), reply(429), reply(200, status_of("in_queue")))
    assert hook.get_status(REQUEST).state is RequestState.IN_QUEUE
    assert (len(server.requests), len(no_waiting)) == (4, 3)


@pytest.mark.parametrize(("retry_after", "calls", "pauses"), [("5", 4, [5, 5, 5]), ("12", 3, [12, 12]), ("60", 1, [])])
def test_reading_calls_wait_as_long_as_they_are_asked_to_or_leave_it_to_airflow(
    hook: RunComfyHook, server: RawServer, no_waiting: list[float], retry_after: str, calls: int, pauses: list[float]
) -> None:
    server.answer(reply(429, b"", {"Retry-After": retry_after}))
    with pytest.raises(exceptions.RunComfyRetryableError, match="slow down"):
        hook.get_status(REQUEST)
    assert (len(server.requests), no_waiting) == (calls, pauses)


def test_reading_calls_give_up_retryably(hook: RunComfyHook, server: RawServer, no_waiting: list[float]) -> None:
    server.answer(reply(503))
    with pytest.raises(exceptions.RunComfyRetryableError, match=f"Result of request {REQUEST}.*HTTP 503"):
        hook.get_result(REQUEST)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, refused(400004), exceptions.RunComfyConnectionError),
        (403, refused(403001), exceptions.RequestNotAvailableError),
        (404, refused(404001), exceptions.RequestNotAvailableError),
        (400, refused(400001), exceptions.SubmissionRefusedError),
    ],
)
def test_certain_errors_are_not_repeated_and_not_retried(
    hook: RunComfyHook, server: RawServer, status: int, body: object, kind: type[AirflowException]
) -> None:
    server.answer(reply(status, body))
    with pytest.raises(kind) as caught:
        hook.get_status(REQUEST)
    assert isinstance(caught.value, AirflowFailException)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert len(server.requests) == 1


def test_a_submit_of_the_hook_is_sent_once(hook: RunComfyHook, server: RawServer, no_waiting: list[float]) -> None:
    server.answer(reply(500))
    with pytest.raises(exceptions.UnknownSubmissionError, match="it was not sent again"):
        hook.submit(MODEL, {"prompt": "A cat"})
    assert (len(server.requests), no_waiting) == (1, [])
    server.answer(reply(200, accepted()))
    assert hook.submit(MODEL, {"prompt": "A cat"}) == REQUEST


def test_a_cancel_of_the_hook(hook: RunComfyHook, server: RawServer) -> None:
    server.answer(reply(202, {"outcome": "not_cancellable"}))
    assert hook.cancel(REQUEST) is CancelOutcome.NOT_CANCELLABLE


async def test_the_async_hook(set_connection: SetConnection, server: RawServer) -> None:
    set_connection(password=TOKEN, host=server.url)
    server.answer(
        reply(200, status_of("completed")), reply(200, status_of("succeeded")), reply(202, {"outcome": "cancelled"})
    )
    async with RunComfyAsyncHook() as hook:
        assert (await hook.get_status(REQUEST)).state is RequestState.COMPLETED
        assert (await hook.get_result(REQUEST)).state is RequestState.SUCCEEDED
        assert await hook.cancel(REQUEST) is CancelOutcome.CANCELLED
    assert server.accepted == 1


async def test_errors_of_the_async_hook_are_those_of_the_api(set_connection: SetConnection, server: RawServer) -> None:
    set_connection(password=TOKEN, host=server.url)
    server.answer(reply(503))
    async with RunComfyAsyncHook() as hook:
        with pytest.raises(errors.UnavailableError):
            await hook.get_status(REQUEST)
    assert len(server.requests) == 1


@pytest.mark.slow
def test_the_live_catalogue(set_connection: SetConnection) -> None:
    with running_sandbox() as sandbox:
        set_connection(password=TOKEN, host=sandbox.url)
        hook = RunComfyHook()
        everything = hook.list_models()
        assert MODEL in [entry["model_id"] for entry in everything]
        assert all("input_schema" not in entry for entry in everything)
        assert all("input_schema" in entry for entry in hook.list_models(include_schema=True))
        assert hook.list_models(search="no such model") == []
        assert hook.get_model(MODEL)["kind"] == "video"
        with pytest.raises(exceptions.SubmissionRefusedError, match="error_code 400001"):
            hook.get_model("no/such/model")
        assert hook.get_balance().usd == 100.0


# --- The errors as Airflow sees them ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "to", "retried"),
    [
        (errors.InvalidInputError, exceptions.InvalidInputsError, False),
        (errors.InvalidSettingsError, exceptions.RunComfyConnectionError, False),
        (errors.AuthenticationError, exceptions.RunComfyConnectionError, False),
        (errors.InsufficientBalanceError, exceptions.InsufficientBalanceError, False),
        (errors.RefusedError, exceptions.SubmissionRefusedError, False),
        (errors.ForbiddenError, exceptions.RequestNotAvailableError, False),
        (errors.NotFoundError, exceptions.RequestNotAvailableError, False),
        (errors.SubmissionUnknownError, exceptions.UnknownSubmissionError, False),
        (errors.DownloadRefusedError, exceptions.DownloadRefusedError, False),
        (errors.DownloadFailedError, exceptions.RunComfyDownloadError, True),
        (errors.UnavailableError, exceptions.RunComfyRetryableError, True),
        (errors.NotSentError, exceptions.RunComfyRetryableError, True),
        (errors.RateLimitedError, exceptions.RunComfyRetryableError, True),
        (errors.RunComfyError, exceptions.RunComfyFailError, False),
    ],
)
def test_each_error_is_retried_by_airflow_or_is_not(
    kind: type[errors.RunComfyError], to: type[AirflowException], retried: bool
) -> None:
    error = to_airflow(kind("what happened"))
    assert (type(error), str(error)) == (to, "what happened")
    assert isinstance(error, AirflowFailException) is not retried
    assert kind.retryable is retried


def test_other_exceptions_are_left_alone() -> None:
    with pytest.raises(KeyError), airflow_errors():
        raise KeyError("x")


# --- Secrecy ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(
    not hasattr(log_of_airflow, "amask_secret"), reason="before Airflow 3.3 there is no way to do so from a trigger"
)
@pytest.mark.usefixtures("set_connection")
async def test_the_process_that_writes_a_triggers_log_is_told_of_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    told = SimpleNamespace(asend=AsyncMock(return_value=None))
    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", told, raising=False)
    monkeypatch.setenv("RUNCOMFY_TOKEN", TOKEN)
    async with RunComfyAsyncHook() as hook:
        await hook.get_conn()
    assert MaskSecret(value=TOKEN) in [call.args[0] for call in told.asend.call_args_list]


ECHOES = [
    pytest.param(reply(401, {"message": f"bad token {TOKEN}"}), id="JSON"),
    pytest.param(reply(404, b"<html>" + TOKEN.encode()), id="page"),
    pytest.param(send(b"Bearer " + TOKEN.encode() + b"\r\n\r\n"), id="status line"),
    pytest.param(reply(200, {"error": TOKEN, "status": "in_queue", "request_id": TOKEN}), id="request id"),
]


@pytest.mark.parametrize("behaviour", ECHOES)
def test_the_token_is_in_no_error_log_or_repr(
    hook: RunComfyHook, server: RawServer, caplog: pytest.LogCaptureFixture, no_waiting: list[float], behaviour: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer(behaviour)
    shown: list[object] = [hook, hook.settings, hook.client]
    for call in (lambda: hook.get_status(REQUEST), lambda: hook.get_result(REQUEST), lambda: hook.submit(MODEL, {})):
        with pytest.raises(AirflowException) as caught:
            call()
        error: BaseException | None = caught.value
        while error is not None:
            shown += [error, str(error), error.args]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert not [thing for thing in shown if TOKEN in repr(thing)]
    assert TOKEN not in caplog.text
