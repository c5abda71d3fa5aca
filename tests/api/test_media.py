from __future__ import annotations

import pytest

from airflow_provider_runcomfy.api.media import content_type_of
from airflow_provider_runcomfy.api.types import MediaKind
from tests.transfers.file_server import MP4

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
    "as the server says, with parameters": (MP4, "Video/WebM; codecs=avc1; x=y", MediaKind.VIDEO, "video/webm"),
    "a picture called SVG": (b"\x89PNG\r\n\x1a\n", "image/svg+xml", MediaKind.IMAGE, "image/png"),
    "UTF-16, the other order": ("\ufeff<html></html>".encode("utf-16-be"), None, MediaKind.VIDEO, None),
    "like UTF-16, and odd": (b"\xff\xfe<\x00h", None, MediaKind.VIDEO, "video/mp4"),
    "like UTF-16, a quarter zeros": (b"\xff\xfea\x00\x00bcd", None, MediaKind.VIDEO, None),
    "like UTF-16, a sixth zeros": (b"\xff\xfea\x00bc", None, MediaKind.VIDEO, "video/mp4"),
    "unknown bytes, half zeros": (b"\x00\x01\x02\x00", None, MediaKind.AUDIO, "audio/mpeg"),
    "text cut after three bytes of a character": ("a\U0001f600".encode()[:4], None, MediaKind.VIDEO, None),
    "no text at its end": (b"ab\xff", None, MediaKind.AUDIO, "audio/mpeg"),
    "no text at its beginning": (b"\xffabcdef", None, MediaKind.VIDEO, "video/mp4"),
    "nothing": (b"", None, MediaKind.IMAGE, "image/png"),
    "SVG": (b"<svg xmlns='x'/>", "image/svg+xml", MediaKind.IMAGE, None),
    "unknown bytes called JSON": (b"\x00\x01", "application/problem+json", MediaKind.VIDEO, None),
}


@pytest.mark.parametrize(("head", "announced", "kind", "expected"), KINDS.values(), ids=KINDS)
def test_a_medium_is_told_from_text(head: bytes, announced: str | None, kind: MediaKind, expected: str | None) -> None:
    assert content_type_of(head, announced, kind) == expected
