"""A hostile server behind every call and behind downloads: a clear error, in time, in little memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import pytest

from airflow_provider_runcomfy.api.client import RunComfyClient
from airflow_provider_runcomfy.api.download import DownloadPolicy, Patience, open_download
from airflow_provider_runcomfy.api.errors import (
    DownloadFailedError,
    DownloadRefusedError,
    Money,
    RunComfyError,
)
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.api.types import CancelOutcome, MediaKind, RequestState, RequestStatus
from tests.api.answers import status_of
from tests.api.callers import MODEL, REQUEST, TOKEN, make_caller
from tests.api.clock import Clock
from tests.api.conftest import CallerOf
from tests.api.hostile import HUGE, MIB, OK, QUICK, SLOW
from tests.api.raw_server import Behaviour, RawServer, reply, send
from tests.transfers.file_server import MP4

SECONDS = 0.2


class Call(NamedTuple):
    """One call over one client, and how its errors begin."""

    transport: str
    make: Callable[[Any], Any]
    doing: str


def _submit(client: RunComfyClient) -> str:
    return client.submit(client.prepare_submit(MODEL, {"prompt": "A cat"}))


CALLS = {
    "submit": Call("requests", _submit, f"Submit to {MODEL}: "),
    "models": Call("requests", lambda client: list(client.list_models({})), "List of models: "),
    "model": Call("requests", lambda client: client.get_model(MODEL), f"Catalogue entry of {MODEL}: "),
    "balance": Call("requests", lambda client: client.get_balance(), "Balance: "),
    **{
        f"{name} over {transport}": Call(transport, make, f"{name.title()} of request {REQUEST}: ")
        for transport in ("requests", "aiohttp")
        for name, make in {
            "status": lambda caller: caller.get_status(REQUEST),
            "result": lambda caller: caller.get_result(REQUEST),
            "cancel": lambda caller: caller.cancel(REQUEST),
        }.items()
    },
}


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("tenacity.nap.time", clock)
    monkeypatch.setattr("tenacity.time", clock)


def outcome(call: Call, server: RawServer, seconds: float = 10.0) -> Any:
    """Return what a call gives, or its error as a value."""
    caller = make_caller(call.transport, Settings(TOKEN, server.url), seconds)
    try:
        return call.make(caller)
    except RunComfyError as error:
        return error
    finally:
        caller.close()


def is_clear(error: RunComfyError, doing: str) -> bool:
    text = str(error)
    return (
        text.startswith(doing)
        and text.isprintable()
        and len(text) < 1000
        and not any(TOKEN[:length] in f"{text}{error!r}" for length in (8, len(TOKEN)))
        and (error.__suppress_context__ or error.__context__ is None)
    )


def is_harmless(value: Any) -> bool:
    """Return whether a value says no more than that nothing is known, or that `/result` has to be asked."""
    if isinstance(value, RequestStatus) and value.state is RequestState.COMPLETED:
        return True
    return value is CancelOutcome.UNKNOWN or getattr(value, "state", None) in (
        RequestState.UNKNOWN,
        RequestState.IN_PROGRESS,
    )


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("behaviour", QUICK)
def test_a_hostile_answer_is_a_clear_error(server: RawServer, call: Call, behaviour: Behaviour) -> None:
    server.answer(behaviour)
    began = time.monotonic()

    got = outcome(call, server)

    assert time.monotonic() - began < 8
    assert is_clear(got, call.doing) if isinstance(got, RunComfyError) else is_harmless(got), got
    if call is CALLS["submit"]:
        assert got.money is Money.UNKNOWN or "Nothing was charged." in str(got)


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("behaviour", SLOW)
def test_a_hostile_answer_ends_within_the_time_out(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, call: Call, behaviour: Behaviour
) -> None:
    monkeypatch.setattr("airflow_provider_runcomfy.api.client.SUBMIT_READ_SECONDS", SECONDS / 2)
    server.answer(behaviour)
    began = time.monotonic()

    got = outcome(call, server, SECONDS)

    assert time.monotonic() - began < SECONDS + 1.5
    assert isinstance(got, RunComfyError)
    assert is_clear(got, call.doing)


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("behaviour", HUGE)
def test_a_huge_answer_takes_little_memory(server: RawServer, call: Call, behaviour: Behaviour) -> None:
    server.answer(behaviour)
    with Peak() as peak:
        got = outcome(call, server)
    assert isinstance(got, RunComfyError)
    assert is_clear(got, call.doing)
    # A page of the catalogue may have 4 MiB, any other answer 1 MiB; the server's own piece of 1 MiB is among it.
    assert peak.bytes < (20 if call is CALLS["models"] else 10) * MIB


@pytest.mark.slow
@pytest.mark.parametrize("name", ["balance", "result over aiohttp"])
def test_an_answer_of_many_small_values_takes_bounded_memory(server: RawServer, name: str) -> None:
    """Nothing grows more when it is read: 9 bytes become two objects, which are copied once."""
    server.answer(reply(200, b'{"x": [' + b'{"a":{}},' * ((MIB - 100) // 9) + b"0]}"))
    with Peak() as peak:
        got = outcome(CALLS[name], server)
    assert isinstance(got, RunComfyError)
    assert peak.bytes < 70 * MIB


class Peak:
    """The most memory that Python had at once, beyond what it had before."""

    bytes = 0

    def __enter__(self) -> Self:
        tracemalloc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


# --- Downloads -------------------------------------------------------------------------------------------------------


def download(url: str) -> bytes:
    """Return a whole file, as a connection has it whose own host is local."""
    policy = DownloadPolicy(max_bytes=MIB, allow_loopback_http=True)
    patience = Patience(connect=SECONDS, read=SECONDS, window=SECONDS, resumes=1)
    with open_download(
        url, policy, kind=MediaKind.VIDEO, request_id=REQUEST, patience=patience, sleep=lambda seconds: None
    ) as opened:
        return b"".join(iter(lambda: opened.read1(MIB), b""))


# Bytes that are no text and do not say what they are: they are kept as they came.
KEPT = {"Latin-1", "a surrogate in UTF-8", "NUL", "NUL in a text"}


@pytest.mark.parametrize("behaviour", [row for row in QUICK if row.id in KEPT])
def test_bytes_that_could_be_a_medium_are_kept_as_they_came(server: RawServer, behaviour: Behaviour) -> None:
    server.answer(behaviour)
    body = download(f"{server.url}/a.mp4")
    assert body == b"\0" * 1000 or body.startswith(b'{"x": "')


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [row for row in (*QUICK, *SLOW, *HUGE) if row.id not in KEPT])
def test_a_hostile_file_server_is_a_clear_error(server: RawServer, behaviour: Behaviour) -> None:
    server.answer(behaviour)
    began = time.monotonic()
    with Peak() as peak, pytest.raises(RunComfyError) as caught:
        download(f"{server.url}/a.mp4?signature=s3cret")
    error = caught.value
    assert time.monotonic() - began < 5
    assert peak.bytes < 10 * MIB
    assert type(error) in (DownloadFailedError, DownloadRefusedError)
    assert f"of request {REQUEST}" in str(error)
    assert "paid for" in str(error)
    assert "s3cret" not in str(error)
    assert "password" not in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 1000


@pytest.mark.parametrize(
    ("status", "content_range", "says"),
    [
        pytest.param(206, b"bytes 32-40/%b", "no longer the same file", id="a part"),
        pytest.param(206, b"bytes %b-40/*", "no longer the same file", id="a part from where no file has a byte"),
        pytest.param(416, b"bytes */%b", "answered 416", id="no part"),
    ],
)
def test_a_size_of_5000_digits_where_a_download_goes_on_is_a_clear_error(
    server: RawServer, status: int, content_range: bytes, says: str
) -> None:
    begins = OK + b'Content-Type: video/mp4\r\nETag: "one"\r\nContent-Length: 99\r\n\r\n' + MP4
    goes_on = b'HTTP/1.1 %d Whatever\r\nETag: "one"\r\nContent-Range: %b\r\nContent-Length: 0\r\n\r\n'
    server.answer(send(begins), send(goes_on % (status, content_range % (b"9" * 5000))))
    with pytest.raises(DownloadFailedError, match=says) as caught:
        download(f"{server.url}/a.mp4")
    assert len(str(caught.value)) < 1000
    assert len(server.requests) == 2


OUTPUT_URLS = [
    "https://user:password@cdn.runcomfy.com/a.mp4",
    "https://cdn.runcomfy.com@evil.example/a.mp4",
    "https://evil.example\\@cdn.runcomfy.com/a.mp4",
    "https://cdn.runcomfy.com\\.evil.example/a.mp4",
    "http://cdn.runcomfy.com/a.mp4",
    "https://cdn.runcomfy.com:8443/a.mp4",
    "https://cdn.runcomfy.com.evil.example/a.mp4",
    "https://169.254.169.254/latest/meta-data",
    "https://2852039166/latest/meta-data",
    "https://[::ffff:169.254.169.254]/a.mp4",
    "https://[fe80::1]/a.mp4",
    "https://127.0.0.1/a.mp4",
    "https://\uff43dn.evil.example/a.mp4",
    "https:///a.mp4",
    "https://[::1",
    "https://cdn.runcomfy.com:99999/a.mp4",
    "file:///etc/passwd",
    "data:video/mp4;base64,AAAA",
    "https://cdn.runcomfy.com/a\r\nHost: evil.example",
    "https://cdn.runcomfy.com/a\tb.mp4",
    "//cdn.runcomfy.com/a.mp4",
]


@pytest.mark.parametrize("url", OUTPUT_URLS)
def test_a_hostile_url_in_a_result_is_not_fetched(caller_of: CallerOf, server: RawServer, url: str) -> None:
    server.answer(reply(200, status_of("succeeded", output={"video": url})))

    result = caller_of(server.url).get_result(REQUEST)

    for medium in result.media:
        with pytest.raises(DownloadRefusedError) as caught:
            open_download(medium.url, DownloadPolicy(), kind=medium.kind, request_id=REQUEST).__enter__()
        assert "Nothing was fetched" in str(caught.value)
        assert "password" not in str(caught.value)
    assert len(result.media) == url.startswith(("https://", "http://")) - any(c in url for c in "\r\n\t")
