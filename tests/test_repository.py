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
    "README.md",
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


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get, on GitHub and in the built documentation."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


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
        workflow = loaded(GITHUB / "workflows" / "ci.yml")
        # YAML reads the key `on` as a boolean.
        assert workflow[True] == {"push": {"branches": ["main"]}, "pull_request": None}
        # The name of the check that a change has to pass: docs/releasing.md.
        [(name, job)] = workflow["jobs"].items()
        assert (name, set(job)) == ("gate", {"runs-on", "timeout-minutes", "steps"})
        checkout, run = job["steps"]
        assert checkout["uses"].startswith("actions/checkout@")
        assert run == {"run": "bash .ci/run"}

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_may_read_the_repository_and_nothing_else(self, path: Path) -> None:
        assert loaded(path)["permissions"] == {"contents": "read"}

    def test_publishes_a_tag_that_fits_and_once_a_maintainer_approves(self) -> None:
        workflow = loaded(GITHUB / "workflows" / "publish.yml")
        build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
        assert workflow[True] == {"push": {"tags": ["v*"]}}
        assert [step["run"] for step in build["steps"] if "run" in step] == [
            'grep -Fqx "__version__ = \\"${GITHUB_REF_NAME#v}\\"" airflow_provider_runcomfy/__init__.py',
            'grep -Eq "^## ${GITHUB_REF_NAME#v} - [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md',
            "make dist",
        ]
        assert [job for job in (build, publish) if {"if", "continue-on-error"} & set(job)] == []
        assert (publish["needs"], publish["environment"]) == ("build", "pypi")
        assert set(publish["steps"][-1]) == {"uses"}

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

    def test_of_the_gate_are_all_of_these(self) -> None:
        assert gate() == [
            "make lint",
            "make docs",
            "make test",
            "make test-ui",
            "make test-floor",
            "make test-stores",
            "make demo",
            "make faults SHORT=1",
        ]
        assert {command.split()[1] for command in gate()} <= targets()

    def test_of_the_gate_end_it_where_one_fails(self) -> None:
        assert "\nset -euo pipefail\n" in text(".ci/run")
        assert re.search(r"^step make .*(\|\||;|&)", text(".ci/run"), re.MULTILINE) is None

    @pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/releasing.md"])
    def test_that_a_page_names_can_be_made(self, page: str) -> None:
        assert set(re.findall(r"`make ([a-z-]+)", text(page))) <= targets()

    def test_are_those_that_contributors_are_told(self) -> None:
        told = {row[0].strip("`").split()[1] for row in rows_of(text("CONTRIBUTING.md"), "command")}
        assert told == targets()

    def test_of_contributors_first_steps_can_be_made(self) -> None:
        [first] = commands("CONTRIBUTING.md")
        assert set(first.split()[1:]) <= targets()


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    links = [(ROOT / page).parent / link for link in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text(page))]
    places = re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", text(page))
    assert [
        f"{link}#{anchor}"
        for link, anchor in places
        if anchor not in anchors((ROOT / page).parent / link if link else ROOT / page)
    ] == []
    named = [ROOT / name for name in re.findall(r"`([\w./-]+)`", text(page)) if "/" in name or name.endswith(_SUFFIXES)]
    assert links + named != []
    assert [str(path) for path in links + named if not path.exists()] == []


class TestForms:
    def test_are_these_and_nothing_is_asked_without_one(self) -> None:
        folder = GITHUB / "ISSUE_TEMPLATE"
        assert sorted(folder.iterdir()) == sorted([*FORMS, folder / "config.yml"])
        assert loaded(folder / "config.yml") == {"blank_issues_enabled": False}

    @pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
    def test_have_what_github_asks_for(self, path: Path) -> None:
        form = loaded(path)
        assert {field["type"] for field in form["body"]} <= {"markdown", "textarea", "input", "dropdown", "checkboxes"}
        fields = [field for field in form["body"] if field["type"] != "markdown"]
        for field in fields:
            if field["type"] == "dropdown":
                options = field["attributes"]["options"]
                assert len(options) == len(set(options)) > 1
                assert [option for option in options if not isinstance(option, str)] == []
        ids = [field["id"] for field in fields]
        assert form["name"]
        assert form["description"]
        assert [field for field in fields if not field["attributes"]["label"]] == []
        assert len(ids) == len(set(ids)) > 0

    def test_of_a_fault_asks_for_what_an_answer_needs(self) -> None:
        fields = [field for field in loaded(FORMS[0])["body"] if field.get("validations", {}).get("required")]
        assert [field["id"] for field in fields] == ["what-happened", "versions", "executor", "log", "money"]
