"""How much of each room of the package the tests reach: a table of what `coverage json` has written."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from tabulate import tabulate

PACKAGE = "airflow_provider_runcomfy"


@dataclass(frozen=True)
class Reached:
    """Lines and branches: those that ran, out of those that there are."""

    lines: int = 0
    all_lines: int = 0
    branches: int = 0
    all_branches: int = 0

    def __add__(self, other: Reached) -> Reached:
        return Reached(
            self.lines + other.lines,
            self.all_lines + other.all_lines,
            self.branches + other.branches,
            self.all_branches + other.all_branches,
        )


def by_room(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Reached]:
    """
    Return what is reached of each room: a folder of the package, or a module beside the folders.

    :param files: the files of a coverage report.
    """
    rooms: dict[str, Reached] = {}
    for path, measured in sorted(files.items()):
        first, *further = PurePath(path).relative_to(PACKAGE).parts
        room = f"{first}/" if further else first
        summary = measured["summary"]
        rooms[room] = rooms.get(room, Reached()) + Reached(
            summary["covered_lines"], summary["num_statements"], summary["covered_branches"], summary["num_branches"]
        )
    return rooms


def table(rooms: Mapping[str, Reached]) -> str:
    """Return the rooms as a table, the whole package at its end."""
    rows = [(name, *_cells(reached)) for name, reached in rooms.items() if reached.all_lines]
    whole = ("all", *_cells(sum(rooms.values(), Reached())))
    head = ("room", "lines", "run", "%", "branches", "run", "%")
    return str(tabulate([*rows, whole], head, floatfmt=".1f"))


def _cells(reached: Reached) -> tuple[int, int, float, int, int, float | None]:
    share = 100 * reached.branches / reached.all_branches if reached.all_branches else None
    lines = 100 * reached.lines / reached.all_lines
    return reached.all_lines, reached.lines, lines, reached.all_branches, reached.branches, share


if __name__ == "__main__":
    print(table(by_room(json.loads(Path(sys.argv[1]).read_text())["files"])))
