"""The calls to RunComfy over requests, for hooks and operators on a worker."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any

import requests
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay
from tenacity.wait import wait_exponential_jitter

from airflow_provider_runcomfy.api import wire
from airflow_provider_runcomfy.api.environment import ca_bundle, proxy_for
from airflow_provider_runcomfy.api.errors import (
    NotSentError,
    RateLimitedError,
    SubmissionUnknownError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.payload import Answer
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.api.types import Balance, CancelOutcome, GenerationResult, RequestStatus

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
# A submit whose answer is given up is an unknown submission, so it is waited for longer.
SUBMIT_READ_SECONDS = 120.0
_RESEND_SECONDS = 30.0
_CHUNK = 64 << 10


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
        self._session = _session()

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
        resend = Retrying(
            retry=retry_if_exception_type((NotSentError, RateLimitedError)),
            wait=_patience,
            stop=stop_before_delay(_RESEND_SECONDS),
            reraise=True,
        )
        return resend(self._submit_once, call)

    def _submit_once(self, call: wire.Call) -> str:
        # A connection of its own: one that was kept may be closed under the POST, and who could tell how far it came?
        with _session() as session:
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
        while offset < total:
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

    def _exchange(
        self, call: wire.Call, session: requests.Session | None = None, read_seconds: float | None = None
    ) -> Answer:
        body = _Body(call.body) if call.body is not None else None
        read_seconds = read_seconds or self._read_seconds
        deadline = time.monotonic() + self._connect_seconds + read_seconds
        try:
            with (session or self._session).request(
                call.method,
                call.url,
                data=body,
                headers=wire.headers(call, self._settings.token),
                auth=_keep_headers,
                proxies=_proxies(call.url),
                verify=ca_bundle(),
                timeout=(self._connect_seconds, read_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                return Answer(
                    status=response.status_code,
                    body=_read(response, call.max_bytes, deadline),
                    headers={name.lower(): value for name, value in response.headers.items()},
                    secret=self._settings.token,
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _transport_error(call, error, body) from None


class _Body(io.BytesIO):
    """A request's body that knows whether any of it was asked for: before that, nothing can have been accepted."""

    was_read = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.was_read = True
        return super().read(size)


def _session() -> requests.Session:
    session = requests.Session()
    # What the environment says is passed with each call; trusting it here would let a .netrc replace the token.
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand in as authentication, so that requests looks for no other."""
    return request


def _proxies(url: str) -> dict[str, str]:
    proxy = proxy_for(url)
    return {"http": proxy, "https": proxy} if proxy else {}


def _read(response: requests.Response, limit: int, deadline: float) -> bytes:
    """Read the body as it comes, so that neither its size nor its pace is the server's to choose."""
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > limit:
            raise requests.exceptions.ContentDecodingError(f"an answer of more than {limit} bytes")
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("the answer took too long")
    return bytes(body)


def _transport_error(
    call: wire.Call, error: Exception, body: _Body | None
) -> UnavailableError | SubmissionUnknownError:
    reason = f"{call.doing}: {_root(error)}"
    request_id, model_id = call.request_id or None, call.model_id or None
    if body is None:
        return UnavailableError(f"{reason}. The call can be repeated later.", request_id=request_id, model_id=model_id)
    if not body.was_read:
        return NotSentError(f"{reason}. It did not reach RunComfy; nothing was charged.", model_id=model_id)
    return SubmissionUnknownError(
        f"{reason}. It was sent and not answered: it is not known whether RunComfy took it, so it may have been "
        "charged, and it was not sent again.",
        model_id=model_id,
    )


def _root(error: BaseException) -> str:
    """Return the innermost reason in words: the outer ones are the libraries' wrappers."""
    while inner := error.__cause__ or error.__context__ or _argument(error):
        error = inner
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _argument(error: BaseException) -> BaseException | None:
    inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    return inner if isinstance(inner, BaseException) else None


_backoff = wait_exponential_jitter(initial=1, max=10)


def _patience(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RateLimitedError) and error.retry_after is not None:
        return error.retry_after
    return _backoff(state)
