"""Read the tables of the documentation's pages."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "docs"


def docs(name: str) -> str:
    """Return the text of a page."""
    return (_FOLDER / name).read_text()


def rows_of(page: str, first_heading: str) -> list[list[str]]:
    """Return the cells of every table whose first column has this heading, row by row, the headings left out."""
    rows: list[list[str]] = []
    is_wanted = False
    for line in page.splitlines():
        if not line.startswith("|"):
            is_wanted = False
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] == first_heading:
            is_wanted = True
        elif is_wanted and not set(cells[0]) <= {"-", " "}:
            rows.append(cells)
    return rows
