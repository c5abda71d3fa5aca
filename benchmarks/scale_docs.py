"""The parts of docs/scale.md that benchmarks write."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs" / "scale.md"
_END = "<!-- end -->\n"


def put(name: str, text: str) -> None:
    """Replace what the benchmark of this name has written."""
    begin = f"<!-- by benchmarks/{name}.py -->\n"
    before, rest = DOCS.read_text().split(begin)
    DOCS.write_text(before + begin + text + _END + rest.split(_END, 1)[1])


def written(name: str) -> str:
    """Return what the benchmark of this name has written."""
    return DOCS.read_text().split(f"<!-- by benchmarks/{name}.py -->\n")[1].split(_END)[0]
