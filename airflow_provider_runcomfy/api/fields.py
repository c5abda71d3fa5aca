"""Read single fields of RunComfy's answers, in every spelling and type that its sources show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_runcomfy.api.payload import one_line, without_queries
from airflow_provider_runcomfy.api.refusals import describe
from airflow_provider_runcomfy.api.types import CancelOutcome, RequestState

_ERROR_LENGTH = 2000
_OUTPUT_BYTES = 32 << 10
_TIME_LENGTH = 64
_MAX_AMOUNT = 1e12

# Sources: documentation, and the code and mocks of official clients; "running" and "success" are inferences.
_STATES: dict[str, RequestState] = {
    **dict.fromkeys(("in_queue", "queued", "pending", "waiting"), RequestState.IN_QUEUE),
    **dict.fromkeys(("in_progress", "starting", "processing", "running"), RequestState.IN_PROGRESS),
    **dict.fromkeys(("completed", "succeeded", "success"), RequestState.SUCCEEDED),
    **dict.fromkeys(("failed", "error"), RequestState.FAILED),
    **dict.fromkeys(("cancelled", "canceled"), RequestState.CANCELLED),
}
_OUTCOMES: dict[str, CancelOutcome] = {
    **dict.fromkeys(("cancelled", "canceled"), CancelOutcome.CANCELLED),
    "not_cancellable": CancelOutcome.NOT_CANCELLABLE,
    "cancellation_requested": CancelOutcome.CANCELLATION_REQUESTED,
}


def state(data: Mapping[str, Any]) -> RequestState | None:
    """Return the state that ``status`` names: UNKNOWN for a word never heard of, None where there is no word."""
    word = _word(data.get("status"))
    return _STATES.get(word, RequestState.UNKNOWN) if word else None


def says_failed(data: Mapping[str, Any]) -> bool:
    """Return whether ``status`` is the documented word for a failed generation, and no other."""
    return _word(data.get("status")) == RequestState.FAILED


def cancel_outcome(data: Mapping[str, Any]) -> CancelOutcome:
    """
    Return what a cancel came to.

    By ``outcome`` where there is one: the documentation's own example pairs it with another ``status``.
    """
    outcome = _word(data.get("outcome"))
    if outcome:
        return _OUTCOMES.get(outcome, CancelOutcome.UNKNOWN)
    status = _word(data.get("status"))
    if status in _OUTCOMES:
        return _OUTCOMES[status]
    ended_or_runs = _STATES.get(status) not in (None, RequestState.IN_QUEUE)
    return CancelOutcome.NOT_CANCELLABLE if ended_or_runs else CancelOutcome.UNKNOWN


def named_error(data: Mapping[str, Any]) -> str | None:
    """Return ``error`` or ``error_message``, which no success should have, as text; None where there is neither."""
    return _first_text(data, ("error", "error_message"))


def failure(data: Mapping[str, Any]) -> str:
    """Return why a generation failed: ``error`` whole, whatever its shape, cut to a sane length."""
    return _first_text(data, ("error", "error_message", "message", "detail")) or "RunComfy gave no reason"


def _first_text(data: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        # None, false, 0, and whatever is empty or holds only that, name nothing.
        text = one_line(without_queries(describe(data[key])), _ERROR_LENGTH) if data.get(key) else ""
        if text:
            return text
    return None


def bounded(output: Any) -> Any:
    """Return ``output`` as it is where it is small enough for an XCom, else its beginning and its size."""
    text = json.dumps(output)
    return output if len(text) <= _OUTPUT_BYTES else {"truncated": text[:_ERROR_LENGTH], "bytes": len(text)}


def count(value: Any) -> int | None:
    """Return ``value`` where it is a whole number from 0 on."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def number(value: Any) -> float | None:
    """Return ``value`` where it is a number that money can be."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MAX_AMOUNT
    return float(value) if usable else None


def cost(value: Any) -> float | None:
    """Return ``value`` where it is a number from 0 on."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def time(value: Any) -> str | None:
    """Return ``value`` where it is text of a timestamp's length."""
    return value if isinstance(value, str) and 0 < len(value) <= _TIME_LENGTH else None


def _word(value: Any) -> str:
    return value.strip().lower().replace("-", "_").replace(" ", "_") if isinstance(value, str) else ""
