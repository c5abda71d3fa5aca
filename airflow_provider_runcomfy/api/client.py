"""The calls to RunComfy over requests, for hooks and operators on a worker."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import requests
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay
from tenacity.wait import wait_exponential_jitter

from airflow_provider_runcomfy.api import wire
from airflow_provider_runcomfy.api.errors import (
    NotSentError,
    RateLimitedError,
    SubmissionUnknownError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.payload import Answer, without_secret, words_of
from airflow_provider_runcomfy.api.session import ApiSession
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.api.types import Balance, CancelOutcome, GenerationResult, RequestStatus

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
# A submit whose answer is given up is an unknown submission, so it is waited for longer.
SUBMIT_READ_SECONDS = 120.0
RESEND_SECONDS = 30.0
_SHORTEST_PAUSE_SECONDS = 1.0
_CHUNK = 64 << 10
# Many times what there is; it bounds a catalogue that never ends.
_MAX_MODELS = 5_000


class RunComfyClient(AbstractContextManager["RunComfyClient"]):
    """
    RunComfy's Model API, one HTTP exchange per call.

    :param settings: base URL and token.
    :param connect_seconds: how long a connection may take.
    :param read_seconds: how long the server may be silent, and how long an answer may take in all.
    """

    def __init__(
        self, settings: Settings, *, connect_seconds: float = CONNECT_SECONDS, read_seconds: float = READ_SECONDS
    ) -> None:
        self._settings = settings
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._session = ApiSession()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept for further calls."""
        self._session.close()

    def prepare_submit(self, model_id: str, inputs: Mapping[str, Any]) -> wire.Call:
        """Encode a submit without sending it, so that nothing can fail between an intent and its POST."""
        return wire.submit_call(self._settings, model_id, inputs)

    def submit(self, call: wire.Call) -> str:
        """
        Send a prepared submit and return its request id. This is the call that costs money.

        Sent again, for up to 30 s, only where it is certain that RunComfy did not take it: no connection
        came about, or it answered 429.

        :raises SubmissionUnknownError: if it is not known whether RunComfy took it.
        :raises RunComfyError: if it certainly was not taken; nothing was charged.
        """
        return resending()(self.submit_once, call)

    def submit_once(self, call: wire.Call) -> str:
        """Send a prepared submit as :meth:`submit` does, but never again, so that a caller can note each POST."""
        # A connection of its own: one that was kept may be closed under the POST, and who could tell how far it came?
        with ApiSession() as session:
            return wire.parse_submit(call, self._exchange(call, session, SUBMIT_READ_SECONDS))

    def get_status(self, request_id: str) -> RequestStatus:
        """Return a request's state; free of charge."""
        call = wire.status_call(self._settings, request_id)
        return wire.parse_status(call, self._exchange(call))

    def get_result(self, request_id: str) -> GenerationResult:
        """Return a request's result, or its state while it has none; free of charge."""
        call = wire.result_call(self._settings, request_id)
        return wire.parse_result(call, self._exchange(call))

    def cancel(self, request_id: str) -> CancelOutcome:
        """Cancel a request; only a queued one can be."""
        call = wire.cancel_call(self._settings, request_id)
        return wire.parse_cancel(call, self._exchange(call))

    def list_models(self, filters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the catalogue's entries, page by page."""
        offset, total = 0, 1
        while offset < min(total, _MAX_MODELS):
            call = wire.models_call(self._settings, filters, offset=offset)
            page, total = wire.parse_models(call, self._exchange(call))
            yield from page
            offset += len(page) or total

    def get_model(self, model_id: str) -> dict[str, Any]:
        """Return one entry of the catalogue."""
        call = wire.model_call(self._settings, model_id)
        return wire.parse_model(call, self._exchange(call))

    def get_balance(self) -> Balance:
        """Return what is left on the account."""
        call = wire.balance_call(self._settings)
        return wire.parse_balance(call, self._exchange(call))

    def ask(self, call: wire.Call) -> Answer:
        """
        Return the answer to a call that only reads, whatever it is.

        :raises UnavailableError: if there is none.
        """
        return self._exchange(call)

    def _exchange(
        self, call: wire.Call, session: ApiSession | None = None, read_seconds: float | None = None
    ) -> Answer:
        session = session or self._session
        body = _Body(call.body) if call.body is not None else None
        read_seconds = read_seconds or self._read_seconds
        handled = sys.exception()
        try:
            with (
                session.at_most(self._connect_seconds + read_seconds),
                session.open(
                    call.method,
                    call.url,
                    headers=wire.headers(self._settings.token, has_body=call.body is not None),
                    timeout=(self._connect_seconds, read_seconds),
                    body=body,
                ) as response,
            ):
                return Answer(
                    status=response.status_code,
                    body=_read(response, call.max_bytes),
                    headers=response.headers,
                    secret=self._settings.token,
                )
        # A ValueError is a chunk of less than nothing.
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            reason = without_secret(_reason(error, handled), self._settings.token)
            raise _transport_error(call, reason, body) from None


class _Body(io.BytesIO):
    """A request's body that knows whether any of it was asked for: before that, nothing can have been accepted."""

    was_read = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.was_read = True
        return super().read(size)


def _read(response: requests.Response, limit: int) -> bytes:
    """Read the body as it comes, so that its size is not the server's to choose."""
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > limit:
            raise requests.exceptions.ContentDecodingError(f"an answer of more than {limit} bytes")
    return bytes(body)


def _transport_error(call: wire.Call, reason: str, body: _Body | None) -> UnavailableError | SubmissionUnknownError:
    if body is None:
        return call.unanswered(reason)
    reason, model_id = f"{call.doing}: {reason}", call.model_id or None
    if not body.was_read:
        return NotSentError(f"{reason}. It did not reach RunComfy; nothing was charged.", model_id=model_id)
    return SubmissionUnknownError(
        f"{reason}. It was sent and not answered: it is not known whether RunComfy took it, so it may have been "
        "charged, and it was not sent again.",
        model_id=model_id,
    )


def _reason(error: BaseException, handled: BaseException | None) -> str:
    """
    Return the innermost reason in words: the outer ones are the libraries' wrappers.

    :param handled: what the caller was handling when it made the call: no reason of ours.
    """
    while (inner := _inner(error)) and inner is not handled:
        error = inner
    return words_of(error)


def _inner(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def resending() -> Retrying:
    """Return the rule by which a submit is sent again: for up to 30 s, and only where it certainly was not taken."""
    return Retrying(
        retry=retry_if_exception_type((NotSentError, RateLimitedError)),
        wait=patience,
        stop=stop_before_delay(RESEND_SECONDS),
        reraise=True,
    )


_backoff = wait_exponential_jitter(initial=1, max=10)


def patience(state: RetryCallState) -> float:
    """Return the seconds before a call is made again: what RunComfy asks for, else longer each time."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, RateLimitedError) else None
    # "At once", asked of everybody who was refused, would be a stampede.
    return _backoff(state) if asked is None else max(asked, _SHORTEST_PAUSE_SECONDS)
