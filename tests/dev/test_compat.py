"""The runs on every supported Airflow and Python: which there are, what passes for one, and what the docs say."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from dev import compat, compat_table
from dev.compat import ROOT, ROWS, faults, interpreters
from dev.compat_table import Outcome, Report, Row, contradictions, judged, put, read_report, shown, written
from tests.docs.tables import docs

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = {
    version
    for line in PROJECT["classifiers"]
    if (version := line.removeprefix("Programming Language :: Python :: ")).startswith("3.")
}
ROW = Row("3.2", "3.12", "newest", "airflow-3.2", whole=True)
OTHER = Row("3.1", "3.11", "lowest", "lowest")
GOOD = Outcome(ROW, "3.2.2", report=Report(10, 0, 2, {"too old": 2}), seconds=61.4)


def pins_of(name: str) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE)
    return dict(found)


# --- The matrix ------------------------------------------------------------------------------------------------------


def test_every_airflow_runs_on_every_python_once() -> None:
    assert sorted((row.airflow, row.python) for row in ROWS) == sorted(product(["3.1", "3.2", "3.3"], PYTHONS))


def test_the_whole_suite_runs_on_each_airflow_and_on_each_python_once() -> None:
    whole = [row for row in ROWS if row.whole]
    assert sorted(row.airflow for row in whole) == ["3.1", "3.2", "3.3"]
    assert {row.python for row in whole} == PYTHONS


def test_the_lowest_and_the_newest_dependencies_run() -> None:
    assert {(row.dependencies, row.pins) for row in ROWS if row.airflow == "3.1"} == {
        ("newest", "airflow-3.1"),
        ("lowest", "lowest"),
    }
    assert {(row.dependencies, row.pins) for row in ROWS if row.airflow == "3.3"} == {("newest", "dev")}


def test_each_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_rows_pins_have_its_airflow(row: Row) -> None:
    assert pins_of(row.pins)["apache-airflow"].startswith(f"{row.airflow}.")


LOWER_BOUNDS = [
    # Not Airflow's own: see requirements/lowest.in.
    *(bound for bound in PROJECT["dependencies"] if not bound.startswith("apache-airflow>=")),
    *(PROJECT["optional-dependencies"][extra][0] for extra in ("amazon", "openlineage")),
    *PROJECT["optional-dependencies"]["sandbox"],
]


@pytest.mark.parametrize("bound", LOWER_BOUNDS)
def test_the_lowest_dependencies_are_those_that_the_package_declares(bound: str) -> None:
    name, version = bound.split(">=")
    numbers = [int(part) for part in pins_of("lowest")[name].split(".")]
    declared = [int(part) for part in version.split(".")]
    # 3.1 and 3.1.0 are the same.
    assert numbers + [0] * (3 - len(numbers)) == declared + [0] * (3 - len(declared))


# --- Interpreters ----------------------------------------------------------------------------------------------------


def an_interpreter(folder: Path, name: str, script: str) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_an_interpreter_is_found_on_the_path_and_shims_that_fail_are_passed_over(tmp_path: Path) -> None:
    an_interpreter(tmp_path / "shims", "python3.12", "echo 'no such command' >&2; exit 127")
    works = an_interpreter(tmp_path / "bin", "python3.12", "echo 3.12")
    an_interpreter(tmp_path / "later", "python3.12", "echo 3.12")
    path = f"{tmp_path / 'shims'}:{tmp_path / 'nowhere'}:{tmp_path / 'bin'}:{tmp_path / 'later'}"
    assert interpreters([], path) == {"3.12": works}


def test_those_that_are_named_come_first_whatever_they_are_called(tmp_path: Path) -> None:
    an_interpreter(tmp_path, "python3.12", "echo 3.12")
    named = an_interpreter(tmp_path, "mine", "echo 3.12")
    assert interpreters([named, str(tmp_path / "missing")], str(tmp_path)) == {"3.12": named}


def test_an_interpreter_is_what_it_says_and_not_what_it_is_called(tmp_path: Path) -> None:
    older = an_interpreter(tmp_path, "python3.12", "echo 3.11")
    assert interpreters([], str(tmp_path)) == {"3.11": older}


# --- What a row came to ----------------------------------------------------------------------------------------------

PASSED = '<testcase name="a"/>'
MODULE = """<testcase><skipped message="collection skipped">('/a.py', 1, 'Skipped: the extra')</skipped></testcase>"""
SKIPPED = '<testcase name="b"><skipped type="pytest.skip" message="Skipped: too old"/></testcase>'
FAILED = '<testcase name="c"><failure message="assert"/></testcase>'
BROKEN = '<testcase name="d"><error message="of the fixture"/></testcase>'


def a_report(folder: Path, *cases: str) -> Path:
    path = folder / "report.xml"
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    return path


@pytest.mark.parametrize(
    ("cases", "report"),
    [
        ((PASSED, PASSED), Report(2, 0, 0)),
        ((PASSED, SKIPPED, SKIPPED), Report(1, 0, 2, {"too old": 2})),
        ((PASSED, MODULE), Report(1, 0, 1, {"the extra": 1})),
        ((PASSED, MODULE.replace("'Skipped: the extra'", '"Skipped: Google\'s"')), Report(1, 0, 1, {"Google's": 1})),
        ((PASSED, FAILED, BROKEN), Report(1, 2, 0)),
        ((), Report(0, 0, 0)),
    ],
)
def test_pytests_report_is_read(tmp_path: Path, cases: tuple[str, ...], report: Report) -> None:
    assert read_report(a_report(tmp_path, *cases)) == report


def test_a_report_that_is_missing_or_broken_off_is_none(tmp_path: Path) -> None:
    assert read_report(tmp_path / "missing.xml") is None
    path = a_report(tmp_path, PASSED)
    path.write_text(path.read_text()[:-5])
    assert read_report(path) is None


ITS_OWN = ("3.2.2", "3.12")


@pytest.mark.parametrize(
    ("versions", "ended", "report", "result"),
    [
        (ITS_OWN, "", Report(10, 0, 2), "passed"),
        (ITS_OWN, "exit code 1", Report(9, 1, 2), "failed: 1 failed"),
        (ITS_OWN, "", Report(9, 1, 2), "failed: 1 failed"),
        (ITS_OWN, "exit code 2", Report(10, 0, 0), "failed: exit code 2"),
        (ITS_OWN, "it took too long", None, "failed: its tests left no report (it took too long)"),
        (ITS_OWN, "", None, "failed: its tests left no report (and no error)"),
        (ITS_OWN, "exit code 5", Report(0, 0, 0), "failed: no test passed (exit code 5)"),
        (ITS_OWN, "", Report(0, 0, 7), "failed: no test passed (and no error)"),
        (("3.3.2", "3.12"), "", Report(10, 0, 2), "failed: it ran on Airflow 3.3.2 and Python 3.12"),
        (("3.2.2", "3.11"), "", Report(10, 0, 2), "failed: it ran on Airflow 3.2.2 and Python 3.11"),
    ],
)
def test_a_row_passes_where_tests_passed_on_its_very_versions_and_none_failed(
    versions: tuple[str, str], ended: str, report: Report | None, result: str
) -> None:
    assert judged(ROW, versions, ended, report).result == result


def test_a_row_without_its_python_is_not_run_and_has_not_passed() -> None:
    outcome = Outcome(ROW)
    assert (outcome.was_run, outcome.result) == (False, "not run: no python3.12")
    assert outcome.cells("2026-01-02") == ["3.2", "3.12", "newest", "all", "not run", "", "", "", ""]


BAD = replace(GOOD, problem="1 failed")
NONE = Outcome(OTHER)


@pytest.mark.parametrize(
    ("outcomes", "strict", "found"),
    [
        ([GOOD], False, []),
        ([GOOD, NONE], False, []),
        ([GOOD, NONE], True, ["3.1-python3.11-lowest: not run: no python3.11"]),
        ([BAD, NONE], False, ["3.2-python3.12-newest: failed: 1 failed"]),
        ([NONE], False, ["3.1-python3.11-lowest: not run: no python3.11"]),
        ([], False, ["No row has that name."]),
    ],
)
def test_a_run_fails_where_a_row_fails_or_none_was_run(outcomes: list[Outcome], strict: bool, found: list[str]) -> None:
    assert faults(outcomes, strict=strict) == found


def test_the_table_for_the_terminal_says_why_tests_were_skipped() -> None:
    said = shown([GOOD, NONE]).splitlines()
    assert said[2].split() == ["3.2.2", "3.12", "newest", "all", "passed", "10", "2", "61"]
    assert said[3].split() == ["3.1", "3.11", "lowest", "unit", "not", "run:", "no", "python3.11"]
    assert said[5:] == ["3.2-python3.12-newest: 2 skipped: too old"]


@pytest.mark.parametrize(
    ("command", "ended"), [("true", ""), ("exit 3", "exit code 3"), ("exec sleep 100", "it took too long")]
)
def test_how_a_command_ended(tmp_path: Path, command: str, ended: str) -> None:
    seconds = 0.1 if "sleep" in command else 60
    assert compat._finished(["sh", "-c", command], tmp_path / "log", {"PATH": "/usr/bin:/bin"}, seconds) == ended


# --- The docs --------------------------------------------------------------------------------------------------------

PAGE = """before
<!-- by dev/compat.py -->
| Airflow | Python | dependencies | tests | result | passed | skipped | seconds | date |
| --- | --- | --- | --- | --- | --: | --: | --: | --- |
| 3.2.1 | 3.12 | newest | all | passed | 9 | 1 | 5 | 2026-01-01 |
| 3.1 | 3.11 | lowest | unit | not run |  |  |  |  |
<!-- end -->
after
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "compatibility.md"
    path.write_text(PAGE)
    monkeypatch.setattr(compat_table, "DOCS", path)
    return path


