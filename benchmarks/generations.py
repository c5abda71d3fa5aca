"""How often a generation is polled with the default schedule, for run times that are said."""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass

from airflow_provider_runcomfy.api.polling import Ask, Poller, Step
from airflow_provider_runcomfy.api.types import RequestState, RequestStatus
from airflow_provider_runcomfy.parameters import DEFAULT_MAX_POLL_INTERVAL, DEFAULT_POLL_INTERVAL
from airflow_provider_runcomfy.waiting import SHORTEST_DEFERRAL_SECONDS

#: Run times are log-normal, in seconds; the sigma is that of their logarithm.
MEDIAN_SECONDS, SIGMA = 90.0, 0.6
_A_DAY = 24 * 3600.0


@dataclass(frozen=True)
class Polling:
    """
    What it took to see the ends of many generations.

    :param calls: calls per generation, that for the result included.
    :param delay: seconds from the end until it was seen, half of the time.
    :param p95: the same, at most for 95 of 100.
    """

    calls: float
    delay: float
    p95: float


def polling(
    number: int = 10_000,
    poll_interval: float = DEFAULT_POLL_INTERVAL,
    max_poll_interval: float = DEFAULT_MAX_POLL_INTERVAL,
) -> Polling:
    """Simulate so many generations, with the code that decides for the triggers."""
    chance = random.Random(5)  # the same at every run
    seen = [_wait(chance, poll_interval, max_poll_interval) for _ in range(number)]
    delays = [delay for _, delay in seen]
    return Polling(
        statistics.fmean(calls for calls, _ in seen),
        statistics.median(delays),
        statistics.quantiles(delays, n=20)[18],
    )


def _wait(chance: random.Random, poll_interval: float, max_poll_interval: float) -> tuple[int, float]:
    """Return the calls until the end of one generation was seen, and how late that was."""
    end = chance.lognormvariate(0.0, SIGMA) * MEDIAN_SECONDS
    poller = Poller(
        now=0.0,
        deadline=_A_DAY,
        poll_interval=poll_interval,
        max_poll_interval=max_poll_interval,
        submitted_at=0.0,
        spread=chance.random,
    )
    now, calls = 0.0, 0
    step = poller.first(now, delay=SHORTEST_DEFERRAL_SECONDS)
    while isinstance(step, Step):
        now, calls = now + step.delay, calls + 1
        if step.ask is Ask.RESULT:
            return calls, now - end
        state = RequestState.COMPLETED if now >= end else RequestState.IN_PROGRESS
        next_step = poller.on_status(RequestStatus("r", state, None), now)
        assert isinstance(next_step, Step)
        step = next_step
    raise RuntimeError("gave up")
