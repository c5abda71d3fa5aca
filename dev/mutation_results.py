"""What became of each change that mutmut made: read from its files, and shown."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import ndiff
from enum import Enum
from pathlib import Path


class Status(Enum):
    """What became of a change."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"
    NOT_REACHED = "not reached"
    NOT_RUN = "not run"
    CRASHED = "crashed"

    @property
    def is_noticed(self) -> bool:
        """Whether the tests notice it; one that never ends is noticed, too."""
        return self in (Status.KILLED, Status.TIMED_OUT)


# What a child of mutmut's exits with: pytest's own codes, mutmut's, and signals.
_BY_EXIT_CODE = {
    0: Status.SURVIVED,
    1: Status.KILLED,
    3: Status.KILLED,
    5: Status.NOT_REACHED,
    33: Status.NOT_REACHED,
    36: Status.TIMED_OUT,
    -24: Status.TIMED_OUT,
    24: Status.TIMED_OUT,
    152: Status.TIMED_OUT,
    255: Status.TIMED_OUT,
    None: Status.NOT_RUN,
}


@dataclass(frozen=True, order=True)
class Change:
    """
    A change: in which function of which module which lines became which.

    It has no number: those of mutmut's change with every line above.
    """

    module: str
    function: str
    was: str
    becomes: str


@dataclass(frozen=True)
class Mutant:
    """A change, and what became of it."""

    change: Change
    status: Status


def read_mutants(folder: Path, module: str) -> Iterator[Mutant]:
    """
    Yield all that mutmut made of a module.

    :param folder: the package in mutmut's folder.
    :param module: the module's path within it.
    """
    results = json.loads((folder / f"{module}.meta").read_text())["exit_code_by_key"]
    functions = _functions((folder / module).read_text())
    for key, exit_code in results.items():
        mangled = key.rpartition(".")[2]
        original = functions[f"{mangled.rpartition('__mutmut_')[0]}__mutmut_orig"]
        was, becomes = difference(original, functions[mangled])
        yield Mutant(Change(module, function_name(mangled), was, becomes), _BY_EXIT_CODE.get(exit_code, Status.CRASHED))


def _functions(source: str) -> dict[str, list[str]]:
    """Return each function's lines without its name, by its name."""
    lines = source.splitlines()
    functions = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = lines[node.lineno - 1 : node.end_lineno]
            functions[node.name] = [body[0].replace(node.name, "", 1), *body[1:]]
    return functions


def function_name(mangled: str) -> str:
    """Return the function's own name: of ``x_f__mutmut_1``, or of ``xǁClassǁmethod__mutmut_1``."""
    name = mangled.rpartition("__mutmut_")[0]
    return ".".join(name.split("ǁ")[1:]) if "ǁ" in name else name.removeprefix("x_")


def difference(was: Sequence[str], becomes: Sequence[str]) -> tuple[str, str]:
    """Return the lines that differ, each side on one line."""
    delta = list(ndiff(was, becomes))
    sides = (" ".join(line[2:].strip() for line in delta if line.startswith(sign)) for sign in ("- ", "+ "))
    left, right = sides
    return left, right


def summary(modules: Sequence[str], mutants: Sequence[Mutant]) -> list[str]:
    """Return the table: a line for each module, and one for all."""
    head = f"{'module':28}{'changes':>9}{'killed':>9}{'timed out':>11}{'survived':>10}{'noticed':>10}"
    lines = (_line(module, [mutant for mutant in mutants if mutant.change.module == module]) for module in modules)
    return [head, *lines, _line("all", mutants)]


def _line(name: str, mutants: Sequence[Mutant]) -> str:
    counts = Counter(mutant.status for mutant in mutants)
    noticed = counts[Status.KILLED] + counts[Status.TIMED_OUT]
    share = f"{100 * noticed / len(mutants):.1f} %" if mutants else "-"
    survived = len(mutants) - noticed
    return f"{name:28}{len(mutants):9}{counts[Status.KILLED]:9}{counts[Status.TIMED_OUT]:11}{survived:10}{share:>10}"


def toml_entry(change: Change) -> str:
    """Return a survivor as it stands in the list of those that are explained."""
    fields = {"function": change.function, "was": change.was, "becomes": change.becomes, "why": ""}
    # A JSON string is a basic TOML string, too.
    said = "\n".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items())
    return f'[["{change.module}"]]\n{said}\n'
