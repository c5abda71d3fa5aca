"""What is taken note of while one waits on a worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_runcomfy.api.errors import UnavailableError
from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState
from airflow_provider_runcomfy.waiting import Lookout
from tests.submission.parts import Log


class Client:
    """Gives one answer after the other."""

    def __init__(self, *answers: RequestState | Exception) -> None:
        self._answers = iter(answers)

    def get_result(self, request_id: str) -> GenerationResult:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return GenerationResult(request_id, answer)


@pytest.mark.parametrize(
    ("answers", "ending"),
    [
        pytest.param([], Ending(End.TIMED_OUT), id="never looked at"),
        pytest.param([RequestState.IN_QUEUE], Ending(End.TIMED_OUT), id="queued"),
        pytest.param([RequestState.IN_PROGRESS] * 2, Ending(End.TIMED_OUT, running_since=100.0), id="running"),
        pytest.param(
            [RequestState.IN_PROGRESS, UnavailableError("no answer")],
            Ending(End.TIMED_OUT, reason="no answer", running_since=100.0),
            id="running, and the last look failed",
        ),
    ],
)
def test_a_lookout_tells_of_a_request_for_which_there_is_no_more_time(
    monkeypatch: pytest.MonkeyPatch, answers: list[Any], ending: Ending
) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("airflow_provider_runcomfy.waiting.time", SimpleNamespace(time=lambda: clock.now))
    hook: Any = SimpleNamespace(client=Client(*answers))
    lookout = Lookout(hook, 0.0, Log())  # type: ignore[arg-type]

    for _ in answers:
        assert lookout.ending_of("r-1") is None
        clock.now += 10.0

    assert lookout.timed_out("r-1") == ending
