"""The one event of a trigger: everything that the resume needs, so that an outage then loses nothing."""

from __future__ import annotations

from typing import Any

from airflow_provider_runcomfy import failures
from airflow_provider_runcomfy.api.ids import is_request_id
from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import GenerationResult
from airflow_provider_runcomfy.failures import Asker


def to_event(endings: dict[str, Ending]) -> dict[str, Any]:
    """Return the event for how the wait for each request ended."""
    return {"endings": [_ending(request_id, ending) for request_id, ending in endings.items()]}


def _ending(request_id: str, ending: Ending) -> dict[str, Any]:
    # Of a failed request too: it says what that has cost.
    result = ending.result.as_dict(None) if ending.result else None
    return {
        "request_id": request_id,
        "end": ending.end.value,
        "reason": ending.reason,
        "result": result,
        "running_since": ending.running_since,
    }


def from_event(event: Any, asker: Asker = failures.SUBMITTER) -> dict[str, Ending]:
    """
    Return how the wait for each request ended.

    :param asker: the task that resumes.
    :raises RunComfyRetryableError: for anything that is no event of this trigger, and for one of a later version that
        tells what this one does not know, where a retry waits again for free.
    :raises RunComfyFailError: for the same, where no retry can.
    """
    try:
        endings = {item["request_id"]: _read(item) for item in event["endings"]}
    except (TypeError, KeyError, ValueError) as error:
        raise failures.wrong_event(f"{type(error).__name__}: {error}", asker, _named_in(event)) from None
    if not endings:
        raise failures.wrong_event("it names no request", asker)
    return endings


def one_from_event(event: Any, asker: Asker) -> tuple[str, Ending]:
    """
    Return the one request that was waited for, and how that ended.

    :param asker: the task that resumes.
    :raises RunComfyRetryableError: as :func:`from_event`, also for an event that names several.
    :raises RunComfyFailError: likewise.
    """
    endings = from_event(event, asker)
    if len(endings) > 1:
        raise failures.wrong_event(f"it names {len(endings)} requests instead of one", asker, list(endings))
    return next(iter(endings.items()))


def _named_in(event: Any) -> list[str]:
    """Return the requests that an event names which cannot be read otherwise."""
    items = event.get("endings") if isinstance(event, dict) else None
    listed = items if isinstance(items, list) else []
    named: list[Any] = [item.get("request_id") for item in listed if isinstance(item, dict)]
    return [value for value in named if is_request_id(value)]


def _read(item: dict[str, Any]) -> Ending:
    end = End(item["end"])
    carries_result = end is End.SUCCEEDED or item["result"] is not None
    result = GenerationResult.from_dict(item["result"]) if carries_result else None
    # An event of an older version does not have it.
    running_since = item.get("running_since")
    return Ending(end, result, str(item["reason"]), None if running_since is None else float(running_since))
