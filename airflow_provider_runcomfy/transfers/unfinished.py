"""The name that a file has while it is being copied: nobody takes it for the file, and nothing else is called so."""

from __future__ import annotations

import re
from uuid import uuid4

_NAME = re.compile(r"\.runcomfy-[0-9a-f]{32}\.part")


def unfinished_name() -> str:
    """Return a new name, without a folder; it is hidden, and short enough for every file system."""
    return f".runcomfy-{uuid4().hex}.part"


def is_unfinished_name(name: str) -> bool:
    """Whether `unfinished_name` can have made ``name``: nothing else may be removed by it."""
    return _NAME.fullmatch(name) is not None
