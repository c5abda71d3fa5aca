"""
Run the tests on every Airflow and Python, with the lowest and the newest dependencies, that the package supports.

Each row of the matrix gets an environment of its own, of pinned packages. Its numbers are those of pytest's report. The
table in ``docs/compatibility.md`` is compared with what was seen; ``--write`` puts what was seen there.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dev import processes
from dev.compat_table import Outcome, Row, contradictions, judged, put, read_report, shown, written

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-compat"
# The first ones are the longest: the whole test-suite, once on each Airflow and once on each Python.
ROWS = (
    Row("3.3", "3.11", "newest", "dev", whole=True),
    Row("3.2", "3.12", "newest", "airflow-3.2", whole=True),
    Row("3.1", "3.13", "newest", "airflow-3.1", whole=True),
    Row("3.3", "3.12", "newest", "dev"),
    Row("3.3", "3.13", "newest", "dev"),
    Row("3.2", "3.11", "newest", "airflow-3.2"),
    Row("3.2", "3.13", "newest", "airflow-3.2"),
    Row("3.1", "3.11", "lowest", "lowest"),
    Row("3.1", "3.12", "lowest", "lowest"),
)
_ASK_PYTHON = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
_ASK_VERSIONS = (
    "import sys; from importlib.metadata import version;"
    "print(version('apache-airflow-core'), '%d.%d' % sys.version_info[:2])"
)


def main() -> int:
    """Run the rows and return the exit code: 0 only where every row that was run has passed, and the docs say so."""
    options = _options()
    # What a row has started is ended with it, in whichever way this ends.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    rows = [row for row in ROWS if row.name.startswith(tuple(options.only.split(",")))]
    pythons = interpreters(options.pythons.split())
    FOLDER.mkdir(exist_ok=True)
    outcomes = []
    for row in rows:
        print(f"== {row.name}: {row.tests}", flush=True)
        python = pythons.get(row.python)
        outcome = run(row, python, workers=options.workers, minutes=options.minutes) if python else Outcome(row)
        outcomes.append(outcome)
        print(f"   {outcome.result}, {outcome.seconds:.0f} s", flush=True)
    print(f"\n{shown(outcomes)}")
    if options.write:
        put(outcomes)
    problems = faults(outcomes, strict=options.strict) + contradictions(outcomes, written())
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dev.compat", description=__doc__)
    parser.add_argument("--only", default="", help="only rows whose name begins so (with commas: several)")
    parser.add_argument("--pythons", default="", help="interpreters to use before those on PATH, with blanks between")
    parser.add_argument("--strict", action="store_true", help="fail where a row is not run, for want of its Python")
    parser.add_argument("--write", action="store_true", help="put what was seen into docs/compatibility.md")
    parser.add_argument("--workers", type=int, default=2, help="processes that run a row's tests (default: 2)")
    parser.add_argument("--minutes", type=float, default=30, help="a row that takes longer has failed (default: 30)")
    return parser.parse_args()


def interpreters(named: Iterable[str], path: str | None = None) -> dict[str, str]:
    """
    Return a working interpreter of each Python version, such as 3.12: the first one of its version.

    One that does not run, as a shim of a version manager may not, or that has no venv module, is passed over.

    :param named: those to look at first.
    :param path: where to look for others, as PATH, which it is by default.
    """
    folders = (os.environ.get("PATH", "") if path is None else path).split(os.pathsep)
    versions = sorted({row.python for row in ROWS})
    found: dict[str, str] = {}
    for candidate in [*named, *(f"{folder}/python{version}" for version in versions for folder in folders if folder)]:
        with suppress(OSError, subprocess.SubprocessError):
            asked = subprocess.run(
                [candidate, "-c", _ASK_PYTHON], check=True, capture_output=True, text=True, timeout=60
            )
            found.setdefault(asked.stdout.strip(), candidate)
    return found


def run(row: Row, python: str, *, workers: int, minutes: float) -> Outcome:
    """Make the environment of a row, run its tests there, and return what came of it."""
    venv, log, report = FOLDER / row.name, FOLDER / f"{row.name}.log", FOLDER / f"{row.name}.xml"
    # What an earlier run has left must never be taken for this one's.
    log.unlink(missing_ok=True)
    report.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHON": python, "VIRTUAL_ENV": str(venv)}
    started = time.monotonic()
    make = ["dev/make-env", str(venv), f"requirements/{row.pins}.txt"]
    # The slow tests lie together: a process that is done takes over half of what another has left.
    parallel = ["-n", str(workers), "--dist", "worksteal"]
    test = [str(venv / "bin" / "python"), "-m", "pytest", *parallel, "-m", row.marks, f"--junitxml={report}"]
    ended = _finished(make, log, environment, minutes * 60)
    if ended:
        outcome = Outcome(row, problem=f"its environment could not be made ({ended})")
    else:
        ended = _finished(test, log, environment, minutes * 60 - (time.monotonic() - started))
        outcome = judged(row, _versions(venv), ended, read_report(report))
    if outcome.problem:
        print(processes.tail(log), file=sys.stderr)
    return replace(outcome, seconds=time.monotonic() - started)


def _finished(command: list[str], log: Path, environment: Mapping[str, str], seconds: float) -> str:
    """Run a command, all that it starts ended with it; return why it failed, nothing where it did not."""
    process = processes.start(command, log=log, env=environment, cwd=ROOT)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return "it took too long"
    finally:
        processes.end(process)
    return f"exit code {code}" if code else ""


def _versions(venv: Path) -> tuple[str, str]:
    """Return the versions of Airflow and Python that are in an environment."""
    command = [str(venv / "bin" / "python"), "-c", _ASK_VERSIONS]
    airflow, python = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    return airflow, python


def faults(outcomes: list[Outcome], *, strict: bool) -> list[str]:
    """Return a sentence on every row that has failed; where none was run, and with ``strict``, on those not run too."""
    found = [f"{outcome.row.name}: {outcome.result}" for outcome in outcomes if outcome.problem]
    missing = [outcome for outcome in outcomes if not outcome.was_run]
    if strict or len(missing) == len(outcomes):
        found += [f"{outcome.row.name}: {outcome.result}" for outcome in missing]
    return found or ([] if outcomes else ["No row has that name."])


if __name__ == "__main__":
    sys.exit(main())
