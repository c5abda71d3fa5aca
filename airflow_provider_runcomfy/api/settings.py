"""Where RunComfy is and with which token: what a connection is turned into before any call."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from airflow_provider_runcomfy.api.errors import InvalidSettingsError

DEFAULT_BASE_URL = "https://model-api.runcomfy.net"
# The balance is RunComfy's older API, on a host of its own (official clients).
_DEFAULT_BALANCE_BASE_URL = "https://api.runcomfy.net"

_HOST = re.compile(r"[\w.:-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Settings:
    """
    A checked base URL and token.

    :param token: the API token, as :func:`clean_token` returns it; not shown by ``repr``.
    :param base_url: scheme, host and port, as :func:`clean_base_url` returns it.
    """

    token: str = field(repr=False)
    base_url: str = DEFAULT_BASE_URL

    @property
    def balance_base_url(self) -> str:
        """Where the balance is asked for: with a host of one's own there too, so that the token goes nowhere else."""
        return _DEFAULT_BALANCE_BASE_URL if self.base_url == DEFAULT_BASE_URL else self.base_url

    @property
    def is_local(self) -> bool:
        """Whether RunComfy is a loopback address, as the sandbox is."""
        return is_loopback(urlsplit(self.base_url).hostname)


def clean_token(text: str | None, *, where: str) -> str:
    """
    Return the token without what people paste with it: white space around it, a leading ``Bearer``.

    :param text: what the user gave.
    :param where: how to name the place it came from in the error, say ``connection 'runcomfy_default'``.
    :raises InvalidSettingsError: if nothing is left, or if it cannot be a token: those hold no white space,
        no colon, nothing outside ASCII (source: official clients).
    """
    token = (text or "").strip()
    for prefix in ("Authorization:", "Bearer "):
        if token.lower().startswith(prefix.lower()):
            token = token[len(prefix) :].strip()
    if not token or token.lower() == "bearer":
        raise InvalidSettingsError(
            f"{where} has no API token. Create one in your RunComfy profile and set it as the connection's password, "
            "or set the environment variable RUNCOMFY_TOKEN. Nothing was sent, nothing was charged."
        )
    if not token.isascii() or not token.isprintable() or any(c in " :" for c in token):
        raise InvalidSettingsError(
            f"{where} has a password that cannot be a RunComfy API token: a token has no white space, no colon and "
            "only ASCII characters. Copy the token alone from your RunComfy profile. "
            "Nothing was sent, nothing was charged."
        )
    return token


def clean_base_url(host: str | None, *, port: int | None = None, scheme: str | None = None, where: str) -> str:
    """
    Return scheme, host and port of where RunComfy is, without a trailing slash.

    :param host: a host or a whole URL; empty means RunComfy's public one.
    :param port: used where ``host`` names none; 0 counts as none (Airflow's form sends it).
    :param scheme: used where ``host`` names none; https by default, http for a loopback address.
    :param where: how to name the place it came from in the error.
    :raises InvalidSettingsError: if it is no URL, has more than scheme, host and port, or would carry the
        token unencrypted to another machine.
    """
    text = (host or "").strip()
    if not text:
        return DEFAULT_BASE_URL
    if "://" not in text:
        text = f"{scheme or _default_scheme(_split(f'//{text}', where))}://{text}"
    parts = _split(text, where)
    _refuse_what_is_not_a_base_url(parts, where)
    name = (parts.hostname or "").lower()
    number = parts.port or port or _DEFAULT_PORTS[parts.scheme]
    if not 0 < number < 1 << 16:
        raise InvalidSettingsError(f"{where} has the port {number}; expected one from 1 to 65535.")
    shown = f"[{name}]" if ":" in name else name
    suffix = "" if number == _DEFAULT_PORTS[parts.scheme] else f":{number}"
    return f"{parts.scheme}://{shown}{suffix}"


def _default_scheme(parts: SplitResult) -> str:
    return "http" if is_loopback(parts.hostname) else "https"


def _split(text: str, where: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        # What exactly is wrong is not said: that would repeat a part of the text, and it may be the token.
        raise InvalidSettingsError(f"{where} has a host that is no URL; expected https://HOST[:PORT].") from None
    return parts


def _refuse_what_is_not_a_base_url(parts: SplitResult, where: str) -> None:
    plain = parts.hostname is not None and _HOST.fullmatch(parts.hostname)
    extra = parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment
    if parts.scheme not in _DEFAULT_PORTS or not plain or extra:
        raise InvalidSettingsError(
            f"{where} has a host that cannot be used: expected https://HOST[:PORT] and no path, user or query; "
            "leave it empty for RunComfy's public API."
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise InvalidSettingsError(
            f"{where} would send the API token unencrypted to {parts.hostname}: "
            "use https; plain http is for loopback addresses (the sandbox) only."
        )


def is_loopback(host: str | None) -> bool:
    """Return whether a host name or address is this machine's loopback; none is not."""
    if host is None:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
