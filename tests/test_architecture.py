"""The package's imports are those of the table in `docs/architecture.md`, all of them, and they point one way."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.docs.tables import docs, rows_of

PACKAGE = Path(__file__).parents[1] / "airflow_provider_runcomfy"
#: The package itself, whose one module `__init__.py` has the version: everybody may import that.
ROOT = "the package"
AIRFLOW = "Airflow"


@dataclass
class Imports:
    """
    What is imported.

    :param run: at run time, at the top of a module or in a function.
    :param types: for types alone, which loads nothing.
    """

    run: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        named = [name if name == AIRFLOW else f"`{name}`" for name in sorted(self.run)]
        named += [f"({name if name == AIRFLOW else f'`{name}`'})" for name in sorted(self.types)]
        return ", ".join(named) or "nothing"


class Finder(ast.NodeVisitor):
    """Finds the modules that a module imports, wherever in it."""

    def __init__(self) -> None:
        self.run: set[str] = set()
        self.types: set[str] = set()
        self._found = self.run

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)
            return None
        self._found = self.types
        self._visit_all(node.body)
        self._found = self.run
        return self._visit_all(node.orelse)

    def visit_Import(self, node: ast.Import) -> None:
        self._found.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, f"line {node.lineno}: this package imports by full names"
        # What is taken from the package itself are modules of it, as far as this can tell.
        self._found.update(f"{node.module}.{alias.name}" for alias in node.names)

    def visit_Call(self, node: ast.Call) -> None:
        by_name = ast.unparse(node.func).endswith(("import_module", "__import__"))
        self._found.update(
            part.value
            for part in node.args
            if by_name and isinstance(part, ast.Constant) and isinstance(part.value, str)
        )
        self.generic_visit(node)

    def _visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


def found_in(source: str) -> tuple[set[str], set[str]]:
    """Return the rooms that a module imports at run time, and those that it imports for types."""
    finder = Finder()
    finder.visit(ast.parse(source))
    return set(_rooms(finder.run)), set(_rooms(finder.types))


def _rooms(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        first, *rest = name.split(".")
        if first == "airflow":
            yield AIRFLOW
        elif first == PACKAGE.name:
            yield rest[0] if rest and rest[0] != "__version__" else ROOT


def room_of(path: Path) -> str:
    """Return the room that a module of the package is in: its folder, or itself."""
    first = path.relative_to(PACKAGE).parts[0]
    return ROOT if first == "__init__.py" else first.removesuffix(".py")


def rooms_in_the_code() -> dict[str, Imports]:
    """Return what each room imports of other rooms and of Airflow."""
    rooms: dict[str, Imports] = {}
    for path in PACKAGE.rglob("*.py"):
        room = rooms.setdefault(room_of(path), Imports())
        run, types = found_in(path.read_text())
        room.run |= run
        room.types |= types
    for name, room in rooms.items():
        room.run -= {name, ROOT}
        room.types -= {name, ROOT} | room.run
    return rooms


def rooms_in_the_docs() -> dict[str, Imports]:
    """Return the same as the table has it, in its order."""
    rooms = {}
    for name, _, told in rows_of(docs("architecture.md"), "room"):
        imports = Imports()
        for each in [] if told == "nothing" else told.split(", "):
            kept = imports.types if each.startswith("(") else imports.run
            kept.add(each.strip("()`"))
        rooms[name.strip("`").removesuffix("/").removesuffix(".py")] = imports
    return rooms


CODE, DOCS = rooms_in_the_code(), rooms_in_the_docs()


def test_the_table_has_every_room_and_no_other() -> None:
    assert sorted(DOCS) == sorted(CODE.keys() - {ROOT})


@pytest.mark.parametrize("room", DOCS)
def test_a_room_imports_what_the_table_says(room: str) -> None:
    assert str(CODE[room]) == str(DOCS[room])


@pytest.mark.parametrize("room", DOCS)
def test_a_room_imports_only_what_stands_below_it(room: str) -> None:
    rows = list(DOCS)
    below = {AIRFLOW, *rows[rows.index(room) + 1 :]}

    assert (DOCS[room].run | DOCS[room].types) - below == set()


@pytest.mark.parametrize("room", ["api", "record", "ledger", "order", "sandbox"])
def test_without_airflow_works(room: str) -> None:
    reached, next_ones = set(), {room}
    while next_ones:
        reached |= next_ones
        next_ones = {name for one in next_ones - {AIRFLOW} for name in DOCS[one].run} - reached

    assert AIRFLOW not in reached


def test_the_package_itself_imports_nothing() -> None:
    assert CODE[ROOT] == Imports()


def test_every_module_that_the_page_names_is_there() -> None:
    repository = PACKAGE.parent
    named = set(re.findall(r"[\w./*-]+\.py\b", docs("architecture.md")))

    assert sorted(name for name in named if not (any(PACKAGE.rglob(name)) or any(repository.glob(name)))) == []


@pytest.mark.parametrize(
    ("source", "run", "types"),
    [
        pytest.param("import json", set(), set(), id="of Python"),
        pytest.param("import airflow.sdk", {AIRFLOW}, set(), id="of Airflow"),
        pytest.param("import airflow_provider_runcomfy.api.wire as w", {"api"}, set(), id="a module"),
        pytest.param("from airflow_provider_runcomfy.record import Record", {"record"}, set(), id="a name"),
        pytest.param("from airflow_provider_runcomfy import failures", {"failures"}, set(), id="a room"),
        pytest.param("from airflow_provider_runcomfy import __version__", {ROOT}, set(), id="the version"),
        pytest.param("def f():\n    from airflow_provider_runcomfy.ui import app", {"ui"}, set(), id="in a function"),
        pytest.param("try:\n    import airflow\nexcept E:\n    import airflow_provider_runcomfy.ui", {AIRFLOW, "ui"},
                     set(), id="in a try"),
        pytest.param("importlib.import_module('airflow_provider_runcomfy.ui.app')", {"ui"}, set(), id="by name"),
        pytest.param("__import__('airflow')", {AIRFLOW}, set(), id="by name, as Python does"),
        pytest.param("if TYPE_CHECKING:\n    import airflow.sdk", set(), {AIRFLOW}, id="for types"),
        pytest.param("if typing.TYPE_CHECKING:\n    import airflow\nelse:\n    import airflow_provider_runcomfy.ui",
                     {"ui"}, {AIRFLOW}, id="for types, or else"),
        pytest.param("if TYPE_CHECKING:\n    import airflow\nimport airflow_provider_runcomfy.ui", {"ui"}, {AIRFLOW},
                     id="after those for types"),
    ],
)  # fmt: skip
def test_an_import_is_found(source: str, run: set[str], types: set[str]) -> None:
    assert found_in(source) == (run, types)
