"""Where a browser may be sent: never to Airflow's own host name, to which it would send Airflow's session cookie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_runcomfy.api.settings import is_loopback

if TYPE_CHECKING:
    from starlette.requests import Request

# Cookies belong to a host name, whatever the port; these two name the same machine, and share none.
_NUMBER, _NAME = "127.0.0.1", "localhost"


@dataclass(frozen=True)
class OwnHosts:
    """The host names by which browsers reach this Airflow."""

    names: frozenset[str]

    @classmethod
    def of(cls, request: Request, base_url: str) -> OwnHosts:
        """
        Return the names by which the browser that asks may have reached it.

        :param base_url: Airflow's `[api] base_url`; empty if it is not set.
        """
        # A proxy in between may say which name it was asked for.
        forwarded = request.headers.get("x-forwarded-host", "").split(",")
        urls = [base_url, *(f"//{host.strip()}" for host in (request.headers.get("host", ""), *forwarded))]
        return cls(frozenset(host for url in urls if (host := _host(url))))

    @property
    def are_local(self) -> bool:
        """Whether it is reached on the browser's own machine only."""
        return bool(self.names) and all(is_loopback(name) for name in self.names)

    def would_get_cookies(self, url: str) -> bool:
        """Return whether a browser would send Airflow's cookies along with a call of ``url``."""
        return _host(url) in self.names

    def without_cookies(self, url: str) -> str | None:
        """
        Return ``url`` as it may be called without Airflow's cookies; None if there is no such way.

        A loopback address is called by its other name.
        """
        if not self.would_get_cookies(url):
            return url
        parts = urlsplit(url)
        if not is_loopback(parts.hostname or ""):
            return None
        other = next((name for name in (_NAME, _NUMBER) if name not in self.names), None)
        if other is None:
            return None
        port = "" if parts.port is None else f":{parts.port}"
        return parts._replace(netloc=f"{other}{port}").geturl()


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
