from __future__ import annotations

import hashlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.api.download import DownloadPolicy, Patience, open_download
from airflow_provider_runcomfy.api.download_policy import shown, without_query
from airflow_provider_runcomfy.api.errors import DownloadFailedError, DownloadRefusedError, RunComfyError
from airflow_provider_runcomfy.api.media import content_type_of
from airflow_provider_runcomfy.api.types import MediaKind
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
            while piece := download.read(100_000):
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


@pytest.mark.parametrize("amounts", [[None], [-1], [10, 600, None], [512, 1, 10**9]], ids=repr)
def test_read_gives_exactly_what_is_asked_for_until_the_end(server: FileServer, amounts: list[int | None]) -> None:
    body = clip(300_000)
    url = server.add("/a.mp4", File(body))
    with open_download(url, LOCAL, kind=MediaKind.VIDEO, request_id="r-1") as download:
        pieces = [download.read(amount) for amount in amounts]
        assert [len(p) for p in pieces[:-1]] == amounts[:-1]
        assert b"".join(pieces) == body
        assert download.read(1) == b""


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
    file.body = clip(MIB)
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


def test_a_server_in_trouble_is_asked_again(server: FileServer) -> None:
    body = clip(5000)
    fetched = Fetched(server.add("/a.mp4", File(body, statuses=[503, 429, 500])))
    assert fetched.body == body
    assert fetched.pauses == [1.0, 2.0, 4.0]


def _changes(**changes: object) -> Callable[[File, int], None]:
    def change(file: File, answer: int) -> None:
        if answer == 2:
            for name, value in changes.items():
                setattr(file, name, value)

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
    "gone (403)": (File(statuses=[403]), DownloadRefusedError, "answered 403, so the file is no longer there"),
    "gone (404)": (File(statuses=[404]), DownloadRefusedError, "answered 404, so the file is no longer there"),
    "gone (410)": (File(statuses=[410]), DownloadRefusedError, "answered 410, so the file is no longer there"),
    "gone under way": (
        File(clip(MIB), cuts=[1000], before=_changes(statuses=[404])),
        DownloadRefusedError,
        "answered 404, so the file is no longer there",
    ),
    "refused oddly": (File(statuses=[418]), DownloadFailedError, "answered 418"),
    "down for good": (File(statuses=[500] * 6), DownloadFailedError, "answered 500, 6 times in a row"),
    "cut at the same place for good": (
        File(clip(MIB), ranges=False, cuts=[9000] * 6),
        DownloadFailedError,
        "6 times in a row without getting past byte 9000",
    ),
    "shorter than announced": (File(clip(9000), announced=9999), DownloadFailedError, "no longer the same file"),
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
    url = server.add("/a.mp4", file)
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


ALLOWED = [
    "https://runcomfy.net/a",
    "https://playgrounds-storage-public.runcomfy.net/a/b.mp4?x=y#z",
    "https://CDN.RunComfy.com:443/a",
    "https://cdn.runcomfy.com/f\u00fcr",
]
REFUSED = [
    "http://cdn.runcomfy.com/a",
    "ftp://cdn.runcomfy.com/a",
    "file:///etc/passwd",
    "//cdn.runcomfy.com/a",
    "cdn.runcomfy.com/a",
    "",
    "https:///a",
    "https://runcomfy.com.evil.example/a",
    "https://evilruncomfy.com/a",
    "https://evil.example/runcomfy.com",
    "https://evil.example#.runcomfy.com/",
    "https://evil.example?.runcomfy.com/",
    "https://user@cdn.runcomfy.com/a",
    "https://cdn.runcomfy.com@evil.example/a",
    "https://127.0.0.1\\@cdn.runcomfy.net/a",
    "https://evil.example\\.runcomfy.net/a",
    "https://evil.example/\\@cdn.runcomfy.net",
    "https://cdn.runcomfy.net\r\nHost: evil/a",
    "https://cdn.runcomfy.net/a b",
    " https://cdn.runcomfy.net/a",
    "https://cdn.runcomfy.net:8443/a",
    "https://cdn.runcomfy.net:99999/a",
    "https://cdn.runcomfy.net:x/a",
    "https://cdn\u3002runcomfy.net/a",
    "https://[::1/a",
    "https://127.0.0.1/a",
    "https://[::1]/a",
    "http://localhost/a",
    "http://169.254.169.254/a",
]


