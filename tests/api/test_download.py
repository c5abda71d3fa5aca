from __future__ import annotations

import hashlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_runcomfy.api.download import DownloadPolicy, Patience, open_download
from airflow_provider_runcomfy.api.errors import (
    DownloadFailedError,
    DownloadRefusedError,
    FileGoneError,
    RunComfyError,
    UrlRefusedError,
)
from airflow_provider_runcomfy.api.types import MediaKind
from tests.api.raw_server import Behaviour, drip, raw_server
from tests.transfers.file_server import MP4, File, FileServer, clip, file_server

MIB = 1024 * 1024
LOCAL = DownloadPolicy(allow_loopback_http=True)
HASTE = Patience(connect=2, read=2)


@pytest.fixture(scope="module")
def running() -> Iterator[FileServer]:
    with file_server() as server:
        yield server


@pytest.fixture
def server(running: FileServer) -> FileServer:
    running.files.clear()
    running.asked.clear()
    return running


class Fetched:
    """A whole download: what came, and how long it paused before going on."""

    def __init__(self, url: str, policy: DownloadPolicy = LOCAL, patience: Patience = HASTE) -> None:
        self.pauses: list[float] = []
        with open_download(
            url, policy, kind=MediaKind.VIDEO, request_id="r-1", patience=patience, sleep=self.pauses.append
        ) as download:
            self.body = b""
            while piece := download.read1(100_000):
                self.body += piece
        self.sha256, self.size, self.content_type, self.etag = (
            download.sha256,
            download.size,
            download.content_type,
            download.etag,
        )


def test_a_file_comes_whole_with_its_hash_size_type_and_etag(server: FileServer) -> None:
    body = clip(MIB)
    fetched = Fetched(server.add("/a.mp4", File(body)))
    assert fetched.body == body
    assert (fetched.sha256, fetched.size, fetched.content_type, fetched.etag) == (
        hashlib.sha256(body).hexdigest(),
        MIB,
        "video/mp4",
        '"one"',
    )
    assert fetched.pauses == []


