"""The calls of Airflow's REST API that the demo, the kills and other tests make."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from tenacity import wait_none

from dev import airflow_client
from dev.airflow_client import AirflowClient

BUSY = (500, {"detail": {"reason": "Database error", "statement": "hidden"}})
BROKEN = (500, {"detail": "Internal Server Error"})


class Answers:
    """Airflow: answers with one after the other, and remembers what it was sent."""

    def __init__(self, *answers: tuple[int, dict[str, Any]] | None) -> None:
        self.left = list(answers)
        self.sent: list[Any] = []

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        self.sent.append(kwargs["json"])
        status, body = self.left.pop(0) or (200, {"dag_run_id": kwargs["json"]["dag_run_id"]})
        answer = requests.Response()
        answer.status_code, answer._content = status, json.dumps(body).encode()
        return answer


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> AirflowClient:
    monkeypatch.setattr(airflow_client, "wait_fixed", lambda seconds: wait_none())
    monkeypatch.setattr(AirflowClient, "headers", lambda self: {})
    return AirflowClient("http://127.0.0.1:1")


def test_a_run_is_asked_for_again_by_the_same_id_where_the_database_is_busy(
    client: AirflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(BUSY, BUSY, None)
    monkeypatch.setattr(client, "_session", answers)

    run_id = client.trigger("clips")

    assert [body["dag_run_id"] for body in answers.sent] == [run_id] * 3


@pytest.mark.parametrize(("given", "calls"), [([BROKEN], 1), ([BUSY] * 5, 5)], ids=["another error", "busy for long"])
def test_what_does_not_pass_is_raised(
    client: AirflowClient, monkeypatch: pytest.MonkeyPatch, given: list[tuple[int, dict[str, Any]]], calls: int
) -> None:
    answers = Answers(*given)
    monkeypatch.setattr(client, "_session", answers)

    with pytest.raises(requests.HTTPError, match="500"):
        client.trigger("clips")
    assert len(answers.sent) == calls
