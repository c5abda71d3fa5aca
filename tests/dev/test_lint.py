"""Whatever checks a change, checks the same: `make lint` and the hooks before a commit."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def lint_commands() -> list[str]:
    """Return the commands of `make lint`."""
    recipe = re.search(r"^lint:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    return [line.replace("$(BIN)", ".venv/bin").strip() for line in recipe[1].splitlines()]


def test_a_commit_is_checked_by_what_make_lint_runs() -> None:
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]

    assert local["repo"] == "local", "a repository from elsewhere would pin its tools a second time"
    assert [hook["entry"] for hook in local["hooks"]] == lint_commands()
    assert {(hook["language"], hook["pass_filenames"]) for hook in local["hooks"]} == {("system", False)}
