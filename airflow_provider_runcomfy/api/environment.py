"""Proxies and certificate authorities of the environment, read the same way for both transports."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy

from airflow_provider_runcomfy.api.errors import InvalidSettingsError

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXY_SCHEMES = ("http", "https")


def ca_bundle() -> str:
    """Return the file or folder of certificate authorities: the environment's, else the one of requests."""
    for name in _CA_VARIABLES:
        path = os.environ.get(name)
        if path and os.path.exists(path):
            return path
    return str(DEFAULT_CA_BUNDLE_PATH)


def proxy_for(url: str) -> str | None:
    """
    Return the proxy that the environment sets for ``url``; None for a direct connection.

    :raises InvalidSettingsError: for a kind of proxy that only one of the two transports knows.
    """
    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    scheme = urlsplit(proxy).scheme
    if scheme not in _PROXY_SCHEMES:
        raise InvalidSettingsError(
            f"The environment sets a {scheme} proxy for {urlsplit(url).hostname}; only http and https proxies can be "
            "used. Set HTTPS_PROXY to one, or add the host to NO_PROXY."
        )
    return proxy