def test_no_token_no_cookie_no_netrc_password_goes_out(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    url = server.add("/to", File(redirect="/a.mp4", headers={"Set-Cookie": "session=1; Path=/"}))
    server.add("/a.mp4", File(clip(MIB), cuts=[1000], headers={"Set-Cookie": "session=1; Path=/"}))
    Fetched(url)
    assert len(server.asked) == 4
    assert server.headers("Authorization") == server.headers("Cookie") == [None] * 4
    assert server.headers("Accept-Encoding") == ["identity"] * 4


RESUMED = {
    "by Range, once": (File(cuts=[300_000]), [None, "bytes=300000-"]),
    "by Range, three times": (
        File(cuts=[300_000, 300_000, 300_000]),
        [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"],
    ),
    "by Last-Modified where there is no ETag": (
        File(etag=None, last_modified="Fri, 20 Nov 2026 10:00:00 GMT", cuts=[300_000]),
        [None, "bytes=300000-"],
    ),
    "by Last-Modified where the ETag is weak": (
        File(etag='W/"one"', last_modified="Fri, 20 Nov 2026 10:00:00 GMT", cuts=[300_000]),
        [None, "bytes=300000-"],
    ),
    "chunked": (File(chunked=True, cuts=[300_000]), [None, "bytes=300000-"]),
    "from the start, where the server has no ranges": (File(ranges=False, cuts=[300_000]), [None, "bytes=300000-"]),
    "from the start, where nothing identifies the file": (File(etag=None, cuts=[300_000]), [None, None]),
    "from the start, cut again before the same place": (
        File(ranges=False, cuts=[300_000, 100_000]),
        [None, "bytes=300000-", "bytes=300000-"],
    ),
}


@pytest.mark.parametrize(("file", "ranges"), RESUMED.values(), ids=RESUMED)
def test_a_broken_download_goes_on_where_it_stopped(
    server: FileServer, file: File, ranges: list[str | None], caplog: pytest.LogCaptureFixture
) -> None:
    file = replace(file, body=clip(MIB), cuts=[*file.cuts])
    caplog.set_level(logging.WARNING)
    fetched = Fetched(server.add("/a.mp4", file))
    assert fetched.body == file.body
    assert fetched.sha256 == hashlib.sha256(file.body).hexdigest()
    assert len(fetched.pauses) == len(ranges) - 1
    assert server.headers("Range") == ranges
    assert caplog.text.count("of request r-1") == len(ranges) - 1


def test_a_reset_is_a_break_like_any_other(server: FileServer) -> None:
    body = clip(MIB)
    fetched = Fetched(server.add("/a.mp4", File(body, cuts=[300_000, 300_000], is_reset=True)))
    assert fetched.body == body
    assert fetched.pauses == [1.0, 2.0]


def test_a_server_that_cuts_every_few_mib_is_borne_as_long_as_it_gets_on(server: FileServer) -> None:
    body = clip(20 * MIB)
    fetched = Fetched(server.add("/a.mp4", File(body, cuts=[2 * MIB] * 9)))
    assert fetched.body == body
    assert fetched.pauses == [1.0] * 9


@pytest.mark.parametrize(("further", "pauses"), [(MIB, [1.0, 1.0]), (MIB - 1, [1.0, 2.0])])
def test_a_mib_more_makes_it_a_new_break(server: FileServer, further: int, pauses: list[float]) -> None:
    body = clip(3 * MIB)
    fetched = Fetched(server.add("/a.mp4", File(body, cuts=[5000, further])))
    assert (fetched.body, fetched.pauses) == (body, pauses)


def test_pauses_are_doubled_up_to_the_longest_and_each_is_told(
    server: FileServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.add("/a.mp4", File(clip(5000), statuses=[500] * 4))
    fetched = Fetched(url, patience=replace(HASTE, longest_pause=3.0))
    assert fetched.pauses == [1.0, 2.0, 3.0, 3.0]
    assert [record.getMessage() for record in caplog.records if record.name.endswith("api.download")] == [
        f"The video {url} of request r-1: the server answered 500. Going on from byte 0 in {pause} s ({count} of 5)."
        for count, pause in enumerate((1, 2, 3, 3), 1)
    ]


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_a_file_as_large_as_is_allowed_is_downloaded(server: FileServer, chunked: bool) -> None:
    policy = DownloadPolicy(max_bytes=MIB, allow_loopback_http=True)
    fetched = Fetched(server.add("/a.mp4", File(clip(MIB), chunked=chunked)), policy)
    assert len(fetched.body) == MIB
    assert fetched.size == (None if chunked else MIB)


def test_no_more_is_given_than_is_asked_for(server: FileServer) -> None:
    url = server.add("/a.mp4", File(clip(5000)))
    with open_download(url, LOCAL, kind=MediaKind.VIDEO, request_id="r-1", patience=HASTE) as download:
        pieces = [download.read1(7)]
        while pieces[-1]:
            pieces.append(download.read1(7))
        assert (b"".join(pieces), max(map(len, pieces))) == (clip(5000), 7)
        assert download.bytes_read == 5000


def test_a_server_that_gives_less_than_the_rest_is_asked_for_what_is_left(server: FileServer) -> None:
    body = clip(5 * MIB)
    fetched = Fetched(server.add("/a.mp4", File(body, cuts=[MIB], longest_range=2 * MIB)))
    assert fetched.body == body
    assert server.headers("Range") == [None, f"bytes={MIB}-", f"bytes={3 * MIB}-"]


def test_the_body_of_a_redirect_is_not_waited_for(server: FileServer) -> None:
    url = server.add("/to", File(redirect="/a.mp4", headers={"Content-Length": "1000"}))
    server.add("/a.mp4", File(clip(5000)))
    fetched = Fetched(url)
    assert fetched.body == clip(5000)
    assert fetched.pauses == []


def test_a_server_in_trouble_is_asked_again(server: FileServer) -> None:
    body = clip(5000)
    fetched = Fetched(server.add("/a.mp4", File(body, statuses=[503, 429, 500])))
    assert fetched.body == body
    assert fetched.pauses == [1.0, 2.0, 4.0]


def test_pieces_of_which_nobody_says_whether_they_are_the_last_are_not_taken_for_the_rest(server: FileServer) -> None:
    body = clip(3 * MIB)
    file = File(
        body, chunked=True, cuts=[MIB], longest_range=MIB, ranges_tell_size=False, before=_changes(chunked=False)
    )
    fetched = Fetched(server.add("/a.mp4", file))
    assert fetched.body == body
    assert server.headers("Range") == [None, f"bytes={MIB}-", None]


def _changes(**changes: object) -> Callable[[File, int], None]:
    def change(file: File, answer: int) -> None:
        if answer == 2:
            for name, value in changes.items():
                setattr(file, name, deepcopy(value))

    return change


FAILS = {
    "empty": (File(b""), DownloadFailedError, "it is empty"),
    "an HTML page": (
        File(b"<!DOCTYPE html><title>Sign in</title>", content_type="text/html; charset=utf-8"),
        DownloadFailedError,
        "text instead of a medium ('text/html; charset=utf-8')",
    ),
    "an HTML page that is called a video": (
        File(b"\r\n  <html>", content_type="video/mp4"),
        DownloadFailedError,
        "text instead of a medium",
    ),
    "a JSON error": (File(b'{"error": "x"}', content_type=None), DownloadFailedError, "text instead of a medium"),
    "compressed": (File(MP4, headers={"Content-Encoding": "gzip"}), DownloadFailedError, "compressed"),
    "of no told length": (File(is_silent_about_length=True), DownloadFailedError, "does not say how long"),
    "announced as too large": (
        File(clip(2000), announced=3 * MIB),
        DownloadRefusedError,
        "it has 3145728 bytes, and 1048576 are allowed",
    ),
    "too large unannounced": (File(clip(2 * MIB), chunked=True), DownloadRefusedError, "more than 1048576 bytes"),
    "an expired URL (401)": (File(statuses=[401]), UrlRefusedError, "answered 401, so its URL has expired, or the"),
    "an expired URL (403)": (File(statuses=[403]), UrlRefusedError, "answered 403, so its URL has expired, or the"),
    "gone (404)": (File(statuses=[404]), FileGoneError, "answered 404, so the file is no longer there"),
    "gone (410)": (File(statuses=[410]), FileGoneError, "answered 410, so the file is no longer there"),
    "gone under way": (
        File(clip(MIB), cuts=[1000], before=_changes(statuses=[404])),
        FileGoneError,
        "answered 404, so the file is no longer there",
    ),
    "refused oddly": (File(statuses=[418]), DownloadFailedError, "answered 418"),
    "down for good": (File(statuses=[500] * 6), DownloadFailedError, "answered 500, 6 times in a row"),
    "cut at the same place for good": (
        File(clip(MIB), ranges=False, cuts=[9000] * 6),
        DownloadFailedError,
        "6 times in a row without getting past byte 9000",
    ),
    "shorter than announced": (
        File(clip(9000), announced=9999),
        DownloadFailedError,
        "it ends after 9000 bytes, although the server announced 9999",
    ),
    "shorter than announced, without ranges": (
        File(clip(9000), announced=9999, ranges=False),
        DownloadFailedError,
        "6 times in a row without getting past byte 9000 of 9999",
    ),
    "of no told length once it goes on": (
        File(
            clip(MIB),
            chunked=True,
            cuts=[9000],
            before=_changes(ranges=False, chunked=False, is_silent_about_length=True),
        ),
        DownloadFailedError,
        "does not say how long",
    ),
    "in pieces of no told length for good": (
        File(clip(MIB), chunked=True, cuts=[9000] * 9, ranges_tell_size=False, longest_range=9000),
        DownloadFailedError,
        "6 times in a row without getting past byte 9000",
    ),
    "changed under way (ETag)": (
        File(clip(MIB), cuts=[9000], before=_changes(etag='"two"')),
        DownloadFailedError,
        "no longer the same file",
    ),
    "changed under way (length)": (
        File(clip(MIB), cuts=[9000], before=_changes(body=clip(MIB - 1))),
        DownloadFailedError,
        "no longer the same file",
    ),
    "changed under way (only the bytes tell)": (
        File(clip(MIB), etag=None, cuts=[9000], before=_changes(body=clip(MIB, seed=1))),
        DownloadFailedError,
        "no longer the same file",
    ),
    "a redirect loop": (File(redirect="/a.mp4"), DownloadFailedError, "redirected more than 5 times"),
    "redirected to another host": (
        File(redirect="https://elsewhere.example/a.mp4"),
        DownloadRefusedError,
        "https://elsewhere.example/a.mp4",
    ),
    "redirected to a link-local address": (
        File(redirect="http://169.254.169.254/latest/meta-data"),
        DownloadRefusedError,
        "only HTTPS is allowed",
    ),
    "redirected to a local file": (File(redirect="file:///etc/passwd"), DownloadRefusedError, "names no host"),
    "redirected with a password": (
        File(redirect="http://u:p@127.0.0.1/a.mp4"),
        DownloadRefusedError,
        "carries a user name",
    ),
}


@pytest.mark.parametrize(("file", "error", "message"), FAILS.values(), ids=FAILS)
def test_a_wrong_file_is_one_clear_error(
    server: FileServer, file: File, error: type[RunComfyError], message: str
) -> None:
    url = server.add("/a.mp4", deepcopy(file))
    with pytest.raises(error) as raised:
        Fetched(f"{url}?signature=s3cret", DownloadPolicy(max_bytes=MIB, allow_loopback_http=True))
    assert type(raised.value) is error
    assert message in str(raised.value)
    assert raised.value.request_id == "r-1"
    assert "r-1" in str(raised.value)
    assert "paid for" in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_nobody_answers() -> None:
    with pytest.raises(DownloadFailedError, match="no answer") as raised:
        Fetched("http://127.0.0.1:9/a.mp4?sig=s3cret")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("patience", "message"),
    [
        pytest.param(Patience(read=0.01, resumes=1), r"the connection broke \(ReadTimeoutError\)", id="by silence"),
        pytest.param(Patience(read=5, window=0.3, resumes=1), r"only \d+ bytes came in", id="by its rate"),
    ],
)
def test_a_server_that_drips_is_given_up(server: FileServer, patience: Patience, message: str) -> None:
    stop = threading.Event()
    url = server.add("/a.mp4", File(clip(100_000), drip=stop))
    try:
        with pytest.raises(DownloadFailedError, match=message):
            Fetched(url, patience=patience)
    finally:
        stop.set()


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(drip(b"", b"H"), id="a status line that never ends"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), id="headers that never end"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX: ", b"y"), id="a header that never ends"),
        pytest.param(drip(b"HTTP/1.1 302 Go\r\nLocation: /x\r\n", b"X: y\r\n"), id="a redirect that never ends"),
    ],
)
def test_headers_that_drip_are_given_up(behaviour: Behaviour) -> None:
    with raw_server() as server:
        server.answer(behaviour)
        began = time.monotonic()
        with pytest.raises(DownloadFailedError, match=r"no answer \(ReadTimeout\)"):
            Fetched(f"{server.url}/a.mp4", patience=Patience(connect=0.2, read=0.2, resumes=1))
        assert len(server.requests) == 2
    assert time.monotonic() - began < 3


def test_the_environments_proxy_is_used_but_not_for_this_machine(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.add("/a.mp4", File(clip(5000)))
    with socket.create_server(("127.0.0.1", 0)) as proxy, ThreadPoolExecutor(1) as pool:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        Fetched(url)
        asked = pool.submit(_refuse_one, proxy)
        with pytest.raises(DownloadFailedError, match="no answer"):
            Fetched("https://cdn.runcomfy.net/a.mp4", patience=Patience(resumes=0))
        assert asked.result().startswith(b"CONNECT cdn.runcomfy.net:443 ")


def _refuse_one(proxy: socket.socket) -> bytes:
    connection, _ = proxy.accept()
    with connection:
        asked = connection.recv(10_000)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    return asked
