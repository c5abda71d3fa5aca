"""What a hostile or broken server may answer: one table for every call and for downloads."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from tests.api.answers import PAGE
from tests.api.callers import MODEL, REQUEST
from tests.api.raw_server import Behaviour, Exchange, drip, flood, http, reply, reset, send, silence

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MIB = 1 << 20

# Every field of every answer, so that each call finds its own.
FIELDS = ["request_id", "status", "queue_position", "outcome", "output", "error", "cost", "created_at", "error_code"]
FIELDS += ["models", "total", "model_id", "balance_usd", "currency", "message", "detail"]
VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "a number": -1.5,
    "a text": "\u202e\u0000\ud800",
    "a list": [[], {}, None],
    "an object": {"status": {"status": "succeeded"}},
}


def _whole(**changed: Any) -> dict[str, Any]:
    """Return what would be an answer to every call, but for what is changed."""
    good = {"request_id": REQUEST, "status": "succeeded", "models": [], "model_id": MODEL, "balance_usd": 1}
    return good | {"output": {"video": "https://cdn.runcomfy.com/a.mp4"}} | changed


def echo(before: str, after: str) -> Behaviour:
    """Send back what came as Authorization, between two texts."""

    def act(exchange: Exchange) -> None:
        token = exchange.received.headers.get("authorization", "none")
        exchange.connection.sendall((before + token + after).encode())

    return act


def redirect(location: str, status: int = 302) -> Behaviour:
    return reply(status, b"", {"Location": location})


def _zipped(body: bytes) -> Behaviour:
    return reply(200, gzip.compress(body), {"Content-Encoding": "gzip"})


GOOD = json.dumps(_whole()).encode()

TYPES = [
    *(
        pytest.param(reply(200, dict.fromkeys(FIELDS, value)), id=f"every field {name}")
        for name, value in VALUES.items()
    ),
    pytest.param(reply(200, b"null"), id="null"),
    pytest.param(reply(200, b"true"), id="true"),
    pytest.param(reply(200, b"17"), id="a number"),
    pytest.param(reply(200, [_whole()]), id="a list"),
    pytest.param(reply(200, json.dumps(_whole())), id="JSON in JSON"),
    pytest.param(reply(200, b""), id="nothing"),
    pytest.param(reply(204), id="204"),
    pytest.param(reply(200, PAGE), id="a page"),
    pytest.param(reply(200, b"OK"), id="a word"),
    pytest.param(reply(200, GOOD[:-1]), id="JSON that is cut"),
    pytest.param(reply(200, GOOD + GOOD), id="JSON twice"),
    pytest.param(reply(200, _whole(error_code="no", error_message="\0" * 9000)), id="a success with an error code"),
    pytest.param(reply(200, b'{"x": 1e999, %b' % GOOD[1:]), id="an infinite number"),
    pytest.param(reply(200, b'{"x": NaN, %b' % GOOD[1:]), id="NaN"),
    pytest.param(reply(200, b'{"x": %b, %b' % (b"9" * 500_000, GOOD[1:])), id="a number of 500 000 digits"),
    pytest.param(reply(500, _whole()), id="500 with an answer"),
    pytest.param(reply(429, b"", {"Retry-After": "9" * 4000}), id="429 for ever"),
    pytest.param(reply(429, b"", {"Retry-After": "-1e999"}), id="429 until before all time"),
    pytest.param(reply(429, b"", {"Retry-After": f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT"}), id="429 until no year"),
    pytest.param(reply(429, b"", {"Retry-After": f"Mon, 01 Jan 2027 00:00:00 +{'9' * 20}"}), id="429 until no zone"),
]
ENCODINGS = [
    pytest.param(reply(200, GOOD.decode().encode("utf-16")), id="UTF-16"),
    pytest.param(reply(200, GOOD.decode().encode("utf-32")), id="UTF-32"),
    pytest.param(reply(200, b'{"x": "\xe4\xff", %b' % GOOD[1:]), id="Latin-1"),
    pytest.param(reply(200, b'{"x": "\xed\xa0\x80", %b' % GOOD[1:]), id="a surrogate in UTF-8"),
    pytest.param(reply(200, b"\0" * 1000), id="NUL"),
    pytest.param(reply(200, b'{"x": "\0", %b' % GOOD[1:]), id="NUL in a text"),
    pytest.param(reply(200, GOOD, {"Content-Encoding": "gzip"}), id="gzip that is none"),
    pytest.param(send(http(200, gzip.compress(GOOD)[:20], [("Content-Encoding", "gzip")])), id="gzip that is cut"),
    pytest.param(reply(200, zlib.compress(GOOD)[:9], {"Content-Encoding": "deflate"}), id="deflate that is cut"),
    pytest.param(reply(200, b"\x1f\x8b", {"Content-Encoding": "gzip, gzip, gzip"}), id="gzip three times"),
]
NESTED = [
    pytest.param(reply(200, b"[" * 500_000), id="lists without end"),
    pytest.param(reply(200, b'{"output":' * 50_000), id="objects without end"),
    pytest.param(reply(200, b"[" * 100_000 + b"]" * 100_000), id="100 000 lists within each other"),
    pytest.param(
        reply(200, b'{"x": %b, %b' % (b"[" * 900 + b"]" * 900, GOOD[1:])), id="a field of 900 lists within each other"
    ),
]
REDIRECTS = [
    pytest.param(redirect("/again"), id="to itself without end"),
    pytest.param(redirect("http://169.254.169.254/latest/meta-data/"), id="to a link-local address"),
    pytest.param(redirect("file:///etc/passwd", 307), id="to a file"),
    pytest.param(redirect("gopher://runcomfy.net/", 308), id="to another protocol"),
    pytest.param(redirect("http://[::1", 301), id="to no URL"),
    pytest.param(redirect("https://user:password@cdn.runcomfy.com/a.mp4"), id="to a URL with a password"),
    pytest.param(redirect("https://evil.example\\@cdn.runcomfy.com/a.mp4"), id="to a URL with a backslash"),
    pytest.param(redirect("https://cdn.runcomfy.com.evil.example/a.mp4", 303), id="to a host that looks alike"),
    pytest.param(redirect("x" * 60_000), id="to a very long URL"),
]
PROTOCOL = [
    pytest.param(send(b""), id="closed at once"),
    pytest.param(reset(), id="reset at once"),
    pytest.param(reset(OK), id="reset in the header"),
    pytest.param(reset(OK + b"Content-Length: 99\r\n\r\n{"), id="reset in the body"),
    pytest.param(send(OK), id="closed in the header"),
    pytest.param(send(OK + b"Content-Length: 9999\r\n\r\n" + GOOD), id="closed before the length"),
    pytest.param(send(CHUNKED + b"5\r\n" + GOOD[:5]), id="closed in the chunks"),
    pytest.param(send(CHUNKED + b"xyz\r\n"), id="no chunk size"),
    pytest.param(send(CHUNKED + b"-5\r\nabcde\r\n0\r\n\r\n"), id="a negative chunk size"),
    pytest.param(send(CHUNKED + b"f" * 40 + b"\r\n" + GOOD), id="a chunk of more than there can be"),
    pytest.param(send(OK + b"Content-Length: -1\r\n\r\n{}"), id="a negative length"),
    pytest.param(send(OK + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\n{}"), id="two lengths"),
    pytest.param(send(OK + b"Content-Length: many\r\n\r\n{}"), id="no length"),
    pytest.param(send(OK + b"Content-Length: %b\r\n\r\n{}" % (b"9" * 5000)), id="a length of 5000 digits"),
    pytest.param(send(b"SSH-2.0-OpenSSH_9.2\r\n"), id="no HTTP"),
    pytest.param(send(b"\0" * 100), id="NUL for HTTP"),
    pytest.param(send(b"HTTP/1.1 2x0 OK\r\n\r\n"), id="no status"),
    pytest.param(send(b"HTTP/1.1 99999 OK\r\n\r\n"), id="a status of five digits"),
    pytest.param(send(b"HTTP/1.1 101 Switching\r\n\r\n"), id="101"),
    pytest.param(echo("", "\r\n\r\n"), id="the token for a status line"),
    pytest.param(echo("HTTP/1.1 200 OK\r\nContent-Length: ", "\r\n\r\n"), id="the token for a length"),
    pytest.param(echo("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "\r\n"), id="the token for a size"),
    pytest.param(echo("HTTP/1.1 500 OK\r\nX: " + "y" * 8150, "\r\n\r\n"), id="the token in a long header"),
    pytest.param(echo("HTTP/1.1 500 OK\r\n\r\nno such token: ", "!"), id="the token in the body"),
    pytest.param(echo('HTTP/1.1 400 No\r\n\r\n{"error_message": "', '"}'), id="the token in an error"),
]
QUICK = [*TYPES, *ENCODINGS, *NESTED, *REDIRECTS, *PROTOCOL]

SLOW = [
    pytest.param(silence, id="silence"),
    pytest.param(drip(b"", b"H"), id="a status line that never ends"),
    pytest.param(drip(OK, b"X: y\r\n"), id="headers that never end"),
    pytest.param(drip(OK + b"X: ", b"y"), id="a header that never ends"),
    pytest.param(drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="100 Continue for ever"),
    pytest.param(drip(OK + b"\r\n", b" "), id="a body that never ends"),
    pytest.param(drip(OK + b"Content-Length: 9999\r\n\r\n", b" "), id="a body that comes slowly"),
    pytest.param(drip(CHUNKED, b"1\r\n \r\n"), id="chunks that never end"),
    pytest.param(drip(b"HTTP/1.1 302 Go\r\nLocation: /x\r\n\r\n", b" "), id="a redirect that never ends"),
]
# Far more than any answer may have; the server stops when nobody takes it any more.
HUGE = [
    pytest.param(flood(OK + b"\r\n", b" " * MIB, 64), id="a body"),
    pytest.param(flood(OK + b"Content-Length: 999999999\r\n\r\n", b" " * MIB, 64), id="a body with its length"),
    pytest.param(flood(CHUNKED, b"100000\r\n" + b" " * MIB + b"\r\n", 64), id="a body in chunks"),
    pytest.param(flood(OK, b"X: %b\r\n" % (b"y" * 4000), 16_000), id="many headers"),
    pytest.param(flood(OK + b"X: ", b"y" * MIB, 64), id="a header"),
    pytest.param(flood(b"", b"y" * MIB, 64), id="a status line"),
    pytest.param(flood(b"HTTP/1.1 302 Go\r\nLocation: /x\r\n\r\n", b" " * MIB, 64), id="a redirect's body"),
    pytest.param(flood(b"HTTP/1.1 500 No\r\n\r\n", b" " * MIB, 64), id="an error's body"),
    pytest.param(_zipped(b" " * (64 * MIB)), id="a body once it is unpacked"),
]
