"""What the XComs of a Dag run tell of requests: read with care, since anybody's task may have pushed them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_runcomfy.api.fields import cost, count, number
from airflow_provider_runcomfy.api.ids import is_request_id
from airflow_provider_runcomfy.api.types import GenerationResult, MediaFile, MediaKind, RequestState


@dataclass(frozen=True)
class Told:
    """
    Where a request stood: one entry of the XCom ``progress``.

    :param at: when that was told (ISO 8601).
    :param running_since: when it was first seen running (seconds since the epoch), where that is known.
    :param error: why it ended without a result.
    :param cost_usd: what it has cost, where that was told at its end.
    """

    request_id: str
    state: RequestState
    queue_position: int | None = None
    at: str | None = None
    running_since: float | None = None
    error: str | None = None
    cost_usd: float | None = None


@dataclass(frozen=True)
class ResultOf:
    """A result that a task has handed over, and the model that it names."""

    result: GenerationResult
    model_id: str | None = None


@dataclass(frozen=True)
class Copy:
    """
    One line of a transfer's manifest.

    :param index: its place among the lines of its request, from 0.
    """

    request_id: str
    index: int
    uri: str
    kind: MediaKind
    source_url: str
    size: int | None = None


def value_of(stored: Any) -> Any:
    """Return the value of an XCom as the metadata database has it: JSON, or JSON once more as text."""
    if not isinstance(stored, str):
        return stored
    try:
        return json.loads(stored)
    except (ValueError, RecursionError):
        return stored


def request_id_in(value: Any) -> str | None:
    """Return the value, if it can be a request id."""
    return value if isinstance(value, str) and is_request_id(value) else None


def results_in(value: Any) -> list[ResultOf]:
    """Return the results in a value that is one, or a list of them; none in any other value."""
    return [found for item in _items(value) if (found := _result(item)) is not None]


def manifest_in(value: Any) -> list[Copy]:
    """Return the lines of a value that is a transfer's manifest; none of any other value."""
    seen: Counter[str] = Counter()
    copies = []
    for item in _items(value):
        copy = _copy(item, seen)
        if copy is not None:
            seen[copy.request_id] += 1
            copies.append(copy)
    return copies


def progress_in(value: Any) -> list[Told]:
    """Return the entries of a value that is the XCom ``progress``; none of any other value."""
    return [told for item in _items(value) if (told := _told(item)) is not None]


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]


def _result(item: Any) -> ResultOf | None:
    if not _has(item, "request_id", "state", "media", "model_id"):
        return None
    state = _state(item["state"])
    if state is None or not isinstance(item["media"], list):
        return None
    result = GenerationResult(
        request_id=item["request_id"],
        state=state,
        media=tuple(medium for given in item["media"] if (medium := _medium(given)) is not None),
        cost_usd=cost(item.get("cost_usd")),
        created_at=_text(item.get("created_at")),
        finished_at=_text(item.get("finished_at")),
    )
    return ResultOf(result, _text(item["model_id"]))


def _copy(item: Any, seen: Mapping[str, int]) -> Copy | None:
    if not _has(item, "request_id", "uri", "kind", "sha256", "source_url"):
        return None
    kind, uri, source_url = _kind(item["kind"]), _text(item["uri"]), _text(item["source_url"])
    if kind is None or uri is None or source_url is None:
        return None
    request_id = item["request_id"]
    return Copy(request_id, seen.get(request_id, 0), uri, kind, source_url, count(item.get("size")))


def _told(item: Any) -> Told | None:
    if not _has(item, "request_id", "state", "at") or (state := _state(item["state"])) is None:
        return None
    return Told(
        item["request_id"],
        state,
        count(item.get("queue_position")),
        _text(item["at"]),
        number(item.get("running_since")),
        _text(item.get("error")),
        cost(item.get("cost_usd")),
    )


def _has(item: Any, *names: str) -> bool:
    is_ours = isinstance(item, dict) and all(name in item for name in names)
    return is_ours and request_id_in(item["request_id"]) is not None


def _medium(item: Any) -> MediaFile | None:
    if not isinstance(item, dict):
        return None
    url, kind = _text(item.get("url")), _kind(item.get("kind"))
    return None if url is None or kind is None else MediaFile(url, kind)


def _state(value: Any) -> RequestState | None:
    return RequestState(value) if isinstance(value, str) and value in set(RequestState) else None


def _kind(value: Any) -> MediaKind | None:
    return MediaKind(value) if isinstance(value, str) and value in set(MediaKind) else None


def _text(value: Any) -> str | None:
    # JSON can escape a lone surrogate; a web page cannot be sent one.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None
