"""Tell a generation that content moderation refused from one that failed."""

from __future__ import annotations

import re

# Inference: no source lists the texts; these are the words that such services use.
_WORDS = re.compile(
    r"moderat|nsfw|content[ _-]?polic|policy[ _-]?violation|safety|sensitive|risk[ _-]?control|prohibited"
    r"|inappropriate",
    re.IGNORECASE,
)


def is_moderation(error: str | None) -> bool:
    """Return whether a failed generation's error reads like a refusal by moderation: again would be refused again."""
    return bool(error) and _WORDS.search(error or "") is not None
