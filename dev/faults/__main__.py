"""Run the faults; see ``make help``."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from dev.faults.campaign import campaign
from dev.faults.clearing import clear_all
from dev.faults.copy_cases import handle_copies
from dev.faults.echo import echo_all, leave_one_waiting
from dev.faults.marking import mark_all
from dev.faults.outage import go_down
from dev.faults.points import POINTS, run_point
from dev.faults.report import Report, load
from dev.faults.secrecy import search, what_it_overlooks
from dev.faults.stage import Stage, stage
from dev.faults.stalls import POINTS as STALLS
from dev.faults.stalls import stall_at, stall_waiting
from dev.faults.transfer import MIDDLES, kill_copies, kill_in_middle, kill_several
from dev.faults.triggerer import kill_triggerer, stall_triggerer
from dev.faults.window import measure_windows
from dev.gate import When
from dev.processes import end_children

_LONGEST_MINUTES = 30.0


def main() -> int:
    """Run everything and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.faults", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".faults"), help="where everything is kept (.faults)")
    parser.add_argument("--short", action="store_true", help="fewer kills and a shorter outage")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the random campaign")
    parser.add_argument("--only", default="", help="only scenarios whose name begins so (with commas: several)")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    folder = arguments.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    report = Report()
    try:
        with stage(folder, outage_seconds=30 if arguments.short else 180) as running:
            report.took.append(("all is up", report.seconds))
            print(f"Airflow, RunComfy and S3 are up after {report.seconds:.0f} s; {load()}", flush=True)
            print(f"Time-outs are {running.slow_by:.1f} times the usual ones.", flush=True)
            _run(running, report, short=arguments.short, seed=arguments.seed, only=arguments.only)
            fernet_key = running.airflow.env["AIRFLOW__CORE__FERNET_KEY"]
        searched = _search(folder, fernet_key, report)
    finally:
        end_children()
    if not arguments.short:
        report.limit(_LONGEST_MINUTES)
    report.show()
    print(f"\n{searched}")
    print(f"All after {report.seconds:.0f} s ({load()}): {len(report.faults)} faults.")
    return 1 if report.faults else 0


def _search(folder: Path, fernet_key: str, report: Report) -> str:
    """Look for the token in all that was written, and whether it would be found there."""
    found = search(folder, fernet_key)
    report.faults += [f"the token is in {place}" for place in found.places]
    with tempfile.TemporaryDirectory() as scratch:
        report.faults += [
            f"a token in {place} would not be found" for place in what_it_overlooks(folder, fernet_key, Path(scratch))
        ]
    if not found.triggers:
        report.faults.append("the token was looked for in no trigger's arguments: there was none")
    return (
        f"The token was looked for in {found.files} files and {found.values} values of the database, the arguments of "
        f"{found.triggers} triggers among them; found in {len(found.places)}."
    )


def _run(running: Stage, report: Report, *, short: bool, seed: int, only: str) -> None:
    kills = 2 if short else 5

    def chosen(name: str) -> bool:
        return any(name.startswith(part) for part in only.split(","))

    if chosen("window"):
        report.add_cases("window", lambda: measure_windows(running, clips=5 if short else 20))
    # A triggerer's kills are long waits, and the copies and stalls beside them need none.
    with _beside(chosen("triggerer"), lambda: _run_triggerers(running, report, short=short, kills=kills)):
        if chosen("stalls"):
            _run_stalls(running, report, short=short, kills=kills)
        if chosen("transfer"):
            _run_transfers(running, report, short=short, kills=kills)
    if chosen("campaign"):
        report.add("campaign", lambda: campaign(running, kills=10 if short else 60, seed=seed))
    # So is an outage, which is of its own sandbox; what follows neither kills what it needs nor counts its calls.
    clips, seconds = (12, 30.0) if short else (50, 180.0)
    outage = partial(go_down, running, clips=clips, seconds=seconds)
    with _beside(chosen("outage"), lambda: report.add("outage, beside what follows", outage)):
        if chosen("points"):
            _run_points(running, report, short=short, kills=kills)
        if chosen("echo"):
            report.add_cases("echoes of the token", lambda: echo_all(running))
        if chosen("marking"):
            report.add_cases("marking and clearing waiting tasks", lambda: mark_all(running, short=short))
        if chosen("clearing"):
            report.add_cases("clearing and settling", lambda: clear_all(running))
    report.add_cases("waits until the end", lambda: leave_one_waiting(running))


@contextmanager
def _beside(is_chosen: bool, act: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread of its own while the block runs, if it was chosen; the block ends after it."""
    with ThreadPoolExecutor(1) as executor:
        done = executor.submit(act) if is_chosen else None
        yield
        if done:
            done.result()


def _run_triggerers(running: Stage, report: Report, *, short: bool, kills: int) -> None:
    for number in (signal.SIGKILL,) if short else (signal.SIGKILL, signal.SIGTERM):
        name = f"triggerer {number.name}"
        report.add(name, partial(kill_triggerer, running, number, kills=kills), at_least=kills)
    if not short:
        report.add("triggerer SIGSTOP", lambda: stall_triggerer(running, kills=kills), at_least=kills)


def _run_points(running: Stage, report: Report, *, short: bool, kills: int) -> None:
    for point in POINTS:
        for dag_id in point.dags[:1] if short else point.dags:
            name = f"{point.name}, {dag_id}"
            report.add(name, partial(run_point, running, point, dag_id, kills=kills), at_least=kills)


def _run_stalls(running: Stage, report: Report, *, short: bool, kills: int) -> None:
    for stall in STALLS[:1] if short else STALLS:
        report.add(stall.name, partial(stall_at, running, stall, kills=kills), at_least=kills)
    if not short:
        report.add("stalled while waiting", lambda: stall_waiting(running, kills=kills), at_least=kills)


def _run_transfers(running: Stage, report: Report, *, short: bool, kills: int) -> None:
    for when in When:
        report.add(f"transfer, {when}", partial(kill_copies, running, when, kills=kills), at_least=kills)
    for middle in MIDDLES[:1] if short else MIDDLES:
        report.add(f"transfer, {middle.name}", partial(kill_in_middle, running, middle, kills=kills), at_least=kills)
    several = 1 if short else kills
    report.add("transfer, several files", lambda: kill_several(running, kills=several), at_least=several)
    report.add_cases("clearing and marking copies", lambda: handle_copies(running))


if __name__ == "__main__":
    sys.exit(main())
