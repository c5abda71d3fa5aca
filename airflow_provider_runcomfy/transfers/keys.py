"""The name of an object: the same at every run, and never outside its prefix."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from airflow_provider_runcomfy.api.types import MediaKind
from airflow_provider_runcomfy.exceptions import InvalidInputsError

_FIELD = re.compile(r"\{(request_id|index|kind|ext)\}")
_UNSAFE = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]")
# S3, GCS and Azure all end here, in bytes of UTF-8.
_LONGEST = 1024

_DEFAULT_EXTENSIONS = {MediaKind.VIDEO: "mp4", MediaKind.IMAGE: "png", MediaKind.AUDIO: "mp3"}
#: All extensions that a copy may get.
EXTENSIONS = (
    *("mp4", "png", "mp3", "jpg", "jpeg", "webp", "webm", "mov", "wav", "gif", "m4v", "mkv", "avi", "avif", "heic"),
    *("bmp", "tif", "tiff", "m4a", "aac", "ogg", "opus", "flac"),
)


def extension(url: str, kind: MediaKind) -> str:
    """
    Return a file's extension, without the dot.

    It comes from the URL's path where that ends in a medium's extension, else from the kind; never from
    the file itself, so that the name is known when RunComfy has deleted the file.
    """
    try:
        suffix = PurePosixPath(urlsplit(url).path).suffix.removeprefix(".").lower()
    except ValueError:
        suffix = ""
    return suffix if suffix in EXTENSIONS else _DEFAULT_EXTENSIONS[kind]


def is_key(key: str) -> bool:
    """Return whether an object may have this key: one that stays in its prefix."""
    return not (_UNSAFE.search(key) or {"", ".", ".."} & set(key.split("/")) or len(key.encode()) > _LONGEST)


def object_key(template: str, *, request_id: str, index: int, kind: MediaKind, ext: str) -> str:
    """
    Return the key of one file: ``template`` with its four fields replaced, and nothing else in it touched.

    :param template: may hold ``{request_id}``, ``{index}``, ``{kind}`` and ``{ext}``.
    :param request_id: the request.
    :param index: the file's place among the files of its request, from 0.
    :param kind: what the file is.
    :param ext: its extension.
    :raises InvalidInputsError: if the key would be empty, too long, or could leave its prefix.
    """
    fields = {"request_id": request_id, "index": str(index), "kind": kind.value, "ext": ext}
    key = _FIELD.sub(lambda found: fields[found[1]], template)
    if not is_key(key):
        raise InvalidInputsError(
            f"{key[:200]!r} cannot be an object's name: it needs 1 to {_LONGEST} bytes, none of its parts between "
            "slashes may be empty, '.' or '..', and it may hold no backslash and no control character. "
            "Nothing was copied."
        )
    return key
