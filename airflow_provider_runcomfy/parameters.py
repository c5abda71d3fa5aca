"""The parameters that several Dag-facing classes share: their defaults, and checks of what is written in a Dag file."""

from __future__ import annotations

from collections.abc import Sequence

DEFAULT_CONN_ID = "runcomfy_default"
TOKEN_VARIABLE = "RUNCOMFY_TOKEN"  # noqa: S105 - a name, not a token
DEFAULT_POLL_INTERVAL = 5.0
DEFAULT_MAX_POLL_INTERVAL = 30.0
#: For how long RunComfy may fetch a medium that a URL is signed for: a request may be queued for long.
DEFAULT_MEDIA_URL_SECONDS = 86_400
#: S3 and GCS sign for no longer: 7 days.
MAX_MEDIA_URL_SECONDS = 604_800


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


def require_url_seconds(name: str, value: int) -> None:
    """
    Refuse a life of signed URLs that no store signs.

    :raises ValueError: if ``value`` is no whole number of seconds from 1 to 604800 (7 days).
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_MEDIA_URL_SECONDS:
        raise ValueError(f"{name} must be a whole number of seconds from 1 to {MAX_MEDIA_URL_SECONDS}; got {value!r}")


def require_limit(name: str, value: object) -> None:
    """
    Refuse a limit of the cost that is a number and none of dollars; text is a template, and read when the task runs.

    :raises ValueError: if ``value`` is a number that is not finite, or not above 0.
    """
    if isinstance(value, bool) or (isinstance(value, int | float) and not 0 < value < float("inf")):
        raise ValueError(f"{name} must be a number of US dollars above 0, or None; got {value!r}")
