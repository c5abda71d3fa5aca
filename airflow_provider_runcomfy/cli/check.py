"""``check``: whether token, balance and base URL serve."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from airflow_provider_runcomfy import __version__
from airflow_provider_runcomfy.api.diagnosis import Health, diagnose
from airflow_provider_runcomfy.api.errors import InvalidSettingsError
from airflow_provider_runcomfy.api.settings import Settings, clean_base_url, clean_token
from airflow_provider_runcomfy.cli.exits import BAD, GOOD, NOT_KNOWN, USAGE, complain, say
from airflow_provider_runcomfy.parameters import DEFAULT_CONN_ID, TOKEN_VARIABLE

_NOT_KNOWN = (Health.NO_NETWORK, Health.TROUBLE)


def check(conn_id: str | None, token_file: str | None, host: str | None) -> int:
    """
    Say whether RunComfy can be used, and how this Airflow is made up.

    :param conn_id: the Airflow connection to check.
    :param token_file: the file that has the token; ``-`` is standard input.
    :param host: the base URL, for a token that is not a connection's.
    :returns: the exit code.
    """
    of_connection = conn_id is not None or (token_file is None and TOKEN_VARIABLE not in os.environ)
    if conn_id is not None and token_file is not None:
        return complain("--conn-id and --token-file both name a token: give one of them", USAGE)
    if of_connection and host is not None:
        return complain(f"--host goes with --token-file or {TOKEN_VARIABLE}: a connection has its own host", USAGE)
    say(f"Versions: airflow-provider-runcomfy {__version__}, Airflow {_airflow()}, Python {platform.python_version()}")
    try:
        settings, source = _settings(conn_id, token_file, host)
    except InvalidSettingsError as error:
        return complain(str(error), BAD)
    except (OSError, UnicodeDecodeError) as error:
        # Not by its name, which may be a token that was given in its place.
        return complain(f"The file that --token-file names cannot be read: {_in_words(error)}", USAGE)
    say(f"RunComfy: {settings.base_url}")
    say(f"Token: of {source}")
    diagnosis = diagnose(settings)
    if diagnosis.balance is not None:
        say(f"Balance: {diagnosis.balance.usd:.2f} {diagnosis.balance.currency}")
    if diagnosis.health is Health.GOOD:
        say("All is well.")
        return GOOD
    return complain(diagnosis.message, NOT_KNOWN if diagnosis.health in _NOT_KNOWN else BAD)


def _airflow() -> str:
    try:
        return version("apache-airflow-core")
    except PackageNotFoundError:
        return "not installed"


def _settings(conn_id: str | None, file: str | None, host: str | None) -> tuple[Settings, str]:
    """Return base URL and token, and where the token is from."""
    if file is not None:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        where = "standard input" if file == "-" else file
        return Settings(clean_token(text, where=where), clean_base_url(host, where="--host")), where
    if conn_id is None and TOKEN_VARIABLE in os.environ:
        where = f"the variable {TOKEN_VARIABLE}"
        settings = Settings(clean_token(os.environ[TOKEN_VARIABLE], where=where), clean_base_url(host, where="--host"))
        return settings, f"{where}; tasks prefer an Airflow connection {DEFAULT_CONN_ID!r}, see --conn-id"
    return _settings_of_connection(conn_id or DEFAULT_CONN_ID)


def _settings_of_connection(conn_id: str) -> tuple[Settings, str]:
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


def _in_words(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
