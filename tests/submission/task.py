"""A task instance with RunComfy in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.api.types import RequestState
from airflow_provider_runcomfy.order import Order
from airflow_provider_runcomfy.submission import Obtained, obtain
from tests.submission.account import Account, Hook
from tests.submission.parts import Log, StateStore, TaskInstance, context_of


class KillError(BaseException):
    """A kill, or a time-out of Airflow's, which is no Exception either."""


class Task:
    """A task instance with RunComfy in memory; each call of :meth:`run` is one try."""

    def __init__(self, *, has_store: bool = True) -> None:
        self.ti = TaskInstance()
        self.store = StateStore(self._store_call) if has_store else None
        self.log = Log()
        self.runcomfy = Account()
        self.writes_until_failure: int | None = None
        self.loses_answer_of_write: int | None = None
        self.killed_at: str | None = None
        self.cancelled: list[str] = []
        self.pauses: list[float] = []

    def kill_at(self, point: str) -> None:
        """Let the running try be killed at a point of its submit."""
        if point == self.killed_at:
            raise KillError

    def _store_call(self, call: str) -> None:
        if call == "kept" and self.loses_answer_of_write is not None:
            self.loses_answer_of_write -= 1
            if self.loses_answer_of_write < 0:
                self.loses_answer_of_write = None
                raise OSError("no answer")
        if call == "set" and self.writes_until_failure is not None:
            self.writes_until_failure -= 1
            if self.writes_until_failure < 0:
                raise OSError("no answer")

    def run(
        self,
        inputs: str | Callable[[], Any] = "a",
        *,
        submit_ends: str = "taken",
        outage: bool = False,
        trouble: Exception | None = None,
        mended_at_read: int = 99,
        waits: bool = True,
        checked: bool = False,
        **order: Any,
    ) -> Obtained:
        order = {"model_id": "model/a", "conn_id": "account_a", **order}
        hook: Any = Hook(
            self.runcomfy,
            order["conn_id"],
            self.ti.try_number,
            point=lambda: None,
            on_post=lambda: self.kill_at("post"),
            on_taken=lambda request: None,
            on_cancel=self.cancelled.append,
            submit_ends=submit_ends,
            outage=outage,
            trouble=trouble,
            mended_at_read=mended_at_read,
        )
        log: Any = self.log
        timeout = timedelta(hours=1) if waits else None
        given = {"prompt": inputs} if isinstance(inputs, str) else inputs
        order_of_try = Order(inputs=given, validate_inputs=checked, timeout=timeout, **order)
        return obtain(order_of_try, hook, context_of(self.ti, self.store), log)

    def fails(self, kind: type[AirflowException], *args: Any, **kwargs: Any) -> str:
        with pytest.raises(AirflowException) as caught:
            self.run(*args, **kwargs)
        assert type(caught.value) is kind
        return str(caught.value)

    def becomes(self, state: RequestState, error: str | None = None, cost_usd: float | None = None) -> None:
        """The newest request ends."""
        request = [*self.runcomfy.requests.values()][-1]
        request.state, request.error, request.cost_usd = state, error, cost_usd

    def adopt(self, request_id: str) -> None:
        """A person writes the id into the record."""
        assert self.store is not None
        self.store.change_newest(request_id=request_id)

    @property
    def ends(self) -> list[tuple[Any, ...]]:
        """What the record says became of each submission, why, and what it cost."""
        assert self.store is not None
        return [(item["outcome"], item["detail"], item["cost_usd"]) for item in self.store.submissions]

    @property
    def outcomes(self) -> list[Any]:
        assert self.store is not None
        return [item["outcome"] for item in self.store.submissions]
