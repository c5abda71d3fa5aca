"""What a kill during a submit does: the code goes on for some seconds, and its request must not be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runcomfy.api.client import RunComfyClient
from airflow_provider_runcomfy.api.types import CancelOutcome
from airflow_provider_runcomfy.exceptions import RunComfyRetryableError, UnknownSubmissionError
from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.sandbox.server import Sandbox
from tests.compat import TaskDeferred
from tests.runcomfy import CONNECTION_VARIABLE, PRO, TOKEN, connection_to, count
from tests.submission.parts import StateStore, TaskInstance, context_of

pytestmark = pytest.mark.slow

SHORT = {"prompt": "A cat", "duration": 3, "sound": False}


class TestKillDuringTheSubmit:
    """The kill comes while the id is not known yet; the code goes on until SIGKILL."""

    @pytest.fixture(autouse=True)
    def _kill_during_the_post(self, monkeypatch: pytest.MonkeyPatch) -> None:
        post = RunComfyClient.submit_once

        def killed(client: RunComfyClient, call: Any) -> str:
            request_id = post(client, call)
            self.make.on_kill()
            self.store.on_call = self.after_kill
            return request_id

        monkeypatch.setattr(RunComfyClient, "submit_once", killed)
        self.store = StateStore()
        self.after_kill: Callable[[str], None] = lambda call: None
        self.make = RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=SHORT)

    def fails(self, kind: type[BaseException]) -> str:
        with pytest.raises(kind) as caught:
            self.make.execute(context_of(TaskInstance(), self.store))
        return str(caught.value)

    def test_its_request_is_cancelled_once_the_id_is_known(self, busy_sandbox: Sandbox) -> None:
        assert "was killed" in self.fails(RunComfyRetryableError)
        assert busy_sandbox.requests()[-1]["state"] == "cancelled"
        assert count(busy_sandbox)["cancel"] == 1
        assert [item["outcome"] for item in self.store.submissions] == ["cancelled"]

    def test_its_request_is_cancelled_also_where_airflow_takes_no_record_any_more(self, busy_sandbox: Sandbox) -> None:
        def refuse(call: str) -> None:
            raise OSError("409")

        self.after_kill = refuse
        self.fails(UnknownSubmissionError)
        assert busy_sandbox.requests()[-1]["state"] == "cancelled"

    def test_without_cancel_on_kill_its_request_is_left_and_waited_for(self, busy_sandbox: Sandbox) -> None:
        self.make.cancel_on_kill = False
        self.fails(TaskDeferred)
        assert count(busy_sandbox)["cancel"] == 0
        assert busy_sandbox.requests()[-1]["state"] == "in_queue"


def test_a_kill_cancels_with_the_token_that_was_read_last(
    busy_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[str] = []

    def cancel(client: RunComfyClient, request_id: str) -> CancelOutcome:
        tokens.append(client._settings.token)
        return CancelOutcome.CANCELLED

    monkeypatch.setattr(RunComfyClient, "cancel", cancel)
    make = RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=SHORT)
    hook = make._hook()
    make._remember_for_kill(hook, "r-1")
    monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(busy_sandbox, token="another-token-0123"))
    hook.forget_connection()
    make.on_kill()
    assert hook.settings.token == "another-token-0123"
    make.on_kill()
    assert tokens == [TOKEN, "another-token-0123"]
