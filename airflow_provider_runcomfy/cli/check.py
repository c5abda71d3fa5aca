"""``check``: whether token, balance and base URL serve."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from airflow_provider_runcomfy import __version__
from airflow_provider_runcomfy.api.diagnosis import Health, diagnose
from airflow_provider_runcomfy.api.errors import InvalidSettingsError
from airflow_provider_runcomfy.cli.exits import BAD, GOOD, NOT_KNOWN, USAGE, complain, say
from airflow_provider_runcomfy.cli.source import WrongOptionError, settings_named

_NOT_KNOWN = (Health.NO_NETWORK, Health.TROUBLE)


def check(conn_id: str | None, token_file: str | None, host: str | None) -> int:
    """
    Say whether RunComfy can be used, and how this Airflow is made up.

    The parameters are those of :func:`~airflow_provider_runcomfy.cli.source.settings_named`.

    :returns: the exit code.
    """
    say(f"Versions: airflow-provider-runcomfy {__version__}, Airflow {_airflow()}, Python {platform.python_version()}")
    try:
        settings, source = settings_named(conn_id, token_file, host)
    except WrongOptionError as error:
        return complain(str(error), USAGE)
    except InvalidSettingsError as error:
        return complain(str(error), BAD)
    say(f"RunComfy: {settings.base_url}")
    say(f"Token: of {source}")
    try:
        diagnosis = diagnose(settings)
    except InvalidSettingsError as error:
        return complain(str(error), BAD)
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
