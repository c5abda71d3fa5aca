"""The media among a model's inputs: where they are, and which of them RunComfy cannot fetch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_runcomfy.api.download_policy import without_query
from airflow_provider_runcomfy.api.errors import Fault
from airflow_provider_runcomfy.api.plain_json import joined, short_repr
from airflow_provider_runcomfy.api.settings import is_loopback

# `format` of the catalogue's schemas, also in the plural (source: official clients).
_FORMAT = re.compile(r"(?:image|video|audio)_uris?")
# Inference, for what no schema tells: names like image_url, first_frame_image, reference_videos, mask.
_NAME = re.compile(r"(?:^|_)(?:image|video|audio|media|mask|frame|url|uri)s?(?:_?[0-9]+)?")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TEXT_NAME = re.compile(r"prompt|text|caption|description|lyrics", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_STORED = re.compile(r"(s3|gs)://([^/\s?#]+)/(\S(?:.*\S)?)", re.IGNORECASE | re.DOTALL)
_MEDIA_FILE = re.compile(
    r"\.(?:png|jpe?g|webp|gif|bmp|tiff?|avif|heic|mp4|mov|webm|mkv|avi|m4v|mp3|wav|m4a|aac|flac|ogg)\Z", re.IGNORECASE
)
# Base64 without "data:" is not known to be taken, nor to be refused.
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]{256,}")
_WHAT_FITS = "an https:// URL that RunComfy can fetch without a login, or s3:// or gs://, for which one is signed"


@dataclass(frozen=True)
class Medium:
    """
    One text among the inputs that names a medium.

    :param path: the names and indexes that lead to it.
    :param is_certain: whether the model's schema says so; else its name does.
    """

    path: tuple[str | int, ...]
    text: str
    is_certain: bool

    @property
    def where(self) -> str:
        """The path as errors have it."""
        return joined("", *self.path)

    @property
    def stored_at(self) -> tuple[str, str, str] | None:
        """Scheme (``s3`` or ``gs``), bucket and key of an object in a store; None for what is none."""
        found = _STORED.fullmatch(self.text)
        return (found[1].lower(), found[2], found[3]) if found else None

    def fault(self, *, allow_loopback_http: bool) -> Fault | None:
        """
        Return what is wrong with it; None where RunComfy may be able to fetch it, or a URL can be signed for it.

        :param allow_loopback_http: whether plain HTTP to a loopback address will do: the sandbox.
        """
        reason = self._reason(allow_loopback_http)
        return Fault(self.where, short_repr(without_query(self.text)), f"{reason}; {_WHAT_FITS}") if reason else None

    def _reason(self, allow_loopback_http: bool) -> str:
        scheme = _SCHEME.match(self.text)
        match scheme[1].lower() if scheme else "":
            case "https" | "data":
                return ""
            case "s3" | "gs":
                return "" if self.stored_at else "it names no object of a bucket"
            case "http":
                is_ours = allow_loopback_http and is_loopback(_host(self.text))
                return "" if is_ours else "plain HTTP is not fetched"
            case "":
                return "" if self._may_be_no_path() else "a local path cannot be fetched"
            case name:
                is_place = f"{name}://" in self.text.lower() or name == "file" or self.text[1:3] in (":\\", ":/")
                return f"{name}: cannot be fetched" if self.is_certain or is_place else ""

    def _may_be_no_path(self) -> bool:
        if not self.text or _BASE64.fullmatch(self.text):
            return True
        is_path = _MEDIA_FILE.search(self.text) or self.text.startswith(("/", "./", "../", "~/"))
        return not self.is_certain and not is_path


def media_in(inputs: Mapping[str, Any], schema: Mapping[str, Any] | None) -> list[Medium]:
    """
    Return the media among inputs: what the schema's ``format`` says is one, else what its name says.

    Without a schema, all that reads ``s3://`` or ``gs://`` too, unless it is a prompt or the like.
    """
    return [*_media(inputs, schema or {}, (), is_known=schema is not None)]


def replaced(inputs: Any, urls: Mapping[tuple[str | int, ...], str], path: tuple[str | int, ...] = ()) -> Any:
    """Return a copy of inputs with ``urls`` in place of what is at their paths."""
    if path in urls:
        return urls[path]
    if isinstance(inputs, dict):
        return {name: replaced(value, urls, (*path, name)) for name, value in inputs.items()}
    if isinstance(inputs, list):
        return [replaced(value, urls, (*path, index)) for index, value in enumerate(inputs)]
    return inputs


def _media(
    value: Any, schema: Mapping[str, Any], path: tuple[str | int, ...], *, is_known: bool, is_certain: bool = False
) -> Iterator[Medium]:
    is_certain = is_certain or _FORMAT.fullmatch(str(schema.get("format"))) is not None
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        for name, item in value.items():
            yield from _media(item, fields.get(name, {}), (*path, name), is_known=is_known and name in fields)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _media(item, schema.get("items", {}), (*path, index), is_known=is_known, is_certain=is_certain)
    elif isinstance(value, str):
        medium = Medium(path, value, is_certain)
        if is_certain or ("enum" not in schema and _is_named_so(medium, is_known=is_known)):
            yield medium


def _is_named_so(medium: Medium, *, is_known: bool) -> bool:
    name = next(step for step in reversed(medium.path) if isinstance(step, str))
    if _TEXT_NAME.search(name):
        return False
    words = _HUMP.sub("_", name).lower()
    is_named_so = any(found.end() == len(words) for found in _NAME.finditer(words))
    return is_named_so or (not is_known and medium.stored_at is not None)


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
