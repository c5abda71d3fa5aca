"""Find the files in a result's ``output``, whatever its shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_runcomfy.api.types import MediaFile, MediaKind

_KIND_BY_KEY = {
    "video": MediaKind.VIDEO,
    "videos": MediaKind.VIDEO,
    "image": MediaKind.IMAGE,
    "images": MediaKind.IMAGE,
    "audio": MediaKind.AUDIO,
    "audios": MediaKind.AUDIO,
}
_KIND_BY_EXTENSION = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".bmp", ".tiff"), MediaKind.IMAGE),
    **dict.fromkeys((".mp3", ".wav", ".m4a", ".aac", ".flac", ".ogg", ".opus"), MediaKind.AUDIO),
}
_MAX_URL_LENGTH = 8192
_MAX_FILES = 1000


def find_media(output: Any) -> tuple[MediaFile, ...]:
    """
    Return the files of ``output``, each URL once, in the order of the payload.

    Files stand under ``video``, ``image``, ``audio`` and their plurals (seed, documentation); those may
    hold text, a list, or objects with a ``url`` (mocks); ``output`` may itself be any of these
    (documentation). Under other keys nothing is looked for: they may echo the inputs.
    """
    found: dict[str, MediaFile] = {}
    for url, kind in _walk(output, None):
        if len(found) < _MAX_FILES:
            found.setdefault(url, MediaFile(url, kind or _kind_of(url)))
    return tuple(found.values())


def _walk(value: Any, kind: MediaKind | None) -> Iterator[tuple[str, MediaKind | None]]:
    if isinstance(value, str):
        if _is_url(value):
            yield value, kind
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, kind)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _KIND_BY_KEY:
                yield from _walk(item, _KIND_BY_KEY[key])
            elif key == "url" and isinstance(item, str):
                yield from _walk(item, kind)


def _is_url(text: str) -> bool:
    if len(text) > _MAX_URL_LENGTH or not text.lower().startswith(("https://", "http://")):
        return False
    return text.isprintable() and " " not in text


def _kind_of(url: str) -> MediaKind:
    try:
        extension = PurePosixPath(urlsplit(url).path).suffix.lower()
    except ValueError:
        extension = ""
    return _KIND_BY_EXTENSION.get(extension, MediaKind.VIDEO)
