"""Turn an answer that is an error into the error class for the decision that its caller must take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_provider_runcomfy.api.errors import (
    AuthenticationError,
    ForbiddenError,
    InsufficientBalanceError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    RunComfyError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.payload import Answer, excerpt, one_line, without_queries

# Source: documentation. The first three digits of any other code look like an HTTP status (inference).
_BY_CODE: dict[int, type[RunComfyError]] = {
    400001: RefusedError,
    400002: InsufficientBalanceError,
    400004: AuthenticationError,
    403001: ForbiddenError,
    404001: NotFoundError,
}
_BY_STATUS: dict[int, type[RunComfyError]] = {
    401: AuthenticationError,
    402: InsufficientBalanceError,
    403: ForbiddenError,
    404: NotFoundError,
    410: NotFoundError,
    429: RateLimitedError,
}
# The statuses that say of themselves that the call was not carried out. 408, 409, 499 and the like are not
# among them: a gateway may answer so while the server behind it has taken the call.
_SAYS_REFUSED = frozenset(
    {400, 401, 402, 403, 404, 405, 406, 410, 411, 413, 414, 415, 421, 422, 426, 428, 429, 431, 451}
)

_ADVICE: dict[type[RunComfyError], str] = {
    InsufficientBalanceError: "Add funds to the RunComfy account.",
    AuthenticationError: "Set a valid API token as the password of the Airflow connection (RunComfy profile).",
    RateLimitedError: "RunComfy asks to slow down; the call can be repeated later.",
    UnavailableError: "The call can be repeated later.",
}
# What is of use depends on what the call is about: a request, a model, or neither.
_OF_A_REQUEST: dict[type[RunComfyError], str] = {
    ForbiddenError: "It belongs to another account: use the connection whose token submitted it.",
    NotFoundError: "It never existed or has expired.",
}
_NO_MODEL = "This account may not use the model, or there is none of that id: check the model id."
_OF_A_MODEL: dict[type[RunComfyError], str] = {
    RefusedError: "Check the model id and the inputs against the model's API page.",
    ForbiddenError: _NO_MODEL,
    NotFoundError: _NO_MODEL,
}
_OF_NEITHER: dict[type[RunComfyError], str] = {
    ForbiddenError: "The account of this token may not ask for that: check the token and the connection's host.",
    NotFoundError: "There is nothing under that address: check the connection's host.",
}
_NOTHING: tuple[Any, ...] = (None, "", [], {})
_PAGE_ADVICE = (
    "This is not RunComfy's own answer: check the connection's host, and the proxies and firewalls on the way to it."
)
#: Seconds that one can be asked to wait at most; who waits longer misses what becomes of a paid request.
MAX_RETRY_AFTER = 300.0
_MESSAGE_LENGTH = 500
_EXCERPT_LENGTH = 200


def read_code(data: Any) -> int | None:
    """Return ``error_code`` as a number; None where there is none; 0 where it is something else."""
    value = data.get("error_code") if isinstance(data, dict) else None
    if value is None:
        return None
    try:
        code = int(value) if not isinstance(value, bool) else 0
    except (TypeError, ValueError, OverflowError):
        return 0
    return code if 0 < code < 10**9 else 0


def is_known_code(code: int | None) -> bool:
    """Return whether an ``error_code`` is one that the documentation has for calls."""
    return code in _BY_CODE


def is_error(answer: Answer, data: Any) -> bool:
    """Return whether the answer is an error: by its HTTP status, or by an ``error_code`` (which HTTP 200 may carry)."""
    return not answer.is_success or read_code(data) is not None


def error_for(
    answer: Answer,
    data: Any,
    doing: str,
    *,
    request_id: str | None = None,
    model_id: str | None = None,
    page_refuses: bool = False,
    note: str = "",
) -> RunComfyError:
    """
    Return the error for an answer that is one.

    The ``error_code`` decides, the HTTP status only where there is none.

    :param doing: what was tried, as the beginning of the message.
    :param page_refuses: whether a 401, 403 or 404 that is not RunComfy's JSON counts as a refusal. It came from
        something between here and there: the call was not carried out, but it says nothing about request or token.
    :param note: added to the message.
    """
    code = read_code(data)
    kind = _classify(answer.status, code, page=None if isinstance(data, dict) else page_refuses)
    facts = [f"HTTP {answer.status}", *([f"error_code {code}"] if code else [])]
    is_page = kind is RefusedError and not isinstance(data, dict)
    advice = _PAGE_ADVICE if is_page else _advice(kind, request_id, model_id)
    message = f"{doing}: {reason(answer, data)} ({', '.join(facts)}).{advice and ' '}{advice}{note}"
    error = kind(message, request_id=request_id, model_id=model_id, http_status=answer.status, error_code=code)
    if isinstance(error, RateLimitedError):
        error.retry_after = retry_after(answer)
    return error


def _advice(kind: type[RunComfyError], request_id: str | None, model_id: str | None) -> str:
    about = _OF_A_REQUEST if request_id else _OF_A_MODEL if model_id else _OF_NEITHER
    return about.get(kind) or _ADVICE.get(kind, "")


def says_refused(answer: Answer, data: Any) -> bool:
    """Return whether it is certain from the answer that the call was not carried out."""
    return _status_of(answer.status, read_code(data)) in _SAYS_REFUSED


def _status_of(status: int, code: int | None) -> int:
    """
    Return the HTTP status that tells what became of the call: a documented code's, else the answer's own.

    The first three digits of any other code are a status by inference, which must not make a 5xx, a 408 or the like
    certain: there something else than RunComfy may speak, and the paid POST would be sent twice.
    """
    named = (code or 0) // 1000
    is_plain = 200 <= status < 300 or status in _SAYS_REFUSED
    return named if 400 <= named < 600 and (is_plain or is_known_code(code)) else status


def _classify(status: int, code: int | None, *, page: bool | None) -> type[RunComfyError]:
    if code is not None:
        if code in _BY_CODE:
            return _BY_CODE[code]
        status = _status_of(status, code)
    if page is False and status in (401, 403, 404, 410):
        return UnavailableError
    if page and status in (403, 404, 410):
        return RefusedError
    return _BY_STATUS.get(status) or (RefusedError if status in _SAYS_REFUSED else UnavailableError)


def reason(answer: Answer, data: Any) -> str:
    """Return what the answer gives as its reason, in whichever of its shapes."""
    if 300 <= answer.status < 400:
        return "it answered with a redirect, which is not followed with a token; check the connection's host"
    if isinstance(data, dict):
        for key in ("error_message", "message", "error", "detail"):
            if data.get(key):
                text = _shown(data[key], _MESSAGE_LENGTH)
                detail = data.get("detail") if key != "detail" else None
                return f"{text} ({_shown(detail, _MESSAGE_LENGTH)})" if detail else text
    if data not in (None, {}, [], ""):
        return _shown(data, _EXCERPT_LENGTH)
    return excerpt(answer, _EXCERPT_LENGTH) or "an empty answer"


def _shown(value: Any, length: int) -> str:
    return one_line(without_queries(describe(value)), length)


def describe(value: Any) -> str:
    """Return an ``error`` of any shape as text: a string, an object with a message, a list of either."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(describe(item) for item in value if item not in _NOTHING)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {describe(item)}" for key, item in value.items() if item not in _NOTHING)
    return str(value)


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, at most five minutes; None where it says nothing usable."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_until(text, answer.headers.get("date", ""))
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if math.isfinite(seconds) else None


def _seconds_until(date: str, now: str) -> float:
    """Return the seconds from the answer's own ``Date`` to an HTTP date; both are the server's clock."""
    try:
        return (parsedate_to_datetime(date) - parsedate_to_datetime(now)).total_seconds()
    except (TypeError, ValueError, IndexError, OverflowError):
        return math.nan
