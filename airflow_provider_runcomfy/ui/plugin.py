"""The plugin: a tab for each task instance and each Dag run in Airflow's UI, and the app that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from airflow_provider_runcomfy import __version__

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_PREFIX = "/runcomfy"
# The label of the tab, and the name by which the host page finds what draws it.
_NAME = "RunComfy"


class RunComfyApp:
    """The app, imported when it is first asked for: every process of Airflow loads plugins, and one serves pages."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does."""
        from airflow_provider_runcomfy.ui.app import app

        await app(scope, receive, send)


def _tab(destination: str, url_route: str) -> dict[str, Any]:
    static = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/") + f"{_PREFIX}/static"
    return {
        "name": _NAME,
        "bundle_url": f"{static}/tab.js?v={__version__}",
        "icon": f"{static}/icon.svg",
        "icon_dark_mode": f"{static}/icon-dark.svg",
        "destination": destination,
        "url_route": url_route,
    }


class RunComfyPlugin(AirflowPlugin):
    """The page of a result."""

    name = "runcomfy"
    fastapi_apps = [{"app": RunComfyApp(), "url_prefix": _PREFIX, "name": _NAME}]  # noqa: RUF012
    react_apps = [_tab("task_instance", "runcomfy"), _tab("dag_run", "runcomfy-run")]  # noqa: RUF012