def test_what_was_seen_replaces_its_own_line_and_no_other(page: Path) -> None:
    put([GOOD, NONE])
    today = written()[0][-1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", today)
    line = "| 3.2.1 | 3.12 | newest | all | passed | 9 | 1 | 5 | 2026-01-01 |"
    assert page.read_text() == PAGE.replace(line, f"| 3.2.2 | 3.12 | newest | all | passed | 10 | 2 | 61 | {today} |")


def test_a_python_that_is_missing_here_takes_nothing_back(page: Path) -> None:
    put([Outcome(ROW), NONE])
    assert page.read_text() == PAGE


@pytest.mark.parametrize(
    ("outcome", "seen"),
    [
        (replace(GOOD, airflow="3.2.1", report=Report(99, 0, 0)), None),
        (Outcome(ROW), None),
        (GOOD, "'3.2.1 3.12 newest all passed', and seen was '3.2.2 3.12 newest all passed'"),
        (BAD, None),
        (Outcome(OTHER, "3.1.0", report=Report(1, 0, 0)), "'3.1 3.11 lowest unit not run', and seen was '3.1.0 3.11"),
        (Outcome(replace(OTHER, python="3.13"), "3.1.0", report=Report(1, 0, 0)), "'nothing', and seen was '3.1.0"),
    ],
)
def test_the_docs_are_compared_by_versions_and_results(page: Path, outcome: Outcome, seen: str | None) -> None:
    said = contradictions([outcome], written())
    assert len(said) == (seen is not None)
    assert all(str(seen) in sentence for sentence in said)


def test_the_docs_have_a_line_for_each_row_and_none_besides() -> None:
    lines = [(".".join(line[0].split(".")[:2]), *line[1:4]) for line in written()]
    assert lines == [(row.airflow, row.python, row.dependencies, row.tests) for row in ROWS]


def test_what_has_failed_is_no_line_of_the_docs(page: Path) -> None:
    put([BAD])
    assert page.read_text() == PAGE


def test_a_line_that_was_run_has_its_numbers_and_has_passed() -> None:
    for line in written():
        assert line[4] in ("passed", compat_table.NOT_RUN)
        assert all(line[5:]) is (line[4] == "passed")


def test_the_docs_name_what_the_command_takes() -> None:
    page = docs("compatibility.md")
    makefile = (ROOT / "Makefile").read_text()
    for name in ("ONLY", "PYTHONS", "STRICT", "WRITE"):
        assert f"`{name}=" in page
        assert f"$(if $({name})," in makefile
