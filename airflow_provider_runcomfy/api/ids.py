"""What a request id and a model id may look like (source: official clients)."""

from __future__ import annotations

import re
from typing import Any

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MODEL_ID = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
_MODEL_ID_LENGTH = 256


def is_request_id(value: Any) -> bool:
    """Return whether ``value`` is text of the form of a request id."""
    return isinstance(value, str) and _REQUEST_ID.fullmatch(value) is not None


def is_model_id(value: Any) -> bool:
    """Return whether ``value`` is text of the form of a model id: segments by slashes, none ``.`` or ``..``."""
    return (
        isinstance(value, str)
        and len(value) <= _MODEL_ID_LENGTH
        and _MODEL_ID.fullmatch(value) is not None
        and not {".", ".."} & set(value.split("/"))
    )
