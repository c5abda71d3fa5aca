"""Proxies and certificate authorities of the environment, read the same way for both transports."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy

from airflow_provider_runcomfy.api.errors import InvalidSettingsError
from airflow_provider_runcomfy.api.settings import is_loopback

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXY_SCHEMES = ("http", "https")


def ca_bundle() -> str:
    """Return the file or folder of certificate authorities: the environment's, else the one of requests."""
    for name in _CA_VARIABLES:
        path = os.environ.get(name)
        if path and os.path.exists(path):  # noqa: PTH110 - a Path raises where one may not look
            return path
    return str(DEFAULT_CA_BUNDLE_PATH)


def proxy_for(url: str) -> str | None:
    """
    Return the proxy that the environment sets for ``url``; None for a direct connection.

    Loopback addresses are always reached directly: no proxy can lead to them, and one would get the token unencrypted.

    :raises InvalidSettingsError: for a kind of proxy that only one of the two transports knows, and for what is none.
    """
    host = urlsplit(url).hostname
    proxy = None if is_loopback(host) else select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if not _is_usable(proxy):
        # Not shown: it may hold a password.
        raise InvalidSettingsError(
            f"The environment sets a proxy for {host} that cannot be used: expected http://HOST[:PORT] or "
            "https://HOST[:PORT]. Set HTTPS_PROXY so, or add the host to NO_PROXY. "
            "Nothing was sent, nothing was charged."
        )
    return proxy


def proxies_for(url: str) -> dict[str, str]:
    """Return :func:`proxy_for` as requests takes it."""
    proxy = proxy_for(url)
    return {"http": proxy, "https": proxy} if proxy else {}


def _is_usable(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in _PROXY_SCHEMES and bool(parts.hostname) and " " not in parts.netloc
