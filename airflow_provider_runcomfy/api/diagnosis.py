"""Whether a base URL and a token serve: what is wrong with them, in a sentence that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_runcomfy.api import wire
from airflow_provider_runcomfy.api.client import RunComfyClient
from airflow_provider_runcomfy.api.errors import (
    AuthenticationError,
    ForbiddenError,
    InsufficientBalanceError,
    NotFoundError,
    RefusedError,
    RunComfyError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.payload import Answer, read_quietly
from airflow_provider_runcomfy.api.refusals import reason
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.api.types import Balance

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
# A request that nobody has submitted: RunComfy's own "there is none" shows that it is RunComfy which answers.
_NO_REQUEST = "connection-test"


class Health(StrEnum):
    """What is wrong with a base URL and a token; each has another cure."""

    GOOD = "good"
    BAD_TOKEN = "bad_token"  # noqa: S105 - a word, not a token
    NO_BALANCE = "no_balance"
    NO_NETWORK = "no_network"
    WRONG_HOST = "wrong_host"
    #: RunComfy, or a gateway in front of it, answers that it cannot serve now.
    TROUBLE = "trouble"


@dataclass(frozen=True)
class Diagnosis:
    """
    What a look at RunComfy has shown.

    :param message: what was found, and what to do about it; never with the token in it.
    :param balance: what is left on the account, where that is known.
    """

    health: Health
    message: str
    balance: Balance | None = None


class _FoundError(Exception):
    """What is wrong was found."""

    def __init__(self, health: Health, message: str) -> None:
        super().__init__(message)
        self.diagnosis = Diagnosis(health, message)


def diagnose(settings: Settings) -> Diagnosis:
    """
    Ask RunComfy for the balance and for a request that does not exist; free of charge, and each once.

    Both, since RunComfy keeps the balance on a host of its own: that one may be reached while the other may not.
    """
    try:
        with RunComfyClient(settings, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS) as client:
            balance = _ask_for_balance(client, settings)
            _ask_for_request(client, settings)
    except _FoundError as found:
        return found.diagnosis
    left = f"{balance.usd:.2f} {balance.currency}"
    if balance.usd <= 0:
        return Diagnosis(
            Health.NO_BALANCE,
            f"{settings.base_url} accepts the API token, but nothing is left on the account (balance {left}): RunComfy "
            "refuses every submit until you add funds to it.",
            balance,
        )
    return Diagnosis(Health.GOOD, f"Connected to {settings.base_url}; balance {left}", balance)


def _ask_for_balance(client: RunComfyClient, settings: Settings) -> Balance:
    call = wire.balance_call(settings)
    answer = _ask(client, call, settings.balance_base_url, settings)
    try:
        return wire.parse_balance(call, answer)
    except InsufficientBalanceError:
        raise _FoundError(
            Health.NO_BALANCE,
            f"{settings.base_url} says that nothing is left on the account (HTTP {answer.status}): RunComfy refuses "
            "every submit until you add funds to it.",
        ) from None
    except RunComfyError as error:
        raise _found(error, answer, settings.balance_base_url) from None


def _ask_for_request(client: RunComfyClient, settings: Settings) -> None:
    call = wire.status_call(settings, _NO_REQUEST)
    answer = _ask(client, call, settings.base_url, settings)
    try:
        wire.parse_status(call, answer)
    except (NotFoundError, ForbiddenError):
        return
    except RunComfyError as error:
        if not (isinstance(error, RefusedError) and error.error_code):
            raise _found(error, answer, settings.base_url) from None


def _ask(client: RunComfyClient, call: wire.Call, url: str, settings: Settings) -> Answer:
    try:
        return client.ask(call)
    except UnavailableError as error:
        cure = (
            "Start the sandbox (python -m airflow_provider_runcomfy.sandbox), or correct the base URL; in a container "
            "127.0.0.1 is the container itself."
            if settings.is_local
            else "Check the base URL, and DNS, proxy (HTTPS_PROXY) and firewall between this machine and RunComfy."
        )
        raise _FoundError(Health.NO_NETWORK, f"{url} does not answer. {error} {cure}") from None


def _found(error: RunComfyError, answer: Answer, url: str) -> _FoundError:
    data = read_quietly(answer)
    said = f"HTTP {answer.status}: {reason(answer, data)}"
    if isinstance(error, AuthenticationError):
        doubt = "" if isinstance(data, dict) else " If that is not RunComfy which answers, correct the base URL."
        return _FoundError(
            Health.BAD_TOKEN,
            f"{url} does not accept the API token ({said}). Create a new one in your RunComfy profile, and put it in "
            f"the place of this one.{doubt}",
        )
    if answer.status == 429 or answer.status >= 500:
        return _FoundError(
            Health.TROUBLE, f"{url} cannot serve now ({said}). Nothing is known of the token; try later."
        )
    return _FoundError(
        Health.WRONG_HOST,
        f"{url} answers, but not as RunComfy does ({said}). Correct the base URL (leave it empty for RunComfy itself), "
        "or ask who runs the proxy or firewall that answers in its place.",
    )
