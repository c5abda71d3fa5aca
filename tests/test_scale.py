"""The figures of docs/scale.md are those that its script computes."""

from __future__ import annotations

from benchmarks.million import tables
from benchmarks.scale_docs import written


def test_the_tables_are_what_the_script_prints() -> None:
    assert written("million") == tables(), "run python -m benchmarks.million --write"