@pytest.mark.parametrize("url", ALLOWED)
def test_runcomfys_own_domains_are_allowed(url: str) -> None:
    DownloadPolicy().check(url)


@pytest.mark.parametrize("url", REFUSED)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(DownloadRefusedError):
        DownloadPolicy().check(url)


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("http://127.0.0.1:8080/a", True),
        ("http://localhost:1/a", True),
        ("http://[::1]:8080/a", True),
        ("https://127.0.0.1:8443/a", True),
        ("https://cdn.runcomfy.net/a", True),
        ("http://cdn.runcomfy.net/a", False),
        ("http://10.0.0.1/a", False),
        ("http://0.0.0.0/a", False),
        ("http://2130706433/a", False),
        ("http://127.0.0.1.evil.example/a", False),
        ("http://u@127.0.0.1/a", False),
    ],
)
def test_a_sandbox_may_serve_from_this_machine_only(url: str, is_allowed: bool) -> None:
    if is_allowed:
        LOCAL.check(url)
    else:
        with pytest.raises(DownloadRefusedError):
            LOCAL.check(url)


@given(
    st.text(max_size=40),
    st.sampled_from(["https://", "http://", ""]),
    st.sampled_from(["evil.example", ""]),
    st.text("@\\/?#:[]. %\t", max_size=4),
)
def test_no_odd_url_leads_anywhere_else(tail: str, scheme: str, host: str, odd: str) -> None:
    from urllib3.util import parse_url

    url = f"{scheme}{host}{odd}cdn.runcomfy.net{tail}"
    try:
        DownloadPolicy().check(url)
    except DownloadRefusedError:
        return
    connected = parse_url(url)
    assert connected.scheme == "https"
    assert f".{(connected.host or '').lower()}".endswith((".runcomfy.net", ".runcomfy.com"))


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://a.example/b.mp4?sig=1#x", "https://a.example/b.mp4"),
        ("https://u:p@a.example/b@c", "https://a.example/b@c"),
        ("https://a.example", "https://a.example"),
        ("https://a.example#/x?y", "https://a.example"),
    ],
)
def test_a_signed_url_does_not_show_its_signature(url: str, plain: str) -> None:
    assert without_query(url) == plain


def test_a_url_in_a_message_is_printable_and_short() -> None:
    assert shown("https://a.example/\n\x1b\u202e") == "https://a.example/\\n\\x1b\\u202e"
    assert len(shown("https://a.example/" + "x" * 9000)) == 203


KINDS = {
    "as the server says": (MP4, "video/mp4; codecs=avc1", MediaKind.VIDEO, "video/mp4"),
    "by its first bytes": (MP4, "application/octet-stream", MediaKind.VIDEO, "video/mp4"),
    "webm": (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm", None, MediaKind.VIDEO, "video/webm"),
    "png": (b"\x89PNG\r\n\x1a\n\x00", "binary/octet-stream", MediaKind.VIDEO, "image/png"),
    "webp": (b"RIFF\x10\x00\x00\x00WEBPVP8 ", None, MediaKind.IMAGE, "image/webp"),
    "wav": (b"RIFF\x10\x00\x00\x00WAVEfmt ", None, MediaKind.AUDIO, "audio/wav"),
    "mp3": (b"ID3\x04\x00", None, MediaKind.AUDIO, "audio/mpeg"),
    "a medium called text": (MP4, "text/plain", MediaKind.VIDEO, "video/mp4"),
    "unknown bytes": (b"\x00\x01\x02", None, MediaKind.AUDIO, "audio/mpeg"),
    "text": (b"Not found", None, MediaKind.VIDEO, None),
    "text in another alphabet, cut in a character": (("\u0416" * 300).encode()[:511], None, MediaKind.VIDEO, None),
    "UTF-16": ("\ufeff<html></html>".encode("utf-16-le"), None, MediaKind.VIDEO, None),
    "XML": (b'<?xml version="1.0"?><Error/>', "application/xml", MediaKind.VIDEO, None),
    "SVG": (b"<svg xmlns='x'/>", "image/svg+xml", MediaKind.IMAGE, None),
    "unknown bytes called JSON": (b"\x00\x01", "application/problem+json", MediaKind.VIDEO, None),
}


@pytest.mark.parametrize(("head", "announced", "kind", "expected"), KINDS.values(), ids=KINDS)
def test_a_medium_is_told_from_text(head: bytes, announced: str | None, kind: MediaKind, expected: str | None) -> None:
    assert content_type_of(head, announced, kind) == expected
