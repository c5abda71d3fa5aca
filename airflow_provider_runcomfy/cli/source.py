"""Whose token a command uses, and at which base URL: what its options name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from airflow_provider_runcomfy.api.settings import Settings, clean_base_url, clean_token
from airflow_provider_runcomfy.parameters import DEFAULT_CONN_ID, TOKEN_VARIABLE


class WrongOptionError(Exception):
    """The options cannot be meant together, or name a file that cannot be read."""


def is_named(conn_id: str | None, token_file: str | None) -> bool:
    """Return whether a token is named, by an option or by the variable."""
    return conn_id is not None or token_file is not None or TOKEN_VARIABLE in os.environ


def settings_named(conn_id: str | None, token_file: str | None, host: str | None) -> tuple[Settings, str]:
    """
    Return base URL and token, and where the token is from; of the default connection where none is named.

    :param conn_id: an Airflow connection.
    :param token_file: the file that has the token; ``-`` is standard input.
    :param host: the base URL, for a token that is not a connection's.
    :raises WrongOptionError: if the options are wrong.
    :raises InvalidSettingsError: if what they name has no token, or no usable base URL.
    """
    of_connection = conn_id is not None or not is_named(conn_id, token_file)
    if conn_id is not None and token_file is not None:
        raise WrongOptionError("--conn-id and --token-file both name a token: give one of them")
    if of_connection and host is not None:
        raise WrongOptionError(f"--host goes with --token-file or {TOKEN_VARIABLE}: a connection has its own host")
    if of_connection:
        return _of_connection(conn_id or DEFAULT_CONN_ID)
    if token_file is None:
        where = f"the variable {TOKEN_VARIABLE}"
        settings = Settings(clean_token(os.environ[TOKEN_VARIABLE], where=where), clean_base_url(host, where="--host"))
        return settings, f"{where}; tasks prefer an Airflow connection {DEFAULT_CONN_ID!r}, see --conn-id"
    where = {"-": "standard input"}.get(token_file, token_file)
    return Settings(clean_token(_read(token_file), where=where), clean_base_url(host, where="--host")), where


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        # Not by its name, which may be a token that was given in its place.
        why = getattr(error, "strerror", None) or type(error).__name__
        raise WrongOptionError(f"The file that --token-file names cannot be read: {why}") from None


def _of_connection(conn_id: str) -> tuple[Settings, str]:
    # As Airflow's own commands do: without it connections of the database are not looked for.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    from airflow.models.connection import Connection

    from airflow_provider_runcomfy.compat import AirflowNotFoundException
    from airflow_provider_runcomfy.hooks.settings import settings_of, settings_without_connection

    try:
        connection = Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        return settings_without_connection(conn_id), f"the variable {TOKEN_VARIABLE}"
    return settings_of(connection), f"the Airflow connection {conn_id!r}"
