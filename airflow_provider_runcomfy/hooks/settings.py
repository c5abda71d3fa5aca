"""Turn an Airflow connection into what the clients need; the same for workers and triggerers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.api.download_policy import DEFAULT_HOSTS, DEFAULT_MAX_BYTES, DownloadPolicy
from airflow_provider_runcomfy.api.errors import InvalidSettingsError
from airflow_provider_runcomfy.api.settings import Settings, clean_base_url, clean_token
from airflow_provider_runcomfy.parameters import DEFAULT_CONN_ID, TOKEN_VARIABLE

if TYPE_CHECKING:
    from airflow.sdk import Connection


def settings_of(conn: Connection) -> Settings:
    """
    Return base URL and token of a connection.

    :raises InvalidSettingsError: if it cannot be used.
    """
    where = f"Connection {conn.conn_id!r}"
    return Settings(
        token=clean_token(conn.password, where=where),
        base_url=clean_base_url(conn.host, port=conn.port, scheme=conn.schema, where=where),
    )


def settings_without_connection(conn_id: str) -> Settings:
    """
    Return the settings for a connection that does not exist: ``RUNCOMFY_TOKEN`` is enough for the default one.

    :raises InvalidSettingsError: if it is another one, or the variable is not set.
    """
    if conn_id == DEFAULT_CONN_ID and TOKEN_VARIABLE in os.environ:
        where = f"The environment variable {TOKEN_VARIABLE}"
        return Settings(token=clean_token(os.environ[TOKEN_VARIABLE], where=where))
    also = f", or set the environment variable {TOKEN_VARIABLE}" if conn_id == DEFAULT_CONN_ID else ""
    raise InvalidSettingsError(
        f"There is no Airflow connection {conn_id!r}. Add one of type 'runcomfy' with the API token as its password"
        f"{also}. Nothing was sent, nothing was charged."
    )


def download_policy_of(conn: Connection | None, settings: Settings) -> DownloadPolicy:
    """
    Return from where, and how much, the transfers may download.

    :raises InvalidSettingsError: if the connection's extra has them wrong.
    """
    extra: Any = conn.extra_dejson if conn else {}
    where = f"Connection {conn.conn_id!r}" if conn else ""
    if not isinstance(extra, Mapping):
        raise InvalidSettingsError(f"{where}: the extra must be a JSON object.")
    return DownloadPolicy(
        hosts=_hosts(extra.get("download_hosts"), where),
        max_bytes=_max_bytes(extra.get("max_download_bytes"), where),
        allow_loopback_http=settings.is_local,
    )


def _hosts(value: Any, where: str) -> tuple[str, ...]:
    if value is None or value == "":
        return DEFAULT_HOSTS
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip(" .") for name in names):
        raise InvalidSettingsError(f"{where}: the extra 'download_hosts' must be a list of domains.")
    return tuple(name.strip(" .").lower() for name in names)


def _max_bytes(value: Any, where: str) -> int:
    if value is None or value == "":
        return DEFAULT_MAX_BYTES
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = 0
    if number <= 0 or isinstance(value, bool):
        raise InvalidSettingsError(f"{where}: the extra 'max_download_bytes' must be a number of bytes above 0.")
    return number
