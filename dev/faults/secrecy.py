"""Look for the token in everything that was written."""

from __future__ import annotations

from pathlib import Path

from dev.faults.stage import TOKEN


def places_of_token(folder: Path) -> tuple[int, list[str]]:
    """Return how many files there are below ``folder``, and which of them hold the token."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return len(files), [str(path.relative_to(folder)) for path in files if TOKEN.encode() in path.read_bytes()]
