"""One error class for each decision that a caller can take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Money(StrEnum):
    """What became of the money when an error was raised."""

    NOT_SPENT = "not_spent"
    SPENT = "spent"
    UNKNOWN = "unknown"


class RunComfyError(Exception):
    """
    Anything that went wrong between this package and RunComfy.

    :param message: what happened, to which request, what it means for money, and what to do.
    :param request_id: the request that it happened to, where there is one.
    :param model_id: the model, where it is known.
    :param http_status: the HTTP status of the answer, where there was one.
    :param error_code: RunComfy's own ``error_code``, where the answer had one.
    """

    #: Whether the same call may succeed later without anybody changing anything.
    retryable: ClassVar[bool] = False
    #: What the failed call itself did to the account's balance.
    money: ClassVar[Money] = Money.NOT_SPENT

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        model_id: str | None = None,
        http_status: int | None = None,
        error_code: int | None = None,
    ) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.model_id = model_id
        self.http_status = http_status
        self.error_code = error_code


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a model's inputs: where, what was given, what is allowed."""

    path: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.path}: got {self.value}; {self.allowed}"


class InvalidInputError(RunComfyError):
    """The inputs do not fit the model's schema: nothing was submitted. ``faults`` has every one."""

    def __init__(self, message: str, *, model_id: str | None = None, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message, model_id=model_id)
        self.faults = tuple(faults)


class InvalidSettingsError(RunComfyError):
    """The connection cannot be used as it is: no token, or a host that no token may be sent to."""


class RefusedError(RunComfyError):
    """RunComfy understood the call and refused it (4xx): unknown model, inputs that it rejects, ..."""


class AuthenticationError(RunComfyError):
    """The token is missing, expired or revoked (400004, 401)."""


class InsufficientBalanceError(RunComfyError):
    """The account has no balance left (400002, 402)."""


class ForbiddenError(RunComfyError):
    """The request belongs to another account (403001, 403)."""


class NotFoundError(RunComfyError):
    """There is no such request, or it has expired (404001, 404)."""


class UnavailableError(RunComfyError):
    """No usable answer: network, time-out, 5xx, or an answer that cannot be read."""

    retryable = True


class NotSentError(UnavailableError):
    """The call certainly did not reach RunComfy: DNS, refused connection, TLS."""


class RateLimitedError(UnavailableError):
    """RunComfy asks for patience (429). ``retry_after`` is in seconds, where it said how long."""

    retry_after: float | None = None


class SubmissionUnknownError(RunComfyError):
    """A submit was sent and it is not known whether RunComfy took it: it must not be sent again."""

    money = Money.UNKNOWN


class DownloadRefusedError(RunComfyError):
    """A result's file must not be downloaded: its host is not allowed, or it is too large."""

    money = Money.SPENT


class FileGoneError(DownloadRefusedError):
    """The file server has no such file any more."""


class DownloadFailedError(RunComfyError):
    """A result's file could not be downloaded whole; the file itself was paid for and can be had again."""

    retryable = True
    money = Money.SPENT


class UrlRefusedError(DownloadFailedError):
    """The file server refuses the URL (401, 403): it has expired, or the file is gone. RunComfy may name another."""
