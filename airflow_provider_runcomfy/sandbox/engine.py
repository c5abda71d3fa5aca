"""
The queue: which request waits, runs or has ended, as a pure function of the calls so far and the clock.

There is no timer. Every call first brings the queue up to the present, so a request starts and ends at the exact
moment at which a real queue would have started and ended it, whoever looks and however late.
"""

from __future__ import annotations

import heapq
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_provider_runcomfy.api.types import CancelOutcome, RequestState
from airflow_provider_runcomfy.sandbox.catalogue import MICRODOLLARS, Clip


@dataclass
class Request:
    """One accepted request. Times are seconds since the epoch; ``owner`` is the fingerprint of the paying token."""

    model_id: str
    inputs: Mapping[str, Any]
    clip: Clip
    owner: str
    created: float
    #: What it will fail with; None if it will succeed.
    error: Any = None
    request_id: str = field(default_factory=lambda: secrets.token_hex(16))
    file_name: str = field(init=False)
    state: RequestState = RequestState.IN_QUEUE
    started: float | None = None
    finished: float | None = None

    def __post_init__(self) -> None:
        """Name the file."""
        self.file_name = f"{secrets.token_hex(12)}_output.{self.clip.extension}"

    @property
    def charged(self) -> int:
        """
        What it costs, in microdollars.

        Charged at the submit; given back if it is cancelled while queued, kept if it fails (inference).
        """
        return 0 if self.state is RequestState.CANCELLED else self.clip.cost

    def as_dict(self) -> dict[str, Any]:
        """Return the request as plain JSON, for whoever counts what was paid."""
        return {
            "request_id": self.request_id,
            "model_id": self.model_id,
            "state": self.state.value,
            "inputs": dict(self.inputs),
            "charged_usd": self.charged / MICRODOLLARS,
            "error": self.error,
            "created_at": timestamp(self.created),
            "started_at": None if self.started is None else timestamp(self.started),
            "finished_at": None if self.finished is None else timestamp(self.finished),
        }


class Engine:
    """
    A first-in, first-out queue in front of a number of running slots, and the account that pays.

    :param queue_seconds: how long every request waits at least.
    :param run_seconds: how long a request runs.
    :param concurrency: how many run at once.
    :param balance: what the account holds, in microdollars.
    :param clock: gives the seconds since the epoch.
    """

    def __init__(
        self,
        *,
        queue_seconds: float,
        run_seconds: float,
        concurrency: int,
        balance: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._queue_seconds = queue_seconds
        self._run_seconds = run_seconds
        self._concurrency = concurrency
        self._balance = balance
        self._clock = clock
        self._requests: dict[str, Request] = {}
        self._by_file: dict[str, Request] = {}
        self._queued: deque[str] = deque()
        #: When each running slot becomes free, and whose it is.
        self._running: list[tuple[float, str]] = []

    @property
    def balance(self) -> int:
        """What the account holds, in microdollars."""
        return self._balance

    def submit(
        self, model_id: str, inputs: Mapping[str, Any], clip: Clip, *, owner: str, error: Any = None
    ) -> Request | None:
        """Charge and queue a request; return None, and do nothing, if the balance does not suffice."""
        if clip.cost > self._balance:
            return None
        self._advance()
        request = Request(model_id, inputs, clip, owner, self._clock(), error)
        self._balance -= clip.cost
        self._requests[request.request_id] = request
        self._by_file[request.file_name] = request
        self._queued.append(request.request_id)
        self._advance()
        return request

    def find(self, request_id: str) -> Request | None:
        """Return the request as it is now, or None if there is none with this id."""
        self._advance()
        return self._requests.get(request_id)

    def find_file(self, file_name: str) -> Request | None:
        """Return the request whose output has this name, as it is now, or None."""
        self._advance()
        return self._by_file.get(file_name)

    def all(self) -> list[Request]:
        """Return all requests as they are now, oldest first."""
        self._advance()
        return list(self._requests.values())

    def queue_position(self, request: Request) -> int | None:
        """Return how many queued requests are ahead: 0 is the next to run (inference); None if it is not queued."""
        return self._queued.index(request.request_id) if request.state is RequestState.IN_QUEUE else None

    def cancel(self, request: Request) -> CancelOutcome:
        """Cancel a queued request and give its money back; a running or ended one is left as it is."""
        self._advance()
        if request.state is RequestState.CANCELLED:
            return CancelOutcome.CANCELLED
        if request.state is not RequestState.IN_QUEUE:
            return CancelOutcome.NOT_CANCELLABLE
        self._queued.remove(request.request_id)
        self._balance += request.clip.cost
        request.state = RequestState.CANCELLED
        request.finished = self._clock()
        return CancelOutcome.CANCELLED

    def _advance(self) -> None:
        now = self._clock()
        while self._queued:
            request = self._requests[self._queued[0]]
            start = request.created + self._queue_seconds
            full = len(self._running) == self._concurrency
            if full:
                start = max(start, self._running[0][0])
            if start > now:
                break
            if full:
                self._finish_first()
            self._queued.popleft()
            request.state, request.started = RequestState.IN_PROGRESS, start
            heapq.heappush(self._running, (start + self._run_seconds, request.request_id))
        while self._running and self._running[0][0] <= now:
            self._finish_first()

    def _finish_first(self) -> None:
        finished, request_id = heapq.heappop(self._running)
        request = self._requests[request_id]
        request.state = RequestState.SUCCEEDED if request.error is None else RequestState.FAILED
        request.finished = finished


def timestamp(moment: float) -> str:
    """Return a moment as RunComfy writes it: ISO 8601, microseconds, numeric offset (an official client's code)."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")
