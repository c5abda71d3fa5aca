"""
What waiting costs: CPU per poll, memory, sockets, the lag of the event loop, and polls kept.

Triggers of one kind at a time wait in a process of their own, made and run by Airflow's triggerer, and poll every 5 s
over TLS a server that is never done; side by side with the triggers of peers and with a bare aiohttp loop. Ends with 1,
and says which, if a promise is missed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.schedule import TIMES, default_schedule
from benchmarks.waiters import BARE, EMPTY, INTERVAL, OURS, PEERS
from benchmarks.waiting import NotStartedError, Waited, measured

_NUMBERS = (200, 1_000, 5_000, 10_000)
#: What is promised.
_MOST_CPU = 1.2
_MOST_MEMORY_KIB = 60.0
_MOST_SOCKETS = 100
_MOST_LAG_MS = 20.0
_KEPT, _KEPT_UP_TO = 0.98, 5_000
# A peer that keeps less than this is not let wait in greater numbers: 10,000 of one with 0.89 cannot even be started.
_STALLED = 0.9


class Runs:
    """All that was measured with one number of triggers, by who waited."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.found: dict[str, list[Waited]] = {}
        self.left_out: dict[str, str] = {}

    def middle(self, name: str, what: str) -> float:
        """Return the median of something that was measured."""
        return float(median(getattr(run, what) for run in self.found[name]))

    def times_bare(self, name: str) -> float:
        """Return the median of how many times the CPU per poll of the bare loop of the same round."""
        pairs = zip(self.found[name], self.found[BARE], strict=False)
        return float(median(run.cpu / bare.cpu for run, bare in pairs))


def in_turns(number: int, names: Sequence[str], window: float, rounds: int, stalled: dict[str, str]) -> Runs:
    """Let each kind wait in turns; peers and the trigger that never polls once, the bare loop and ours each round."""
    runs = Runs(number)
    for turn in range(rounds):
        for name in names:
            if name in stalled:
                runs.left_out[name] = stalled[name]
            elif turn == 0 or name in (BARE, OURS):
                _measure(name, runs, window, stalled)
    for name in runs.found:
        if name in PEERS and (kept := runs.middle(name, "kept")) < _STALLED:
            stalled[name] = f"kept {kept:.2f} at {number:,}"
    return runs


def _measure(name: str, runs: Runs, window: float, stalled: dict[str, str]) -> None:
    try:
        found = measured(name, runs.number, window)
    except NotStartedError as error:
        if name not in PEERS:
            raise
        stalled[name] = runs.left_out[name] = f"{runs.number:,} {error}"
        return
    runs.found.setdefault(name, []).append(found)
    _tell(name, runs)


def _tell(name: str, runs: Runs) -> None:
    """Say on standard error how it goes: a whole run takes long."""
    run = runs.found[name][-1]
    print(f"{runs.number:,} {name}: {run.cpu:.3f} ms of CPU per poll, {run.kept:.3f} kept", file=sys.stderr)
    if run.ended:
        print(f"{name}: {run.ended} of {runs.number:,} triggers ended by themselves.", file=sys.stderr)


def missed(runs: Runs) -> Iterator[str]:
    """Yield which promises were missed."""
    number = f"{runs.number:,} triggers"
    if OURS not in runs.found:
        return
    if any(run.ended for run in runs.found[OURS]):
        yield f"{number}: some of ours ended while their requests went on"
    if (memory := runs.middle(OURS, "memory")) > _MOST_MEMORY_KIB:
        yield f"{number}: {memory:.1f} KiB per trigger, not {_MOST_MEMORY_KIB:.0f}"
    if (sockets := max(run.sockets for run in runs.found[OURS])) > _MOST_SOCKETS:
        yield f"{number}: {sockets} sockets, not {_MOST_SOCKETS}"
    if BARE in runs.found:
        yield from _missed_beside_the_bare_loop(runs, number)
    for peer in PEERS:
        if peer in runs.found and runs.middle(peer, "cpu") <= (cpu := runs.middle(OURS, "cpu")):
            yield f"{number}: {cpu:.3f} ms of CPU per poll, not less than {peer}"


