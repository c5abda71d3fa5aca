"""What the headers of a file server's answer say of the file."""

from __future__ import annotations

import re

import requests

# More digits than any file's size has are taken for none; of very many `int` raises.
_SIZE = r"[0-9]{1,18}"
_RANGE = re.compile(rf"bytes ({_SIZE})-{_SIZE}/({_SIZE}|\*)")
_UNMET = re.compile(rf"bytes \*/({_SIZE})")


def length(response: requests.Response) -> int | None:
    """Return how many bytes the answer has; None where it does not say it."""
    value = response.headers.get("Content-Length", "")
    return int(value) if re.fullmatch(_SIZE, value) and not response.raw.chunked else None


def is_encoded(response: requests.Response) -> bool:
    """Whether the answer is compressed."""
    return response.headers.get("Content-Encoding", "identity").strip().lower() != "identity"


def start_and_total(response: requests.Response) -> tuple[int, int | None]:
    """Return the first byte of an answer with a part, -1 where it does not say it, and the size of the whole file."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not found:
        return -1, None
    start, total = found.groups()
    return int(start), None if total == "*" else int(total)


def total_of_refusal(response: requests.Response) -> int | None:
    """Return the size of the whole file by an answer that has no such part."""
    found = _UNMET.fullmatch(response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None
