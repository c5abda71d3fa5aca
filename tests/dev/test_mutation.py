"""What `make mutation` makes of mutmut's files and of the list of explained survivors."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from dev import mutation
from dev.mutation_results import Change, Mutant, Status, difference, function_name, read_mutants, summary, toml_entry

MUTATED = '''
def x_f__mutmut_orig(a):
    """Say."""
    return (
        a > 1
    )


def x_f__mutmut_1(a):
    """Say."""
    return (
        a >= 1
    )


class C:
    async def xǁCǁm__mutmut_orig(self, a):
        return a

    async def xǁCǁm__mutmut_1(self, a):
        return None
'''
RESULTS = {"package.ledger.x_f__mutmut_1": 0, "package.ledger.xǁCǁm__mutmut_1": 1}
F = Change("ledger.py", "f", "a > 1", "a >= 1")
M = Change("ledger.py", "C.m", "return a", "return None")


def test_a_change_is_read_with_its_function_and_its_lines(tmp_path: Path) -> None:
    (tmp_path / "ledger.py").write_text(MUTATED)
    (tmp_path / "ledger.py.meta").write_text(json.dumps({"exit_code_by_key": RESULTS}))
    assert [*read_mutants(tmp_path, "ledger.py")] == [Mutant(F, Status.SURVIVED), Mutant(M, Status.KILLED)]


@pytest.mark.parametrize(
    ("exit_code", "status"),
    [(0, Status.SURVIVED), (1, Status.KILLED), (33, Status.NOT_REACHED), (36, Status.TIMED_OUT), (-11, Status.CRASHED),
     (None, Status.NOT_RUN)],
)  # fmt: skip
def test_what_became_of_a_change(tmp_path: Path, exit_code: int | None, status: Status) -> None:
    (tmp_path / "ledger.py").write_text(MUTATED)
    results = {"exit_code_by_key": {"package.ledger.x_f__mutmut_1": exit_code}}
    (tmp_path / "ledger.py.meta").write_text(json.dumps(results))
    [mutant] = read_mutants(tmp_path, "ledger.py")
    assert mutant.status is status
    assert status.is_noticed is (status in (Status.KILLED, Status.TIMED_OUT))


@pytest.mark.parametrize(
    ("mangled", "name"),
    [("x_f__mutmut_12", "f"), ("x__decide__mutmut_1", "_decide"), ("xǁPollerǁ__init____mutmut_3", "Poller.__init__")],
)
def test_a_function_has_its_own_name(mangled: str, name: str) -> None:
    assert function_name(mangled) == name


def test_lines_that_differ_are_joined() -> None:
    assert difference(["f(", "    a,", "    b,", ")"], ["f(", "    a,", "    )"]) == ("b, )", ")")


def test_the_table_counts_by_module() -> None:
    mutants = [Mutant(F, Status.SURVIVED), Mutant(M, Status.KILLED), Mutant(M, Status.TIMED_OUT)]
    head, ledger, other, everything = summary(["ledger.py", "api/polling.py"], mutants)
    assert head.split() == ["module", "changes", "killed", "timed", "out", "survived", "noticed"]
    assert ledger.split() == ["ledger.py", "3", "1", "1", "1", "66.7", "%"]
    assert other.split() == ["api/polling.py", "0", "0", "0", "0", "-"]
    assert everything.split() == ["all", "3", "1", "1", "1", "66.7", "%"]


def test_an_entry_can_be_pasted_into_the_list() -> None:
    change = Change("ledger.py", "f", 'say("ü\\n")', "say(None)")
    [entry] = tomllib.loads(toml_entry(change))["ledger.py"]
    assert entry == {"function": "f", "was": 'say("ü\\n")', "becomes": "say(None)", "why": ""}


@pytest.mark.parametrize(
    ("killed", "explained", "says"),
    [
        pytest.param(9, {F}, [], id="enough, and explained"),
        pytest.param(8, {F}, ["only 8 of 9 were killed; 90 % are asked for"], id="too few"),
        pytest.param(9, set(), [f"not explained in tests/mutants.toml:\n{toml_entry(F)}"], id="not explained"),
        pytest.param(9, {F, M}, [f"explained, and did not survive:\n{toml_entry(M)}"], id="an explanation too many"),
    ],
)
def test_faults(killed: int, explained: set[Change], says: list[str]) -> None:
    mutants = [Mutant(F, Status.SURVIVED), *[Mutant(M, Status.KILLED)] * killed]
    assert mutation.faults(mutants, explained) == says


def test_what_is_explained_is_there_and_has_a_reason() -> None:
    modules = mutation.all_modules()
    assert modules[:3] == ["ledger.py", "submission.py", "api/aio.py"]
    listed = tomllib.loads(mutation.EXPLAINED.read_text())
    assert listed.keys() <= set(modules)
    for change in mutation.explained_changes(modules):
        source = Path(mutation.PACKAGE, change.module).read_text()
        assert f"def {change.function.rpartition('.')[2]}(" in source
