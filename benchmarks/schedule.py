"""
Calls per generation against how late its end is seen: fixed intervals, and the provider's schedule, by one simulation.

The clock is simulated; what decides is the provider's own Poller. `--write` puts table and plot into docs/.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from airflow_provider_runcomfy.api.polling import Ask, Ending, Poller, Step
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState, RequestStatus
from airflow_provider_runcomfy.parameters import DEFAULT_MAX_POLL_INTERVAL, DEFAULT_POLL_INTERVAL
from benchmarks.scale_docs import put
from benchmarks.schedule_plot import Curve, svg

PLOT = Path(__file__).parents[1] / "docs" / "img" / "poll-schedule.svg"
_RUN_MEDIAN, _RUN_SIGMA = 90.0, 0.6
_QUEUE_MEDIAN, _QUEUE_SIGMA = 30.0, 1.0
_SECONDS_PER_PLACE = 5.0
_FIXED = (1, 2, 5, 10, 15, 30, 60)
_OURS = ((1, 5), (2, 10), (5, 15), (5, 30), (10, 60), (15, 120))
_DEFAULT = (DEFAULT_POLL_INTERVAL, DEFAULT_MAX_POLL_INTERVAL)
_OTHER_RUN_MEDIANS = (20.0, 600.0)
_FIRST_POLL_SECONDS = 5.0
_DEADLINE_SECONDS = 24 * 3600.0
_GENERATIONS = 5000
#: What is assumed of the time that a generation takes.
TIMES = (
    f"Run time log-normal, median {_RUN_MEDIAN:.0f} s, sigma {_RUN_SIGMA}; in the queue before log-normal, median "
    f"{_QUEUE_MEDIAN:.0f} s, sigma {_QUEUE_SIGMA}, {_SECONDS_PER_PLACE:.0f} s for each place"
)


@dataclass(frozen=True)
class Generation:
    """A request that waits in the queue and then runs, for so many seconds."""

    queued: float
    run: float

    @property
    def end(self) -> float:
        return self.queued + self.run

    def status(self, now: float) -> RequestStatus:
        if now >= self.end:
            return RequestStatus("r", RequestState.COMPLETED, None)
        if now >= self.queued:
            return RequestStatus("r", RequestState.IN_PROGRESS, None)
        return RequestStatus("r", RequestState.IN_QUEUE, math.ceil((self.queued - now) / _SECONDS_PER_PLACE))

    def result(self) -> GenerationResult:
        return GenerationResult("r", RequestState.SUCCEEDED)


class Fixed:
    """What most clients do: the same loop, with one interval."""

    def __init__(self, interval: float, spread: Callable[[], float]) -> None:
        self._interval, self._spread = interval, spread

    def first(self, now: float, *, delay: float) -> Step:
        return Step(Ask.STATUS, delay + self._spread() * self._interval)

    def on_status(self, status: RequestStatus, now: float) -> Step:
        ended = status.state is RequestState.COMPLETED
        return Step(Ask.RESULT, 0.0) if ended else Step(Ask.STATUS, self._interval)

    def on_result(self, result: GenerationResult, now: float) -> None:
        return None


def ours(interval: float, longest: float, spread: Callable[[], float]) -> Poller:
    return Poller(
        now=0.0, deadline=_DEADLINE_SECONDS, poll_interval=interval, max_poll_interval=longest, submitted_at=0.0,
        spread=spread,
    )  # fmt: skip


def wait(generation: Generation, policy: Fixed | Poller) -> tuple[int, float]:
    """Return how many calls the wait takes, and how many seconds after its end it is over."""
    now, calls = 0.0, 0
    step: Step | Ending | None = policy.first(now, delay=_FIRST_POLL_SECONDS)
    while isinstance(step, Step):
        now, calls = now + step.delay, calls + 1
        if step.ask is Ask.STATUS:
            step = policy.on_status(generation.status(now), now)
        else:
            step = policy.on_result(generation.result(), now)
    return calls, now - generation.end


@dataclass(frozen=True)
class Outcome:
    """What one schedule comes to: mean calls, seconds of delay, and the mean delay as a share of the whole wait."""

    name: str
    calls: float
    mean: float
    p95: float
    share: float


def outcome(
    name: str, generations: list[Generation], policy: Callable[[Callable[[], float]], Fixed | Poller]
) -> Outcome:
    spread = random.Random(2).random
    waits = [wait(generation, policy(spread)) for generation in generations]
    delays = sorted(delay for _, delay in waits)
    shares = [delay / generation.end for (_, delay), generation in zip(waits, generations, strict=True)]
    return Outcome(
        name,
        statistics.fmean(calls for calls, _ in waits),
        statistics.fmean(delays),
        delays[int(0.95 * len(delays))],
        statistics.fmean(shares),
    )


def generations(count: int, run_median: float = _RUN_MEDIAN) -> list[Generation]:
    chance = random.Random(1)
    return [
        Generation(
            chance.lognormvariate(math.log(_QUEUE_MEDIAN), _QUEUE_SIGMA),
            chance.lognormvariate(math.log(run_median), _RUN_SIGMA),
        )
        for _ in range(count)
    ]


def fixed_intervals(waited_for: list[Generation], intervals: Sequence[float] = _FIXED) -> list[Outcome]:
    return [outcome(f"every {each} s", waited_for, partial(Fixed, each)) for each in intervals]


def own_schedules(waited_for: list[Generation], pairs: Sequence[tuple[float, float]] = _OURS) -> list[Outcome]:
    return [outcome(_name(low, high), waited_for, partial(ours, low, high)) for low, high in pairs]


def default_schedule() -> Outcome:
    """Return what the default schedule comes to."""
    [row] = own_schedules(generations(_GENERATIONS), [_DEFAULT])
    return row


def _name(low: float, high: float) -> str:
    return f"{low:g} to {high:g} s{', the default' if (low, high) == _DEFAULT else ''}"


def table(rows: list[Outcome]) -> Iterator[str]:
    yield "| schedule | calls per generation | delay, mean s | delay, p95 s | mean delay, of the wait |"
    yield "|---|--:|--:|--:|--:|"
    for row in rows:
        yield f"| {row.name} | {row.calls:.1f} | {row.mean:.1f} | {row.p95:.1f} | {row.share:.1%} |"


def _point(row: Outcome) -> tuple[float, float, str]:
    return row.calls, row.mean, row.name.removesuffix(", the default").removeprefix("every ")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, default=_GENERATIONS, help="how many are simulated (default: 5000)")
    parser.add_argument("--write", action="store_true", help="put the table and the plot into docs/")
    arguments = parser.parse_args()
    waited_for = generations(arguments.generations)
    fixed, own = fixed_intervals(waited_for), own_schedules(waited_for)
    print(f"{TIMES}; together {statistics.fmean(each.end for each in waited_for):.0f} s in the mean.\n")
    print("\n".join(table(fixed + own)))
    for median in _OTHER_RUN_MEDIANS:
        others = generations(len(waited_for), median)
        rows = [*fixed_intervals(others, _FIXED[2:]), *own_schedules(others, [_DEFAULT])]
        print(f"\nThe same with a median run time of {median:.0f} s:\n\n" + "\n".join(table(rows)))
    # Of fixed intervals calls times delay is nearly the same, so the larger product is the curve above.
    above = statistics.median(row.calls * row.mean for row in own) > statistics.median(r.calls * r.mean for r in fixed)
    curves = [
        Curve("fixed interval", "#8a5a00", [_point(row) for row in fixed], not above),
        Curve("poll_interval to max_poll_interval", "#5b2bb8", [_point(row) for row in own], above),
    ]
    if arguments.write:
        PLOT.parent.mkdir(exist_ok=True)
        PLOT.write_text(svg(curves, x="calls per generation", y="seconds until its end is seen, mean"))
        put("schedule", "\n".join(table(fixed + own)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
