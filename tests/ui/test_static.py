"""What the browser gets: plain files, made without a build step, that turn no text into markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import airflow_provider_runcomfy.ui

STATIC = Path(airflow_provider_runcomfy.ui.__file__).parent / "static"
SCRIPTS = sorted(STATIC.glob("*.js"))
ALL = sorted(STATIC.iterdir())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_or_code_of_text(script: Path) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|srcdoc|\.style\b"
    )
    assert re.findall(forbidden, script.read_text()) == []


@pytest.mark.parametrize("file", ALL, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(file: Path) -> None:
    urls = re.findall(
        r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", re.sub(r"^\s*//.*$", "", file.read_text(), flags=re.MULTILINE)
    )
    assert [url for url in urls if "www.w3.org" not in url] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_import_is_a_file_beside_it(script: Path) -> None:
    for name in re.findall(r'^import .* from "\./(.+)";', script.read_text(), re.MULTILINE):
        assert (STATIC / name).is_file(), name
