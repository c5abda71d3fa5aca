"""The files of a request's result, each with the places where it is stored: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_runcomfy.api.types import MediaFile, MediaKind
from airflow_provider_runcomfy.transfers.files import source_url_of
from airflow_provider_runcomfy.ui.reading import Copy


@dataclass(frozen=True)
class Place:
    """A copy of a file, and the task instance (task and map index) whose manifest tells of it."""

    copy: Copy
    task: tuple[str, int]


@dataclass(frozen=True)
class File:
    """
    One file of a result.

    :param url: where RunComfy has it, or had it; None where only its copies are known.
    """

    kind: MediaKind
    url: str | None
    places: tuple[Place, ...] = ()


def files_of(media: Sequence[MediaFile], places: Sequence[Place]) -> list[File]:
    """Return a request's files: those of its result, each with its copies; else what the copies tell of."""
    if not media:
        by_index: dict[int, list[Place]] = {}
        for place in places:
            by_index.setdefault(place.copy.index, []).append(place)
        return [File(found[0].copy.kind, None, tuple(found)) for _, found in sorted(by_index.items())]
    return [
        File(medium.kind, medium.url, tuple(place for place in places if _is_copy(place.copy, medium, index)))
        for index, medium in enumerate(media)
    ]


def _is_copy(copy: Copy, medium: MediaFile, index: int) -> bool:
    # A manifest that was rebuilt from the objects may name the file by another URL.
    return copy.source_url == source_url_of(medium.url) or (copy.index == index and copy.kind is medium.kind)
