"""When a request was submitted, and how long it was queued and ran, as far as anybody has told: pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_provider_runcomfy.api.types import GenerationResult
from airflow_provider_runcomfy.record import Submission
from airflow_provider_runcomfy.ui.reading import Told


@dataclass(frozen=True)
class Times:
    """
    Moments in seconds since the epoch, and lengths in seconds; None where nobody has told.

    :param queue_seconds: until it was first seen running, which is as exact as the polls are close.
    :param run_seconds: from then to its end.
    :param total_seconds: from RunComfy's own `created_at` to its `finished_at`.
    """

    submitted_at: float | None = None
    finished_at: float | None = None
    queue_seconds: float | None = None
    run_seconds: float | None = None
    total_seconds: float | None = None


def times_of(submission: Submission | None, result: GenerationResult | None, told: Told | None) -> Times:
    """Return the times that a record, a result and the waiting task tell of."""
    created = moment(result.created_at) if result else None
    finished = moment(result.finished_at) if result else None
    if created is not None and finished is not None and finished < created:
        created = finished = None
    submitted = _submitted(submission) if submission else None
    begun = created if created is not None else submitted
    running = told.running_since if told else None
    # RunComfy's clock and ours may differ; lengths that cannot be are left out.
    if running is not None and ((begun or 0.0) > running or running > (finished or math.inf)):
        running = None
    return Times(
        submitted_at=submitted if submitted is not None else created,
        finished_at=finished,
        queue_seconds=None if running is None or begun is None else running - begun,
        run_seconds=None if running is None or finished is None else finished - running,
        total_seconds=None if created is None or finished is None else finished - created,
    )


def moment(text: str | None) -> float | None:
    """Return a moment that is written in ISO 8601, in UTC where it names no offset; None for any other text."""
    try:
        read = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _submitted(submission: Submission) -> float | None:
    return moment(submission.intent_at) if submission.submitted_at is None else submission.submitted_at
