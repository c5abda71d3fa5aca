"""Read the samples: files of what each version has written, one for each kind and version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class Sample:
    """
    What one version has written of one kind.

    :param version: 1 for the first shape that this kind had, and one more with each that it was given since; where what
        is written has a version number itself, that number. 0 is one that no release has written.
    :param values: several, each by what it shows.
    """

    kind: str
    version: int
    values: dict[str, Any]

    def __str__(self) -> str:
        """Return the name of its file, without the ending."""
        return f"{self.kind}-{self.version}"


def samples(kind: str) -> list[Sample]:
    """Return the samples of a kind, the oldest first."""
    return sorted((sample for sample in ALL if sample.kind == kind), key=lambda sample: sample.version)


def values_of(kind: str) -> list[Any]:
    """Return pytest's parameters: each value of each sample of a kind, with the version and what it shows as ids."""
    return [
        pytest.param(value, id=f"{sample.version}: {name}")
        for sample in samples(kind)
        for name, value in sample.values.items()
    ]


def _read(path: Path) -> Sample:
    kind, _, version = path.stem.rpartition("-")
    return Sample(kind, int(version), json.loads(path.read_text())["values"])


ALL = [_read(path) for path in sorted(FOLDER.glob("*.json"))]
