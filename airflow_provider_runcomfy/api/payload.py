"""Read an answer's body as plain JSON, whatever the server sent: a value that is safe to keep, or nothing."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MAX_DEPTH = 64
# Short words are no tokens, and striking them out would tear URLs apart.
_MIN_SECRET_LENGTH = 10
_STRUCK_OUT = "***"
_QUERY = re.compile(r"(https?://[^\s?\"'<>]{1,2000}\?)[^\s\"'<>]+", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True)
class Answer:
    """
    One HTTP answer as a transport got it.

    :param status: the HTTP status.
    :param body: the whole body, bounded by the transport.
    :param headers: asked for in lower case, whatever the case that they came in.
    :param secret: the token that was sent, struck out wherever the server echoes it.
    """

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str = field(default="", repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the HTTP status is a 2xx."""
        return 200 <= self.status < 300


class UnreadableError(ValueError):
    """A body that is not the JSON that it should be."""


def read_json(answer: Answer) -> Any:
    """
    Return the body as JSON without what logs and databases choke on.

    NUL and lone surrogates are replaced (PostgreSQL stores neither), an echoed token is struck out.

    :raises UnreadableError: for anything but finite, decently nested JSON in UTF-8.
    """
    try:
        text = answer.body.removeprefix(codecs.BOM_UTF8).decode()
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"no JSON ({type(error).__name__})") from None
    return value if _is_clean(text, answer.secret) else _clean(value, answer.secret, _MAX_DEPTH)


def read_quietly(answer: Answer) -> Any:
    """Return what :func:`read_json` does; None for what it refuses."""
    try:
        return read_json(answer)
    except UnreadableError:
        return None


def _is_clean(text: str, secret: str) -> bool:
    """Return whether it is seen at a glance, as of nearly every answer, that there is nothing to be cleaned."""
    shallow = text.count("[") + text.count("{") <= _MAX_DEPTH
    # Without an escape there is no NUL, no surrogate, and no secret in disguise.
    return shallow and "\\" not in text and secret not in text


def excerpt(answer: Answer, length: int = 200) -> str:
    """Return the beginning of the body as one line of text, to be shown in an error; of a web page its words."""
    text = _clean_text(answer.body.decode("utf-8", "replace"), answer.secret)
    is_page = text.lstrip().startswith("<")
    shown = one_line(without_queries(_TAG.sub(" ", text) if is_page else text), length)
    return f"a web page, {shown}" if is_page else shown


def without_secret(text: str, secret: str, length: int = 200) -> str:
    """Return foreign ``text`` as it may stand in an error: one line without the token, cut to ``length``."""
    # Cut last: half a token would not be found.
    return one_line(_clean_text(text, secret), length)


def words_of(error: BaseException) -> str:
    """Return an exception's class, and the words of the system's and our own: those of parsers quote the server."""
    return f"{type(error).__name__}: {error}" if isinstance(error, OSError) and str(error) else type(error).__name__


def without_queries(text: str) -> str:
    """Return foreign ``text`` without the queries of the URLs in it: of a URL that was signed for an input, the key."""
    return _QUERY.sub(r"\1…", text)


def one_line(text: str, length: int) -> str:
    """Return ``text`` with runs of white space and control characters folded, cut to ``length``."""
    folded = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return folded if len(folded) <= length else folded[: length - 1] + "…"


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _clean(value: Any, secret: str, depth: int) -> Any:
    if depth == 0:
        raise UnreadableError(f"JSON nested deeper than {_MAX_DEPTH}")
    if isinstance(value, str):
        return _clean_text(value, secret)
    if isinstance(value, list):
        return [_clean(item, secret, depth - 1) for item in value]
    if isinstance(value, dict):
        return {_clean_text(key, secret): _clean(item, secret, depth - 1) for key, item in value.items()}
    return value


def _clean_text(text: str, secret: str) -> str:
    if len(secret) >= _MIN_SECRET_LENGTH:
        text = text.replace(secret, _STRUCK_OUT)
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
