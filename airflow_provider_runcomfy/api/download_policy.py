"""What may be downloaded: from where, and how much."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from airflow_provider_runcomfy.api.errors import DownloadRefusedError
from airflow_provider_runcomfy.api.settings import is_loopback

#: The domains that RunComfy's results are served from (documentation, official clients).
DEFAULT_HOSTS = ("runcomfy.net", "runcomfy.com")
#: The largest single file that RunComfy's own command line takes (official client).
DEFAULT_MAX_BYTES = 2 * 1024**3

# Parsers disagree about these: a backslash, white space and control characters.
_AMBIGUOUS = re.compile(r"[\\\x00-\x20\x7f-\xa0]")


@dataclass(frozen=True)
class DownloadPolicy:
    """
    Which URLs a result's file may be fetched from, and how large it may be.

    :param hosts: domains that files may come from by HTTPS; their subdomains are included.
    :param max_bytes: the largest file, in bytes.
    :param allow_loopback_http: whether plain HTTP to a loopback address is allowed too, on any
        port. Only for a connection whose own host is a loopback address: the sandbox.
    """

    hosts: tuple[str, ...] = DEFAULT_HOSTS
    max_bytes: int = DEFAULT_MAX_BYTES
    allow_loopback_http: bool = False

    def check(self, url: str, *, request_id: str | None = None) -> None:
        """
        Refuse a URL that must not be asked for.

        :raises DownloadRefusedError: the URL is not plain, not HTTPS, or not on an allowed host.
        """
        reason = self._reason_against(url)
        if reason is not None:
            raise DownloadRefusedError(
                f"The file {redacted_url(url)} of request {request_id} is not downloaded: {reason}. Nothing was "
                "fetched; the generation itself was paid for. If this host is RunComfy's, add it to `download_hosts` "
                "in the connection's extra.",
                request_id=request_id,
            )

    def _reason_against(self, url: str) -> str | None:
        if _AMBIGUOUS.search(url):
            return "it has characters that a URL cannot have"
        try:
            parts, port = urlsplit(url), urlsplit(url).port
            # What requests connects to is what urllib3 reads, so both must read the same.
            host_as_connected = (parse_url(url).host or "").strip("[]").lower()
        except (ValueError, HTTPError):
            return "it cannot be read as a URL"
        host = parts.hostname or ""
        if "@" in parts.netloc:
            return "it carries a user name"
        if not host or host != host_as_connected:
            return "it names no host"
        if self.allow_loopback_http and is_loopback(host) and parts.scheme in ("http", "https"):
            return None
        if parts.scheme != "https":
            return "only HTTPS is allowed"
        if port not in (None, 443):
            return f"port {port} is not allowed"
        if not any(_is_within(host, domain) for domain in self.hosts):
            return f"only {', '.join(self.hosts)} and their subdomains are allowed"
        return None


def _is_within(host: str, domain: str) -> bool:
    domain = domain.strip(" .").lower()
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def without_query(url: str) -> str:
    """Return ``url`` without user, query and fragment: what a signed URL may show of itself."""
    start, _, _ = url.partition("?")
    start, _, _ = start.partition("#")
    scheme, separator, rest = start.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def redacted_url(url: str) -> str:
    """Return ``url`` as it may stand in a message: no secrets, printable, and not too long."""
    plain = without_query(url).encode("unicode_escape").decode("ascii")
    return plain if len(plain) <= 200 else f"{plain[:200]}..."
