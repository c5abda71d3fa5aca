"""
Run mutmut with the operators that ``make mutation`` uses; takes mutmut's own arguments, in its working copy.

All of mutmut's but one: of texts only those without a space are changed, once. They are names, keys and words of the
API. How a sentence is worded is no behaviour, and a test of each would be in the way of a better one. Beside what mutmut
changes by itself, the methods of dataclasses are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation import mutators
from mutmut.mutation.file_mutation import MutationVisitor


def change_name(node: cst.BaseString) -> Iterable[cst.BaseString]:
    """Yield one other text for a text that is no sentence."""
    if isinstance(node, cst.SimpleString) and " " not in node.value:
        yield from list(mutators.operator_string(node))[:1]


def choose_operators() -> None:
    """Put :func:`change_name` in the place of mutmut's operator for texts."""
    chosen = [
        (kind, change_name if operator is mutators.operator_string else operator)
        for kind, operator in mutators.mutation_operators
    ]
    if chosen == mutators.mutation_operators:
        raise RuntimeError("this mutmut has another operator for texts")
    mutators.mutation_operators[:] = chosen


def include_dataclasses() -> None:
    """Let mutmut change the methods of dataclasses: it leaves all classes with a decorator alone."""
    skips = MutationVisitor._skip_node_and_children

    def skip(visitor: MutationVisitor, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.ClassDef) and all(is_dataclass(decorator) for decorator in node.decorators):
            node = node.with_changes(decorators=[])
        return bool(skips(visitor, node))

    MutationVisitor._skip_node_and_children = skip


def is_dataclass(decorator: cst.Decorator) -> bool:
    """Return whether it is ``@dataclass`` or ``@dataclass(...)``."""
    named = decorator.decorator
    called = named.func if isinstance(named, cst.Call) else named
    return isinstance(called, cst.Name) and called.value == "dataclass"


if __name__ == "__main__":
    choose_operators()
    include_dataclasses()
    sys.exit(cli())
