"""The one event of a trigger: everything that the resume needs, so that an outage then loses nothing."""

from __future__ import annotations

from typing import Any

from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import GenerationResult
from airflow_provider_runcomfy.exceptions import RunComfyRetryableError


def to_event(endings: dict[str, Ending]) -> dict[str, Any]:
    """Return the event for how the wait for each request ended."""
    return {"endings": [_ending(request_id, ending) for request_id, ending in endings.items()]}


def _ending(request_id: str, ending: Ending) -> dict[str, Any]:
    result = ending.result.as_dict(None) if ending.result and ending.end is End.SUCCEEDED else None
    return {"request_id": request_id, "end": ending.end.value, "reason": ending.reason, "result": result}


def from_event(event: Any) -> dict[str, Ending]:
    """
    Return how the wait for each request ended.

    :raises RunComfyRetryableError: for anything that is no event of this trigger: a retry waits again.
    """
    try:
        endings = {item["request_id"]: _read(item) for item in event["endings"]}
    except (TypeError, KeyError, ValueError) as error:
        endings = {}
        reason = f"{type(error).__name__}: {error}"
    else:
        reason = "it names no request"
    if not endings:
        raise RunComfyRetryableError(
            f"The task was resumed with an event that is not this trigger's ({reason}). What was submitted is in the "
            "task instance's record; a retry waits for it again and pays nothing."
        )
    return endings


def _read(item: dict[str, Any]) -> Ending:
    end = End(item["end"])
    result = GenerationResult.from_dict(item["result"]) if end is End.SUCCEEDED else None
    return Ending(end, result, str(item["reason"]))
