"""What a look at RunComfy finds, and the balance that it saw; the sentences are those of the connection's test."""

from __future__ import annotations

import pytest

from airflow_provider_runcomfy.api import diagnosis
from airflow_provider_runcomfy.api.client import RunComfyClient
from airflow_provider_runcomfy.api.diagnosis import Health, diagnose
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.api.types import Balance
from tests.api.answers import PAGE, refused
from tests.api.callers import TOKEN
from tests.api.raw_server import Behaviour, RawServer, reply, reset

NOBODY = reply(404, refused(404001))


def left(usd: float) -> Behaviour:
    return reply(200, {"balance_usd": usd})


@pytest.mark.parametrize(
    ("behaviours", "health", "balance"),
    [
        pytest.param([left(12.5), NOBODY], Health.GOOD, Balance(12.5), id="it serves"),
        pytest.param([left(0.01), NOBODY], Health.GOOD, Balance(0.01), id="a cent is left"),
        pytest.param([left(0), NOBODY], Health.NO_BALANCE, Balance(0), id="nothing is left"),
        pytest.param([left(-1), NOBODY], Health.NO_BALANCE, Balance(-1), id="a debt"),
        pytest.param([reply(402, refused(400002))], Health.NO_BALANCE, None, id="no balance, by its status"),
        pytest.param([reply(401, refused(400004))], Health.BAD_TOKEN, None, id="a bad token"),
        pytest.param([left(1), reply(401, refused(400004))], Health.BAD_TOKEN, None, id="a bad token for requests"),
        pytest.param([reset()], Health.NO_NETWORK, None, id="no answer"),
        pytest.param([left(1), reset()], Health.NO_NETWORK, None, id="no answer for requests"),
        pytest.param([reply(500)], Health.TROUBLE, None, id="500"),
        pytest.param([reply(503)], Health.TROUBLE, None, id="503"),
        pytest.param([reply(429)], Health.TROUBLE, None, id="a limit"),
        pytest.param([reply(499, PAGE)], Health.WRONG_HOST, None, id="499"),
        pytest.param([reply(200, PAGE)], Health.WRONG_HOST, None, id="a page"),
    ],
)
def test_each_has_its_name(
    server: RawServer, behaviours: list[Behaviour], health: Health, balance: Balance | None
) -> None:
    server.answer(*behaviours)
    found = diagnose(Settings(TOKEN, server.url))
    assert (found.health, found.balance) == (health, balance)


def test_it_has_little_patience(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds: list[tuple[float, float]] = []

    def client(settings: Settings, *, connect_seconds: float, read_seconds: float) -> RunComfyClient:
        seconds.append((connect_seconds, read_seconds))
        return RunComfyClient(settings, connect_seconds=connect_seconds, read_seconds=read_seconds)

    monkeypatch.setattr(diagnosis, "RunComfyClient", client)
    server.answer(left(1), NOBODY)
    diagnose(Settings(TOKEN, server.url))
    assert seconds == [(5.0, 15.0)]


@pytest.mark.parametrize("behaviours", [[reset()], [left(1), reset()]], ids=["the balance", "a request"])
def test_who_does_not_answer_is_named_with_what_to_do(server: RawServer, behaviours: list[Behaviour]) -> None:
    server.answer(*behaviours)
    message = diagnose(Settings(TOKEN, server.url)).message
    assert message.startswith(f"{server.url} does not answer. ")
    assert "Start the sandbox" in message
