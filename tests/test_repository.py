"""What the repository tells whoever opens it is so: versions, commands, paths, and what hosted CI runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_runcomfy import __version__
from tests.docs.tables import docs, rows_of

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
FORMS = [GITHUB / "ISSUE_TEMPLATE" / name for name in ("bug.yml", "feature.yml")]
PAGES = [
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
    "docs/releasing.md",
    ".github/PULL_REQUEST_TEMPLATE.md",
]

_SUFFIXES = (".md", ".py", ".toml", ".yml", ".txt")


def text(path: str) -> str:
    return (ROOT / path).read_text()


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def targets() -> set[str]:
    """Return the commands that `make help` lists."""
    return set(re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE))


def gate() -> list[str]:
    """Return what `.ci/run` runs once everything is installed."""
    return re.findall(r"^step (make .*)$", text(".ci/run"), re.MULTILINE)


def commands(page: str) -> list[str]:
    """Return the lines of a page that one may type which begin with make."""
    blocks = re.findall(r"^```\n(.*?)^```$", text(page), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.startswith("make ")]


class TestVersion:
    def test_is_that_of_the_newest_changes(self) -> None:
        assert re.findall(r"^## (\S+) - ", text("CHANGELOG.md"), re.MULTILINE)[0] == __version__

    def test_is_that_of_the_docs(self) -> None:
        assert f"Versions: airflow-provider-runcomfy {__version__}," in docs("commands.md")


class TestHostedCi:
    def test_runs_the_gate_and_nothing_of_its_own(self) -> None:
        [job] = loaded(GITHUB / "workflows" / "ci.yml")["jobs"].values()
        checkout, run = job["steps"]
        assert checkout["uses"].startswith("actions/checkout@")
        assert run == {"run": "bash .ci/run"}

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_may_read_the_repository_and_nothing_else(self, path: Path) -> None:
        assert loaded(path)["permissions"] == {"contents": "read"}

    def test_may_publish_only_where_nothing_is_built(self) -> None:
        jobs = loaded(GITHUB / "workflows" / "publish.yml")["jobs"]
        assert "permissions" not in jobs["build"]
        assert jobs["publish"]["permissions"] == {"id-token": "write"}
        assert [step for step in jobs["publish"]["steps"] if "run" in step] == []

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_names_the_very_commit_of_every_action(self, path: Path) -> None:
        used = re.findall(r"uses: (\S+)", path.read_text())
        assert used != []
        assert [action for action in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []


class TestCommands:
    def test_of_the_readme_are_run_by_the_gate(self) -> None:
        assert commands("README.md") == ["make demo", "make test"]
        assert set(commands("README.md")) <= set(gate())

    def test_of_the_gate_can_be_made(self) -> None:
        assert gate() != []
        assert {command.split()[1] for command in gate()} <= targets()

    def test_are_those_that_contributors_are_told(self) -> None:
        told = {row[0].strip("`").split()[1] for row in rows_of(text("CONTRIBUTING.md"), "command")}
        assert told == targets()

    def test_of_contributors_first_steps_can_be_made(self) -> None:
        [first] = commands("CONTRIBUTING.md")
        assert set(first.split()[1:]) <= targets()


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    links = [(ROOT / page).parent / link for link in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text(page))]
    named = [ROOT / name for name in re.findall(r"`([\w./-]+)`", text(page)) if "/" in name or name.endswith(_SUFFIXES)]
    assert links + named != []
    assert [str(path) for path in links + named if not path.exists()] == []


class TestForms:
    @pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
    def test_have_what_github_asks_for(self, path: Path) -> None:
        form = loaded(path)
        fields = [field for field in form["body"] if field["type"] != "markdown"]
        ids = [field["id"] for field in fields]
        assert form["name"]
        assert form["description"]
        assert [field for field in fields if not field["attributes"]["label"]] == []
        assert len(ids) == len(set(ids)) > 0

    def test_of_a_fault_asks_for_what_an_answer_needs(self) -> None:
        fields = [field for field in loaded(FORMS[0])["body"] if field.get("validations", {}).get("required")]
        assert [field["id"] for field in fields] == ["what-happened", "versions", "executor", "log", "money"]
