"""
Run mutmut as ``make mutation`` uses it; takes mutmut's own arguments, in its working copy.

Its operators are used but one: of texts only those without a space are changed, once. They are names, keys and words of
the API. How a sentence is worded is no behaviour, and a test of each would be in the way of a better one. Beside what
mutmut changes by itself, the methods of dataclasses are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation import mutators
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.runners.harness import PytestRunner
from mutmut.utils.file_utils import change_cwd


def change_name(node: cst.BaseString) -> Iterable[cst.BaseString]:
    """Yield one other text for a text that is no sentence."""
    if isinstance(node, cst.SimpleString) and " " not in node.value:
        yield from list(mutators.operator_string(node))[:1]


def choose_operators() -> None:
    """Put :func:`change_name` in the place of mutmut's operator for texts."""
    operators: Any = mutators.mutation_operators
    chosen = [(kind, change_name if operator is mutators.operator_string else operator) for kind, operator in operators]
    if chosen == operators:
        raise RuntimeError("this mutmut has another operator for texts")
    operators[:] = chosen


def include_dataclasses() -> None:
    """Let mutmut change the methods of dataclasses: it leaves all classes with a decorator alone."""
    skips = MutationVisitor._skip_node_and_children

    def skip(visitor: MutationVisitor, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.ClassDef) and all(is_dataclass(decorator) for decorator in node.decorators):
            node = node.with_changes(decorators=[])
        return bool(skips(visitor, node))

    setattr(MutationVisitor, skips.__name__, skip)


def is_dataclass(decorator: cst.Decorator) -> bool:
    """Return whether it is ``@dataclass`` or ``@dataclass(...)``."""
    named = decorator.decorator
    called = named.func if isinstance(named, cst.Call) else named
    return isinstance(called, cst.Name) and called.value == "dataclass"


class Chosen:
    """A plugin of pytest that runs these tests only, in this order."""

    def __init__(self, tests: Iterable[str]) -> None:
        self._places = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Choose from what was collected."""
        items[:] = sorted(
            (item for item in items if item.nodeid in self._places), key=lambda item: self._places[item.nodeid]
        )


def run_tests(runner: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
    """Run tests by the files that they are in: not each id of a parametrised test is one on pytest's command line."""
    tests = list(tests)
    files = sorted({test.partition("::")[0] for test in tests})
    with change_cwd("mutants"):
        plugins = [Chosen(tests)] if tests else []
        return int(runner.execute_pytest(runner._pytest_args_regular_run(files), plugins=plugins))


if __name__ == "__main__":
    choose_operators()
    include_dataclasses()
    setattr(PytestRunner, "run_tests", run_tests)  # noqa: B010 - mypy knows the method
    sys.exit(cli())
