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
    "SVG": (b"<svg xmlns='x'/>", "image/svg+xml", MediaKind.IMAGE, None),
    "unknown bytes called JSON": (b"\x00\x01", "application/problem+json", MediaKind.VIDEO, None),
}


@pytest.mark.parametrize(("head", "announced", "kind", "expected"), KINDS.values(), ids=KINDS)
def test_a_medium_is_told_from_text(head: bytes, announced: str | None, kind: MediaKind, expected: str | None) -> None:
    assert content_type_of(head, announced, kind) == expected
