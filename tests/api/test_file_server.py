"""What a file server may answer, byte for byte: redirects, statuses, the rate, and the end of what was cut."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_runcomfy.api import file_server
from airflow_provider_runcomfy.api.download import open_download
from airflow_provider_runcomfy.api.download_policy import DownloadPolicy
from airflow_provider_runcomfy.api.errors import DownloadFailedError, DownloadRefusedError
from airflow_provider_runcomfy.api.file_server import Body, BrokenError, Patience
from airflow_provider_runcomfy.api.media import HEAD_BYTES
from airflow_provider_runcomfy.api.types import MediaKind
from airflow_provider_runcomfy.api.wire import USER_AGENT
from tests.api.raw_server import Behaviour, RawServer, http, reply, send
from tests.transfers.file_server import MP4

FILE = reply(200, MP4)
LOCAL = DownloadPolicy(allow_loopback_http=True)


def fetch(server: RawServer, *behaviours: Behaviour, resumes: int = 1) -> bytes:
    """Return what comes of a file that is served so."""
    server.answer(*behaviours)
    patience = Patience(connect=2, read=2, resumes=resumes)
    with open_download(
        f"{server.url}/0", LOCAL, kind=MediaKind.VIDEO, request_id="r-1", patience=patience, sleep=lambda seconds: None
    ) as download:
        return b"".join(iter(lambda: download.read1(100), b""))


def failure(server: RawServer, *behaviours: Behaviour, resumes: int = 1) -> str:
    """Return why a file that is served so was not downloaded."""
    with pytest.raises(DownloadFailedError) as raised:
        fetch(server, *behaviours, resumes=resumes)
    start, end = f"The video {server.url}/0 of request r-1 was not downloaded: ", ". It was paid for"
    message = str(raised.value)
    assert message.startswith(start)
    return message.removeprefix(start).partition(end)[0]


def to(path: str, status: int = 302) -> Behaviour:
    return reply(status, b"", {"Location": path})


def test_it_is_asked_by_name_and_for_the_bytes_as_they_are(server: RawServer) -> None:
    fetch(server, FILE)
    [asked] = server.requests
    assert (asked.headers["user-agent"], asked.headers["accept-encoding"]) == (USER_AGENT, "identity")


def test_five_redirects_are_followed(server: RawServer) -> None:
    assert fetch(server, *(to(f"/{number}") for number in range(1, 6)), FILE) == MP4
    assert [asked.path for asked in server.requests] == ["/0", "/1", "/2", "/3", "/4", "/5"]


def test_the_sixth_is_not(server: RawServer) -> None:
    assert failure(server, *(to(f"/{number}") for number in range(1, 7))) == "it is redirected more than 5 times"
    assert len(server.requests) == 6


@pytest.mark.parametrize("status", [300, 301, 303, 307, 308])
def test_each_kind_of_redirect_is_followed(server: RawServer, status: int) -> None:
    assert fetch(server, to("/1", status), FILE) == MP4


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(reply(302), "the server answered 302", id="a redirect to nowhere"),
        pytest.param(to("http://[", 302), "it is redirected to what is no URL", id="a redirect to no URL"),
        pytest.param(to("/1", 400), "the server answered 400", id="a refusal with a place"),
        pytest.param(reply(409), "the server answered 409", id="409"),
        pytest.param(reply(426), "the server answered 426", id="426"),
        pytest.param(to("/1", 204), "the server answered 204", id="204"),
        pytest.param(reply(206, MP4), "the server answered 206 to a request for the whole file", id="a part"),
        pytest.param(reply(416), "the server answered 416 to a request for the whole file", id="no such part"),
    ],
)
def test_what_another_try_would_not_mend_is_not_tried_again(server: RawServer, answer: Behaviour, reason: str) -> None:
    assert failure(server, answer, FILE) == reason
    assert len(server.requests) == 1


def test_a_file_with_a_place_is_the_file(server: RawServer) -> None:
    assert fetch(server, reply(200, MP4, {"Location": "/elsewhere"})) == MP4


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503, 599])
def test_what_may_pass_is_tried_again(server: RawServer, status: int) -> None:
    assert fetch(server, reply(status), FILE) == MP4


def test_a_server_that_never_serves_is_given_up(server: RawServer) -> None:
    assert failure(server, reply(500)) == "the server answered 500, 2 times in a row without getting past byte 0"


@pytest.mark.parametrize(
    ("headers", "announced"),
    [({}, "no content type"), ({"Content-Type": "a" * 101}, "a" * 100), ({"Content-Type": "text/html"}, "text/html")],
    ids=["none", "a long one", "a page"],
)
def test_text_is_no_medium_whatever_it_is_called(server: RawServer, headers: dict[str, str], announced: str) -> None:
    reason = f"the server sent text instead of a medium ('{announced}')"
    assert failure(server, reply(200, b"Not found", headers)) == reason


def chunked(*chunks: bytes) -> Behaviour:
    head = http(200, b"", [("Transfer-Encoding", "chunked"), ("Content-Type", "video/webm")])
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return send(head.replace(b"\r\nContent-Length: 0", b"") + body + b"0\r\n\r\n")


def test_only_the_beginning_is_read_before_it_is_asked_for(server: RawServer) -> None:
    rest = bytes(range(250)) * 8
    server.answer(chunked(MP4, rest))
    with open_download(f"{server.url}/0", LOCAL, kind=MediaKind.VIDEO, request_id="r-1") as download:
        assert (download.bytes_read, download.content_type, download.size) == (HEAD_BYTES, "video/webm", None)
        assert download.read1(10_000) == (MP4 + rest)[:HEAD_BYTES]
        assert download.read1(10) == (MP4 + rest)[HEAD_BYTES : HEAD_BYTES + 10]
        assert download.bytes_read == HEAD_BYTES + 10


# --- Taken up again --------------------------------------------------------------------------------------------------

SENT = 30
ETAG, DATE = ("ETag", '"one"'), ("Last-Modified", "Fri, 20 Nov 2026 10:00:00 GMT")


def cut(*headers: tuple[str, str], size: int | None = 100) -> Behaviour:
    """Send the first 30 bytes of a file, and break; without a size it is in chunks."""
    body = (MP4 + bytes(100))[:SENT]
    if size is None:
        head = http(200, b"", [("Transfer-Encoding", "chunked"), *headers]).replace(b"\r\nContent-Length: 0", b"")
        return send(head + b"%x\r\n%b\r\n" % (SENT, body))
    return send(http(200, b"", headers).replace(b"Content-Length: 0", f"Content-Length: {size}".encode()) + body)


def nothing_more(total: str, *headers: tuple[str, str]) -> Behaviour:
    return reply(416, b"", {"Content-Range": total, **dict(headers)})


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        pytest.param([ETAG, DATE], ETAG[1], id="its ETag"),
        pytest.param([("ETag", 'W/"one"'), DATE], DATE[1], id="its date, where the ETag is weak"),
        pytest.param([DATE], DATE[1], id="its date"),
    ],
)
def test_a_part_is_asked_for_on_condition_that_the_file_is_the_same(
    server: RawServer, headers: list[tuple[str, str]], condition: str
) -> None:
    rest = (MP4 + bytes(100))[SENT:100]
    part = reply(206, rest, {"Content-Range": "bytes 30-99/100", **dict(headers)})
    assert fetch(server, cut(*headers), part) == (MP4 + bytes(100))[:100]
    assert (server.requests[-1].headers["range"], server.requests[-1].headers["if-range"]) == ("bytes=30-", condition)


CHANGED = "it is no longer the same file as at its beginning"


@pytest.mark.parametrize(
    ("first", "then", "reason"),
    [
        pytest.param(cut(ETAG), reply(416), "the server answered 416", id="without a size"),
        pytest.param(cut(ETAG, size=None), reply(416), "the server answered 416", id="without any size"),
        pytest.param(
            cut(ETAG),
            nothing_more("bytes */30", ETAG),
            "it ends after 30 bytes, although the server announced 100",
            id="shorter than announced",
        ),
        pytest.param(
            cut(ETAG, size=None), nothing_more("bytes */30", ETAG), "the server answered 416", id="as long as it is"
        ),
        pytest.param(cut(ETAG), nothing_more("bytes */29", ETAG), CHANGED, id="shorter than what has come"),
        pytest.param(cut(ETAG, size=None), nothing_more("bytes */29", ETAG), CHANGED, id="shorter, in chunks"),
        pytest.param(cut(ETAG), nothing_more("bytes */30", ("ETag", '"two"')), CHANGED, id="another one as long"),
        pytest.param(
            cut(DATE),
            nothing_more("bytes */30", ("Last-Modified", "Sat, 21 Nov 2026 10:00:00 GMT")),
            CHANGED,
            id="another one by its date",
        ),
    ],
)
def test_nothing_behind_what_has_come_is_told_apart(
    server: RawServer, first: Behaviour, then: Behaviour, reason: str
) -> None:
    assert failure(server, first, then) == reason


def test_a_part_of_no_told_size_is_not_taken_and_the_next_time_the_whole_is_asked_for(server: RawServer) -> None:
    part = reply(206, b"x", {"Content-Range": f"bytes {SENT}-{SENT}/*", "ETag": '"one"'})
    reason = "the server does not say how long it is, but sends a part of it"
    assert failure(server, cut(ETAG, size=None), part, resumes=1) == (
        f"{reason}, 2 times in a row without getting past byte 30"
    )
    assert failure(server, cut(ETAG, size=None), part, reply(409), resumes=2) == "the server answered 409"
    assert [asked.headers.get("range") for asked in server.requests[-3:]] == [None, "bytes=30-", None]


def test_a_part_that_ends_before_the_file_does_is_taken_up_again(server: RawServer) -> None:
    part = reply(206, bytes(30), {"Content-Range": "bytes 30-59/100", "ETag": '"one"'})
    assert failure(server, cut(ETAG), part, resumes=1) == (
        "it ended after 60 of 100 bytes, 2 times in a row without getting past byte 60 of 100"
    )


def test_a_whole_file_that_ends_before_the_old_place_is_tried_again(server: RawServer) -> None:
    head = http(200, b"", [("Transfer-Encoding", "chunked"), ETAG]).replace(b"\r\nContent-Length: 0", b"")
    short = send(head + b"a\r\n" + MP4[:10] + b"\r\n0\r\n\r\n")
    assert failure(server, cut(ETAG), short, resumes=1) == (
        "it ended before byte 30, where it had broken off, 2 times in a row without getting past byte 30 of 100"
    )


@pytest.mark.parametrize("more", [0, 1])
def test_a_file_may_be_as_large_as_is_allowed(server: RawServer, more: int) -> None:
    server.answer(reply(200, MP4))
    policy = DownloadPolicy(max_bytes=len(MP4) - more, allow_loopback_http=True)
    opened = open_download(f"{server.url}/0", policy, kind=MediaKind.VIDEO, request_id="r-1", patience=Patience())
    if more:
        with pytest.raises(DownloadRefusedError, match=f"it has {len(MP4)} bytes, and {len(MP4) - 1} are"):
            opened.__enter__()
    else:
        with opened as download:
            assert download.size == len(MP4)


# --- The rate --------------------------------------------------------------------------------------------------------


@dataclass
class Slow:
    """A response whose pieces take their time; ``now`` is the clock."""

    pieces: list[tuple[float, int]]
    now: float = 50.0

    @property
    def raw(self) -> Any:
        return self

    def read1(self, amount: int, *, decode_content: bool) -> bytes:
        assert decode_content is False
        seconds, count = self.pieces.pop(0)
        self.now += seconds
        return bytes(count)


@pytest.mark.parametrize(
    ("pieces", "broken"),
    [
        pytest.param([(9.0, 1), (0.5, 1), (0.4, 1)], None, id="a window has not passed"),
        pytest.param([(10.0, 20)], None, id="just fast enough"),
        pytest.param([(10.0, 19)], "only 19 bytes came in 10 s", id="too slow"),
        pytest.param([(5.0, 12), (5.0, 8)], None, id="fast enough in all"),
        pytest.param([(5.0, 12), (5.0, 7)], "only 19 bytes came in 10 s", id="too slow in all"),
        pytest.param([(20.0, 39)], "only 39 bytes came in 20 s", id="too slow for a long time"),
        pytest.param([(10.0, 1000), (10.0, 19)], "only 19 bytes came in 10 s", id="each window by itself"),
        pytest.param([(10.0, 20), (9.5, 1), (0.4, 1)], None, id="the next window begins anew"),
        pytest.param([(10.0, 20), (10.0, 20)], None, id="fast enough twice"),
    ],
)
def test_the_rate_is_looked_at_once_in_a_window(
    pieces: list[tuple[float, int]], broken: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow: Any = Slow([*pieces])
    monkeypatch.setattr(file_server, "time", SimpleNamespace(monotonic=lambda: slow.now))
    body = Body(slow, Patience(window=10.0, least_rate=2.0))
    if broken is None:
        counts = [count for _, count in pieces]
        assert [len(body.read(1000)) for _ in counts] == counts
        return
    while len(slow.pieces) > 1:
        body.read(1000)
    with pytest.raises(BrokenError) as raised:
        body.read(1000)
    assert str(raised.value) == broken
