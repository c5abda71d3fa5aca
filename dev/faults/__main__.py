"""Run the faults; see ``make help``."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from tabulate import tabulate

from dev.faults.campaign import campaign
from dev.faults.clearing import clear_all
from dev.faults.copy_cases import handle_copies
from dev.faults.marking import mark_all
from dev.faults.outage import go_down
from dev.faults.points import POINTS, run_point
from dev.faults.secrecy import places_of_token
from dev.faults.stage import Stage, stage
from dev.faults.table import Row, show
from dev.faults.transfer import MIDDLES, kill_copies, kill_in_middle, kill_several
from dev.faults.triggerer import kill_triggerer, stall_triggerer
from dev.faults.window import measure_window
from dev.gate import When
from dev.processes import ServerFailedError, end_children

Case = tuple[str, str, str, str]


class Report:
    """What was seen so far; it is printed as it comes, and in tables at the end."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.cases: list[Case] = []
        self.faults: list[str] = []

    def add(self, make: Callable[[], Row | Iterable[Row]]) -> None:
        """Run a scenario that gives rows of the account."""
        began = time.monotonic()
        rows: list[Row] = []
        with self._surviving():
            made = make()
            rows = [made] if isinstance(made, Row) else list(made)
        for row in rows:
            self.rows.append(row)
            self.faults += [f"{row.name}: {fault}" for fault in row.faults]
            print(f"{time.monotonic() - began:6.1f} s  {row.name}: {'FAULT' if row.faults else 'ok'}", flush=True)

    def add_cases(self, name: str, make: Callable[[], list[Case]]) -> None:
        """Run a scenario that gives cases."""
        began = time.monotonic()
        made: list[Case] = []
        with self._surviving():
            made = make()
        self.cases += made
        wrong = [f"{case}: {fault}" for case, _, _, fault in made if fault]
        self.faults += wrong
        print(f"{time.monotonic() - began:6.1f} s  {name}: {'FAULT' if wrong else 'ok'}", flush=True)

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        """Have a scenario that breaks down count as a fault, and the others go on."""
        try:
            yield
        except (TimeoutError, ServerFailedError, requests.RequestException) as error:
            print(f"         broke down: {error}", flush=True)
            self.faults.append(f"a scenario broke down: {error}")

    def show(self) -> None:
        """Print the tables, and everything that is not as promised."""
        print(f"\n{show(self.rows)}\n")
        body = [(name, must, found, "FAULT" if wrong else "as promised") for name, must, found, wrong in self.cases]
        print(tabulate(body, ("what a person does", "must be", "is", "")))
        for fault in self.faults:
            print(f"\nFAULT {fault}", file=sys.stderr)


def main() -> int:
    """Run everything and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.faults", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".faults"), help="where everything is kept (.faults)")
    parser.add_argument("--short", action="store_true", help="fewer kills and a shorter outage")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the random campaign")
    parser.add_argument("--only", default="", help="only scenarios whose name begins with this")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    folder = arguments.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    report = Report()
    began = time.monotonic()
    try:
        with stage(folder, outage_seconds=30 if arguments.short else 180) as running:
            print(f"Airflow, RunComfy and S3 are up after {time.monotonic() - began:.0f} s", flush=True)
            _run(running, report, short=arguments.short, seed=arguments.seed, only=arguments.only)
        count, places = places_of_token(folder)
    finally:
        end_children()
    report.faults += [f"the token is in {place}" for place in places]
    report.show()
    print(f"\nThe token was looked for in {count} files (logs, database, all); found in {len(places)}.")
    print(f"All after {time.monotonic() - began:.0f} s: {len(report.faults)} faults.")
    return 1 if report.faults else 0


def _run(running: Stage, report: Report, *, short: bool, seed: int, only: str) -> None:
    kills = 2 if short else 5
    if "window".startswith(only):
        print(f"         {measure_window(running, clips=5 if short else 20)}", flush=True)
    if "triggerer".startswith(only):
        report.add(lambda: kill_triggerer(running, signal.SIGKILL, kills=kills))
        if not short:
            report.add(lambda: kill_triggerer(running, signal.SIGTERM, kills=kills))
            report.add(lambda: stall_triggerer(running, kills=kills))
    if "campaign".startswith(only):
        report.add(lambda: campaign(running, kills=10 if short else 60, seed=seed))
    if "outage".startswith(only):
        clips, seconds = (12, 30.0) if short else (50, 180.0)
        report.add(lambda: go_down(running, clips=clips, seconds=seconds))
    if "points".startswith(only):
        for point in POINTS:
            for dag_id in point.dags[:1] if short else point.dags:
                report.add(lambda p=point, d=dag_id: run_point(running, p, d, kills=kills))  # type: ignore[misc]
    if "transfer".startswith(only):
        for when in When:
            report.add(lambda w=when: kill_copies(running, w, kills=kills))  # type: ignore[misc]
        for middle in MIDDLES[:1] if short else MIDDLES:
            report.add(lambda m=middle: kill_in_middle(running, m, kills=kills))  # type: ignore[misc]
        report.add(lambda: kill_several(running, kills=1 if short else 3))
        report.add_cases("clearing and marking copies", lambda: handle_copies(running))
    if "marking".startswith(only):
        report.add_cases("marking and clearing waiting tasks", lambda: mark_all(running))
    if "clearing".startswith(only):
        report.add_cases("clearing and settling", lambda: clear_all(running))


if __name__ == "__main__":
    sys.exit(main())
