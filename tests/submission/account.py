"""RunComfy in memory: what it took, what became of it, and a hook that may fail or die at any point of a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from airflow_provider_runcomfy.api.errors import (
    InsufficientBalanceError,
    InvalidInputError,
    NotSentError,
    RefusedError,
    SubmissionUnknownError,
)
from airflow_provider_runcomfy.api.types import CancelOutcome, GenerationResult, RequestState
from airflow_provider_runcomfy.exceptions import RequestNotAvailableError, RunComfyRetryableError

MODERATED = "refused by content moderation"
FAILED = "out of memory"
INVALID = {"prompt": "invalid"}

#: How a POST may end: whether RunComfy takes it, and what the client raises.
POSTS: dict[str, tuple[bool, type[BaseException] | None]] = {
    "taken": (True, None),
    "refused": (False, RefusedError),
    "no balance": (False, InsufficientBalanceError),
    "not sent": (False, NotSentError),
    "unanswered but taken": (True, SubmissionUnknownError),
    "unanswered and not taken": (False, SubmissionUnknownError),
}
#: How a submit may end that is sent again where it certainly was not taken.
SUBMITS = [*POSTS, *(f"not sent, then {end}" for end in POSTS)]


def ends_of(submit_ends: str) -> tuple[str, str]:
    """Return how the first POST of a submit ends, and how every further one does."""
    first, _, then = submit_ends.partition(", then ")
    return first, then or first


def resending(pause: Callable[[], None]) -> Callable[[], Retrying]:
    """Return a rule like the client's, of two POSTs and without a clock."""
    return lambda: Retrying(
        retry=retry_if_exception_type(NotSentError),
        stop=stop_after_attempt(2),
        sleep=lambda seconds: pause(),
        reraise=True,
    )


@dataclass
class Request:
    """A request that was paid for. ``gone`` is one that has expired."""

    request_id: str
    account: str
    model_id: str
    inputs: Any
    try_number: int
    state: RequestState = RequestState.IN_QUEUE
    error: str | None = None
    gone: bool = False
    cost_usd: float | None = None

    @property
    def goes_on(self) -> bool:
        return self.state in (RequestState.IN_QUEUE, RequestState.IN_PROGRESS)

    def result(self) -> GenerationResult:
        return GenerationResult(self.request_id, self.state, error=self.error, cost_usd=self.cost_usd)


class Account:
    """All accounts of RunComfy."""

    def __init__(self) -> None:
        self.requests: dict[str, Request] = {}

    def take(self, account: str, model_id: str, inputs: Any, try_number: int) -> Request:
        request = Request(f"request-{len(self.requests) + 1}", account, model_id, inputs, try_number)
        self.requests[request.request_id] = request
        return request

    def find(self, request_id: str, account: str) -> Request:
        request = self.requests.get(request_id)
        if request is None or request.account != account or request.gone:
            raise RequestNotAvailableError(f"no request {request_id}")
        return request


@dataclass
class Hook:
    """
    What ``submission`` asks of the hook, and of its client.

    :param point: called before and after whatever each call does at RunComfy.
    :param on_post: called when a submit leaves the machine.
    :param on_taken: called when RunComfy has taken one.
    :param on_cancel: called when a request is to be cancelled.
    :param trouble: what every call that only reads raises, until the connection was read so many times more.
    """

    runcomfy: Account
    account: str
    try_number: int
    point: Callable[[], None]
    on_post: Callable[[], None]
    on_taken: Callable[[Request], None]
    on_cancel: Callable[[str], None]
    submit_ends: str = "taken"
    outage: bool = False
    trouble: Exception | None = None
    mended_at_read: int = 99
    posts: int = 0
    connection_reads: int = 0

    @property
    def client(self) -> Hook:
        return self

    def prepare_submit(self, model_id: str, inputs: Any) -> tuple[str, Any]:
        if inputs == INVALID:
            raise InvalidInputError("The inputs have a fault; nothing was submitted.", model_id=model_id)
        return model_id, inputs

    def submit_once(self, call: tuple[str, Any]) -> str:
        self.point()
        self.on_post()
        end = ends_of(self.submit_ends)[self.posts > 0]
        self.posts += 1
        taken, error = POSTS[end]
        request_id = "none"
        if taken:
            request = self.runcomfy.take(self.account, *call, self.try_number)
            request_id = request.request_id
            self.on_taken(request)
        self.point()
        if error is not None:
            raise error(f"the submit was {end}.")
        return request_id

    def get_result(self, request_id: str) -> GenerationResult:
        self._answer()
        return self.runcomfy.find(request_id, self.account).result()

    def cancel(self, request_id: str) -> CancelOutcome:
        self.on_cancel(request_id)
        self._answer()
        request = self.runcomfy.find(request_id, self.account)
        if request.state is not RequestState.IN_QUEUE:
            return CancelOutcome.NOT_CANCELLABLE
        request.state = RequestState.CANCELLED
        self.point()
        return CancelOutcome.CANCELLED

    def forget_connection(self) -> None:
        self.connection_reads += 1

    def _answer(self) -> None:
        self.point()
        if self.trouble is not None and self.connection_reads < self.mended_at_read:
            raise self.trouble
        if self.outage:
            raise RunComfyRetryableError("RunComfy is not available.")
