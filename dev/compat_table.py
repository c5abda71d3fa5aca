"""What a run on one Airflow and Python came to, and the table of it in ``docs/compatibility.md``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from tabulate import tabulate

DOCS = Path(__file__).parents[1] / "docs" / "compatibility.md"
_BEGIN, _END = "<!-- by dev/compat.py -->\n", "<!-- end -->\n"
_HEADINGS = ("Airflow", "Python", "dependencies", "tests", "result", "passed", "skipped", "seconds", "date")
# What tells a row of the docs from the others, and what it says that has to hold again.
_KEY, _SAYS = slice(1, 4), slice(0, 5)
NOT_RUN = "not run"


@dataclass(frozen=True)
class Row:
    """
    One row of the matrix.

    :param airflow: of which Airflow the newest, such as ``3.1``; with the lowest dependencies the oldest.
    :param python: the version of Python, such as ``3.12``.
    :param dependencies: ``newest`` or ``lowest``, of those that pyproject.toml allows and that Airflow works with.
    :param pins: the file below ``requirements/`` that has them, without its ending.
    :param whole: the whole test-suite, not the unit tests alone.
    """

    airflow: str
    python: str
    dependencies: str
    pins: str
    whole: bool = False

    @property
    def name(self) -> str:
        """What the row, its environment and its log are called."""
        return f"{self.airflow}-python{self.python}-{self.dependencies}"

    @property
    def tests(self) -> str:
        """Which tests it runs, in words."""
        return "all" if self.whole else "unit"

    @property
    def marks(self) -> str:
        """Which tests it runs, as pytest's marks: those of ``make test``, or of ``make test-fast``."""
        return "not browser" if self.whole else "not slow and not browser"


@dataclass(frozen=True)
class Report:
    """What pytest reports; ``reasons`` has how many tests were skipped for which reason."""

    passed: int
    failed: int
    skipped: int
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """
    What came of a row.

    :param airflow: the very version of Airflow that was found in its environment; empty where there is none.
    :param problem: why it failed; empty where it did not.
    :param seconds: how long the environment and the tests took.
    :param report: what pytest reports, if it came to that.
    """

    row: Row
    airflow: str = ""
    problem: str = ""
    seconds: float = 0.0
    report: Report | None = None

    @property
    def was_run(self) -> bool:
        """Whether the machine has the row's Python; a row that was not run has neither passed nor failed."""
        return bool(self.problem or self.report)

    @property
    def has_passed(self) -> bool:
        """Whether it was run, and nothing was wrong."""
        return self.was_run and not self.problem

    @property
    def result(self) -> str:
        """The result in words."""
        if not self.was_run:
            return f"{NOT_RUN}: no python{self.row.python}"
        return f"failed: {self.problem}" if self.problem else "passed"

    def cells(self, today: str) -> list[str]:
        """Return its line of the table."""
        report = self.report or Report(0, 0, 0)
        said = [self.airflow or self.row.airflow, self.row.python, self.row.dependencies, self.row.tests]
        if not self.was_run:
            return [*said, NOT_RUN, "", "", "", ""]
        numbers = [f"{report.passed}", f"{report.skipped}", f"{self.seconds:.0f}"]
        return [*said, "failed" if self.problem else "passed", *numbers, today]


def read_report(path: Path) -> Report | None:
    """Return what pytest's JUnit report says; None where there is none, or half of one."""
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return None
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skips = [skip for case in cases if (skip := case.find("skipped")) is not None]
    reasons = Counter(_reason(skip) for skip in skips)
    return Report(len(cases) - failed - len(skips), failed, len(skips), dict(reasons))


def _reason(skip: ElementTree.Element) -> str:
    # Of a module that was skipped as a whole the text alone has it.
    in_text = re.search(r"[\"']Skipped: (.*)[\"']\)$", skip.text or "")
    return in_text[1] if in_text else skip.get("message", "").removeprefix("Skipped: ")


def judged(row: Row, versions: tuple[str, str], ended: str, report: Report | None) -> Outcome:
    """
    Return what came of a row's tests.

    :param versions: of Airflow and Python, as they are in its environment.
    :param ended: how pytest ended; empty where it says that all is well.
    :param report: what it reports; None where it left none that can be read.
    """
    airflow, python = versions
    problem = ended
    if report is None:
        problem = f"its tests left no report ({ended or 'and no error'})"
    elif not airflow.startswith(f"{row.airflow}.") or python != row.python:
        problem = f"it ran on Airflow {airflow} and Python {python}"
    elif report.failed:
        problem = f"{report.failed} failed"
    elif not report.passed:
        problem = f"no test passed ({ended or 'and no error'})"
    return Outcome(row, airflow, problem, report=report)


def shown(outcomes: Iterable[Outcome]) -> str:
    """Return the table for a terminal, and beneath it why tests were skipped."""
    outcomes = list(outcomes)
    rows = [[*outcome.cells("")[:4], outcome.result, *outcome.cells("")[5:8]] for outcome in outcomes]
    lines = [tabulate(rows, headers=_HEADINGS[:8], disable_numparse=True), ""]
    for outcome in outcomes:
        for reason, count in sorted((outcome.report.reasons if outcome.report else {}).items()):
            lines.append(f"{outcome.row.name}: {count} skipped: {reason}")
    return "\n".join(lines)


def written() -> list[list[str]]:
    """Return the lines of the table in the docs, as cells."""
    lines = DOCS.read_text().split(_BEGIN)[1].split(_END)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][2:]


def put(outcomes: Iterable[Outcome]) -> None:
    """Put what has passed into the table of the docs; the lines of the other rows stay, each with its date."""
    today = datetime.now(UTC).date().isoformat()
    before, rest = DOCS.read_text().split(_BEGIN)
    table = _replaced(written(), [outcome.cells(today) for outcome in outcomes if outcome.has_passed])
    lines = [_HEADINGS, ["---", "---", "---", "---", "---", "--:", "--:", "--:", "---"], *table]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    DOCS.write_text(before + _BEGIN + text + _END + rest.split(_END, 1)[1])


def _replaced(table: list[list[str]], seen: Iterable[list[str]]) -> list[list[str]]:
    """Return the table with the lines that were seen in the place of those of the same rows."""
    new = {_key(line): line for line in seen}
    return [new.get(_key(line), line) for line in table]


def _key(line: list[str]) -> tuple[str, ...]:
    return (".".join(line[0].split(".")[:2]), *line[_KEY])


def contradictions(outcomes: Iterable[Outcome], table: list[list[str]]) -> list[str]:
    """
    Return what the docs say otherwise than what was seen.

    How many tests there are changes with every commit, and how long they take with the machine: only the versions and
    the results are compared. What was not run contradicts nothing; what has failed is to be mended, not written down.
    """
    says = {_key(line): line[_SAYS] for line in table}
    found = []
    for outcome in outcomes:
        seen = outcome.cells("")[_SAYS]
        said = says.get(_key(seen))
        if outcome.has_passed and said != seen:
            found.append(
                f"docs/compatibility.md says {' '.join(said or ['nothing'])!r}, and seen was {' '.join(seen)!r}. "
                "If what was seen is right, make compat WRITE=1 puts it there."
            )
    return found
