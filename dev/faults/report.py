"""What was seen so far; it is printed as it comes, and in tables at the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import requests
from tabulate import tabulate

from dev.faults.table import Row, show
from dev.processes import ServerFailedError

Case = tuple[str, str, str, str]


class Report:
    """Runs scenarios, and keeps what each has shown and how long it took."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.cases: list[Case] = []
        self.faults: list[str] = []
        self.took: list[tuple[str, float]] = []
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long all has taken so far."""
        return time.monotonic() - self._began

    def add(self, name: str, make: Callable[[], Row | Iterable[Row]], *, at_least: int = 0) -> None:
        """Run a scenario that gives rows of the account, each with so many kills at least."""
        rows: list[Row] = []
        with self._timed(name):
            made = make()
            rows = [made] if isinstance(made, Row) else list(made)
        for told in rows:
            too_few = (f"{told.kills} kills, {at_least} were wanted",) if told.kills < at_least else ()
            row = replace(told, faults=(*told.faults, *too_few))
            self.rows.append(row)
            self.faults += [f"{row.name}: {fault}" for fault in row.faults]
            self._tell(row.name, bool(row.faults))

    def add_cases(self, name: str, make: Callable[[], list[Case]]) -> None:
        """Run a scenario that gives cases."""
        made: list[Case] = []
        with self._timed(name):
            made = make()
        self.cases += made
        for case, _, _, fault in made:
            self.faults += [f"{case}: {fault}"] if fault else []
            self._tell(case, bool(fault))

    def show(self) -> None:
        """Print the tables, and everything that is not as promised."""
        print(f"\n{show(self.rows)}\n")
        body = [(name, must, found, "FAULT" if wrong else "as promised") for name, must, found, wrong in self.cases]
        print(tabulate(body, ("case", "must be", "is", "")))
        print(f"\n{tabulate([(name, f'{seconds:.0f}') for name, seconds in self.took], ('scenario', 'seconds'))}")
        for fault in self.faults:
            print(f"\nFAULT {fault}", file=sys.stderr)

    def limit(self, minutes: float) -> None:
        """Count it as a fault if all took longer than so many minutes."""
        if self.seconds > 60 * minutes:
            self.faults.append(f"all took {self.seconds / 60:.0f} min, not {minutes:.0f}; {load()}")

    def _tell(self, name: str, wrong: bool) -> None:
        print(f"{self.seconds:6.0f} s  {name}: {'FAULT' if wrong else 'ok'}", flush=True)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Take the time; have a scenario that breaks down count as a fault, and the others go on."""
        began = time.monotonic()
        try:
            yield
        except (TimeoutError, ServerFailedError, requests.RequestException) as error:
            print(f"         broke down: {error}", flush=True)
            self.faults.append(f"{name} broke down: {error}")
        finally:
            self.took.append((name, time.monotonic() - began))


def load() -> str:
    """Return how busy the machine is with all that runs on it: on a busy one everything takes longer."""
    return f"load average {os.getloadavg()[2]:.1f} over 15 minutes on {os.cpu_count()} processors"
