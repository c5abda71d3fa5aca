"""The Airflow and the Chromium of the tests that look at the UI; nothing here skips without a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ui.browser import Visit
from tests.ui.stage import Stage, stage


# Started once for all that is looked at.
@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("ui")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "there is no Chromium: install Debian's package chromium, or name another by CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, shown: Stage) -> Iterator[Any]:
    """Return what opens a window at the Airflow in which everybody is an admin."""
    visits: list[Visit] = []

    def open_at(path: str, *, at: str = "", **options: Any) -> Visit:
        visits.append(Visit(chromium, at or shown.airflow.url, **options))
        visits[-1].page.goto(path)
        return visits[-1]

    yield open_at
    for one in visits:
        assert one.errors == []
        # For further ranges of a file a browser names the origin of the tab, and no page of it.
        assert one.told_elsewhere() <= {("referer", f"{one.own}/")}
        one.context.close()