def _missed_beside_the_bare_loop(runs: Runs, number: str) -> Iterator[str]:
    if (times := runs.times_bare(OURS)) > _MOST_CPU:
        yield f"{number}: {times:.2f} times the CPU per poll of the bare loop, not {_MOST_CPU}"
    if (lag := runs.middle(OURS, "p99") - runs.middle(BARE, "p99")) > _MOST_LAG_MS:
        yield f"{number}: a p99 lag {lag:.1f} ms above that of the bare loop, not {_MOST_LAG_MS:.0f}"
    if runs.number > _KEPT_UP_TO:
        return
    kept, floor = runs.middle(OURS, "kept"), runs.middle(BARE, "kept")
    if kept < _KEPT * floor:
        yield f"{number}: {kept:.3f} of the polls kept; {floor:.3f} by the bare loop"
    elif kept < _KEPT <= floor:
        yield f"{number}: {kept:.3f} of the polls kept, not {_KEPT}"


def show(runs: Runs) -> None:
    due = f"{runs.number / INTERVAL:,.0f} polls/s due"
    print(f"\n{runs.number:,} triggers, {due} (load of the machine: {os.getloadavg()[0]:.1f}):\n")
    columns = ("CPU ms per poll", "times bare", "KiB per trigger", "sockets", "kept", "polls/s")
    columns += ("lag p50, ms", "p99, ms", "CPU busy", "server busy")
    print(f"| {'who waits':<26} | {' | '.join(columns)} |")
    print(f"|{'-' * 28}|{'|'.join('-' * (len(column) + 1) + ':' for column in columns)}|")
    for name in runs.found:
        cells = [f"{cell:>{len(column)}}" for cell, column in zip(_cells(runs, name), columns, strict=True)]
        print(f"| {name:<26} | {' | '.join(cells)} |")
    for name, why in runs.left_out.items():
        print(f"| {name:<26} | not run: {why} |{' |' * (len(columns) - 1)}")
    sys.stdout.flush()


def _cells(runs: Runs, name: str) -> Iterator[str]:
    polls = name != EMPTY
    yield f"{runs.middle(name, 'cpu'):.3f}" if polls else ""
    yield f"{runs.times_bare(name):.2f}" if polls and BARE in runs.found else ""
    yield f"{runs.middle(name, 'memory'):.1f}"
    yield str(max(run.sockets for run in runs.found[name]))
    yield f"{runs.middle(name, 'kept'):.3f}" if polls else ""
    yield f"{runs.middle(name, 'rate'):.0f}" if polls else ""
    yield f"{runs.middle(name, 'p50'):.1f}"
    yield f"{runs.middle(name, 'p99'):.1f}"
    yield f"{runs.middle(name, 'busy'):.2f}"
    yield f"{runs.middle(name, 'server'):.2f}" if polls else ""


def show_generations(found: Sequence[Runs]) -> None:
    """Print what the waiting for one generation costs with the default schedule."""
    seen = default_schedule()
    print(
        f"\nPer generation, with the default schedule: {seen.calls:.1f} calls; its end is seen {seen.mean:.1f} s later "
        f"in the mean (p95: {seen.p95:.1f} s). {TIMES}."
    )
    for runs in found:
        ours, bare = (runs.middle(name, "cpu") if name in runs.found else 0.0 for name in (OURS, BARE))
        cost = f"{seen.calls * ours:.1f} ms of CPU; the same calls of a bare loop {seen.calls * bare:.1f} ms"
        print(f"At {runs.number:,} triggers: {cost}.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--numbers", type=int, nargs="*", default=_NUMBERS, help="default: 200 1000 5000 10000")
    parser.add_argument("--window", type=float, default=60.0, metavar="SECONDS", help="measured for (default: 60)")
    parser.add_argument("--rounds", type=int, default=2, help="of the bare loop and of ours (default: 2)")
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS, metavar="TRIGGER", help="default: all")
    arguments = parser.parse_args()
    # The processes end with the block that runs them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    started = time.monotonic()
    names = [BARE, OURS, *arguments.peers, EMPTY]
    found: list[Runs] = []
    stalled: dict[str, str] = {}
    for number in sorted(arguments.numbers):
        found.append(in_turns(number, names, arguments.window, arguments.rounds, stalled))
        show(found[-1])
    show_generations(found)
    print(f"\n{time.monotonic() - started:.0f} s in all.")
    promises = [promise for runs in found for promise in missed(runs)]
    for promise in promises:
        print(f"MISSED: {promise}.")
    return 1 if promises else 0


if __name__ == "__main__":
    sys.exit(main())
