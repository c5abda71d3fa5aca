"""What is taken note of while one waits, on a worker and in the triggerer alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_runcomfy.api.errors import AuthenticationError, ForbiddenError, UnavailableError
from airflow_provider_runcomfy.api.polling import Ask, End, Ending, Poller
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState, RequestStatus
from airflow_provider_runcomfy.triggers.wait import Wait
from airflow_provider_runcomfy.waiting import Lookout, Progress, wait_on_worker
from tests.submission.parts import Log


class Client:
    """Gives one answer after the other, to both loops."""

    conn_id = runcomfy_conn_id = "runcomfy_default"
    generation = 0

    def __init__(self, *answers: RequestState | Exception) -> None:
        self._answers = iter(answers)
        self.client = self

    def get_status(self, request_id: str) -> RequestStatus:
        return RequestStatus(request_id, self._next())

    def get_result(self, request_id: str) -> GenerationResult:
        return GenerationResult(request_id, self._next())

    def forget_connection(self) -> None:
        pass

    async def ask(self, request_id: str, ask: Ask, **how: object) -> RequestStatus | GenerationResult:
        return self.get_status(request_id) if ask is Ask.STATUS else self.get_result(request_id)

    async def sleep(self, seconds: float) -> None:
        pass

    async def renew(self, generation: int) -> None:
        pass

    def _next(self) -> RequestState:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def on_worker(client: Any, poller: Poller, log: Any) -> Ending:
    return wait_on_worker(client, "r-1", poller, Progress("r-1", client.conn_id, log), sleep=lambda seconds: None)


def in_triggerer(client: Any, poller: Poller, log: Any) -> Ending:
    told: Any = SimpleNamespace(note=lambda status: False)
    return asyncio.run(Wait("r-1", poller, client, told, log, until=1e12, patience=30.0).ending())


REFUSED = AuthenticationError("The token is not accepted.")
REREAD = (
    "The token is not accepted. Connection 'runcomfy_default' is read anew before the next call, since its token may "
    "have been replaced; if that is refused, too, the wait ends."
)


@pytest.mark.parametrize("wait", [on_worker, in_triggerer])
@pytest.mark.parametrize(
    ("answers", "end", "lines"),
    [
        pytest.param(
            [RequestState.IN_QUEUE, RequestState.IN_PROGRESS, RequestState.COMPLETED, RequestState.SUCCEEDED],
            End.SUCCEEDED,
            [
                "Request r-1 is in_queue.",
                "Request r-1 is in_progress.",
                "Request r-1 has ended.",
                "Request r-1 has succeeded.",
            ],
            id="a success",
        ),
        pytest.param(
            [UnavailableError("No answer."), UnavailableError("No answer."), RequestState.CANCELLED],
            End.CANCELLED,
            ["Polling goes on: No answer.", "Request r-1 is cancelled."],
            id="polls that fail",
        ),
        pytest.param([ForbiddenError("Not yours.")], End.FORBIDDEN, [], id="a poll that ends the wait"),
        pytest.param([REFUSED, REFUSED], End.UNAUTHENTICATED, [REREAD], id="a token that stays refused"),
        pytest.param(
            [REFUSED, RequestState.CANCELLED], End.CANCELLED, [REREAD, "Request r-1 is cancelled."], id="a new token"
        ),
    ],
)
def test_a_wait_says_what_changes_and_that_it_goes_on_only_where_it_does(
    wait: Callable[[Any, Poller, Any], Ending], answers: list[Any], end: End, lines: list[str]
) -> None:
    poller = Poller(now=0.0, deadline=1e12, poll_interval=1.0, max_poll_interval=1.0)
    log = Log()

    ending = wait(Client(*answers), poller, log)

    assert (ending.end, log.lines) == (end, lines)


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
    hook: Any = Client(*answers)
    lookout = Lookout(hook, 0.0, Log())  # type: ignore[arg-type]

    for _ in answers:
        assert lookout.ending_of("r-1") is None
        clock.now += 10.0

    assert lookout.timed_out("r-1") == ending
