"""Tell a medium from a page of text by what a server says of it and by its first bytes."""

from __future__ import annotations

import re

from airflow_provider_runcomfy.api.types import MediaKind

#: How many of a file's first bytes are looked at.
HEAD_BYTES = 512

_SIGNATURES: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), content_type)
    for pattern, content_type in (
        (rb"....ftyp(?:avif|avis)", "image/avif"),
        (rb"....ftyp(?:heic|heix|mif1)", "image/heic"),
        (rb"....ftypM4A", "audio/mp4"),
        (rb"....ftypqt  ", "video/quicktime"),
        (rb"....ftyp", "video/mp4"),
        (rb"\x1aE\xdf\xa3.{0,64}webm", "video/webm"),
        (rb"\x1aE\xdf\xa3", "video/x-matroska"),
        (rb"\x89PNG\r\n\x1a\n", "image/png"),
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF....WEBP", "image/webp"),
        (rb"RIFF....WAVE", "audio/wav"),
        (rb"RIFF....AVI ", "video/x-msvideo"),
        (rb"ID3|\xff[\xfb\xf3\xf2\xfa]", "audio/mpeg"),
        (rb"\xff[\xf1\xf9]", "audio/aac"),
        (rb"OggS", "audio/ogg"),
        (rb"fLaC", "audio/flac"),
    )
)
_TEXT_TYPES = re.compile(r"text/|application/(?:[\w.+-]+\+)?(?:json|xml)|application/(?:xhtml|javascript)|image/svg")
_MEDIUM_TYPES = re.compile(r"(?:video|image|audio)/[\w.+-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")
_DEFAULT_TYPES = {MediaKind.VIDEO: "video/mp4", MediaKind.IMAGE: "image/png", MediaKind.AUDIO: "audio/mpeg"}


def content_type_of(head: bytes, announced: str | None, kind: MediaKind) -> str | None:
    """
    Return the content type of a file, or None where it is certainly text and no medium.

    :param head: the file's first bytes, ``HEAD_BYTES`` if it has as many.
    :param announced: the server's ``Content-Type``, without its parameters.
    :param kind: what RunComfy says the file is; the default where nothing else tells.
    """
    announced = (announced or "").partition(";")[0].strip().lower()
    signature = next((content_type for pattern, content_type in _SIGNATURES if pattern.match(head)), None)
    if signature is None and (_TEXT_TYPES.match(announced) or _is_text(head)):
        return None
    if _MEDIUM_TYPES.fullmatch(announced) and not _TEXT_TYPES.match(announced):
        return announced
    return signature or _DEFAULT_TYPES[kind]


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xfe\xff", b"\xff\xfe")) and len(head) % 2 == 0:
        return head.count(0) >= len(head) // 3
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        # The look at the first bytes may have cut the last character in two.
        if error.reason != "unexpected end of data":
            return False
        text = head[: error.start].decode()
    return bool(text) and not _CONTROL.search(text)
