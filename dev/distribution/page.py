"""The registry's page: the description as the registry renders it, where no files lie beside it."""

from __future__ import annotations

from html.parser import HTMLParser

from readme_renderer import markdown


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src"):
                self.targets.append(value or "")
            if name == "id":
                self.ids.add(value or "")


def page_faults(description: str) -> list[str]:
    """Return what would be broken on the registry's page: what does not render, and what leads nowhere."""
    html = markdown.render(description)
    if not html:
        return ["the registry cannot render the description"]
    links = _Links()
    links.feed(html)
    return [
        f"the description leads to {target!r}, which the registry's page has not"
        for target in links.targets
        if not target.startswith("https://") and not (target.startswith("#") and target[1:] in links.ids)
    ]
