"""A window of a real Chromium at Airflow's UI."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.ui.stage import PASSWORDS

# A busy machine takes its time; what is not there by then is a fault.
_PATIENCE_MS = 60_000
_WIDE = {"width": 1440, "height": 900}


class Visit:
    """One window, and what went wrong in it."""

    def __init__(self, browser: Any, base_url: str, **options: Any) -> None:
        self.context = browser.new_context(base_url=base_url, viewport=_WIDE, **options)
        self.context.set_default_timeout(_PATIENCE_MS)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self._elsewhere: list[Any] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self._note(line.text))
        self.page.on("response", lambda response: self._note_request(response.request))
        self.own = base_url

    def _note(self, text: str) -> None:
        if "Content Security Policy" in text or "Component failed" in text:
            self.errors.append(text)

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith(self.own):
            self._elsewhere.append(request)

    def told_elsewhere(self) -> set[tuple[str, str]]:
        """Return what of Airflow's went to any other address: credentials, and which page it was."""
        headers = [request.all_headers() for request in self._elsewhere]
        named = ("cookie", "authorization", "referer")
        return {(name, sent[name]) for sent in headers for name in named if name in sent}

    def card(self, request_id: str) -> Any:
        return self.page.locator(f"article[data-request='{request_id}']")

    def sign_in(self, user: str) -> None:
        """Sign in where one was sent to do so."""
        self.page.get_by_label("Username").fill(user)
        self.page.get_by_label("Password").fill(PASSWORDS[user])
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: "login" not in url)


def keep(window: Visit, name: str) -> None:
    """Keep a picture of the window, where SCREENSHOTS names a folder for it."""
    if folder := os.environ.get("SCREENSHOTS"):
        window.page.screenshot(path=Path(folder, f"{name}.png"))
