"""Ask RunComfy, when a try starts, what became of the request that an earlier one paid for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_runcomfy import submit_failures
from airflow_provider_runcomfy.api.moderation import is_moderation
from airflow_provider_runcomfy.api.polling import NOT_FOUND_GRACE_SECONDS
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState
from airflow_provider_runcomfy.exceptions import (
    RequestNotAvailableError,
    RunComfyConnectionError,
    RunComfyFailError,
    RunComfyRetryableError,
)
from airflow_provider_runcomfy.ledger import Attempt, Fate, look_at, was_cleared
from airflow_provider_runcomfy.record import Outcome, Record, Submission

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook

# A token that is refused may be about to be replaced.
_REREAD_SECONDS = 5.0


@dataclass(frozen=True)
class Seen:
    """
    What RunComfy says of the latest request.

    :param fate: what became of it; None where nothing was asked.
    :param result: the answer itself, where there was one.
    """

    fate: Fate | None = None
    result: GenerationResult | None = None


def look(record: Record, attempt: Attempt, hook: RunComfyHook, log: Logger) -> Seen:
    """
    Ask for the request that the decision depends on.

    :raises RunComfyConnectionError: if the connection is missing or unusable, or its token is refused.
    :raises RunComfyRetryableError: if RunComfy cannot be asked, and the task was cleared.
    """
    request_id, last = look_at(record, attempt), record.last
    if request_id is None or last is None:
        return Seen()
    try:
        result = _ask(hook, request_id)
    except RequestNotAvailableError:
        return Seen(Fate.WAITING if _is_new(last) else Fate.GONE)
    except RunComfyConnectionError as error:
        raise submit_failures.cannot_be_asked_for(last, error) from None
    except (RunComfyRetryableError, RunComfyFailError) as error:
        if was_cleared(record, attempt):
            raise submit_failures.clear_not_decided(last, error) from None
        # An outage does not end a wait that is paid for, nor does a refused look: whoever waits bears both.
        log.warning("What became of request %s is not known now: %s", request_id, error)
        return Seen(Fate.WAITING)
    return Seen(_fate(result), result)


def learned(record: Record, seen: Seen) -> Record:
    """Return the record with what RunComfy has told of its latest request."""
    last = record.last
    if last is None or last.request_id is None:
        return record
    if last.is_adopted:
        if seen.result is None:
            # The id may be mistyped: that says nothing of what was submitted.
            return record
        # From now on it is as one that RunComfy named itself.
        record = record.changing(last.request_id, submitted_at=_seconds(last.intent_at))
    if seen.fate in (None, Fate.WAITING):
        return record
    detail, cost_usd = (seen.result.error, seen.result.cost_usd) if seen.result else (None, None)
    return record.ended(last.request_id, Outcome(seen.fate), detail=detail, cost_usd=cost_usd)


def _ask(hook: RunComfyHook, request_id: str) -> GenerationResult:
    try:
        return hook.get_result(request_id)
    except RunComfyConnectionError:
        time.sleep(_REREAD_SECONDS)
        hook.forget_connection()
        return hook.get_result(request_id)


def _fate(result: GenerationResult) -> Fate:
    if result.state is RequestState.SUCCEEDED:
        return Fate.SUCCEEDED
    if result.state is RequestState.FAILED:
        return Fate.MODERATED if is_moderation(result.error) else Fate.FAILED
    return Fate.CANCELLED if result.state is RequestState.CANCELLED else Fate.WAITING


def _seconds(intent_at: str) -> float:
    try:
        return datetime.fromisoformat(intent_at).timestamp()
    except ValueError:
        # Edited by a person.
        return time.time()


def _is_new(last: Submission) -> bool:
    return last.submitted_at is not None and time.time() - last.submitted_at < NOT_FOUND_GRACE_SECONDS
