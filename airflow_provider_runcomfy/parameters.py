"""The parameters that several Dag-facing classes share: their defaults, and checks of what is written in a Dag file."""

from __future__ import annotations

from collections.abc import Sequence

DEFAULT_CONN_ID = "runcomfy_default"
TOKEN_VARIABLE = "RUNCOMFY_TOKEN"  # noqa: S105 - a name, not a token
DEFAULT_POLL_INTERVAL = 5.0
DEFAULT_MAX_POLL_INTERVAL = 30.0


def require_one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """
    Refuse a word that is none of those that a parameter knows.

    :raises ValueError: if ``value`` is not in ``allowed``.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {value!r}")


def require_positive(name: str, value: float) -> None:
    """
    Refuse an interval that is none.

    :raises ValueError: if ``value`` is no number of seconds above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{name} must be a number of seconds above 0; got {value!r}")
