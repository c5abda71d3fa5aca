"""The calls to RunComfy over aiohttp, for triggers: those that wait, and none that pays."""

from __future__ import annotations

import ssl
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType

import aiohttp
from yarl import URL

from airflow_provider_runcomfy.api import wire
from airflow_provider_runcomfy.api.environment import ca_bundle, proxy_for
from airflow_provider_runcomfy.api.errors import InvalidSettingsError
from airflow_provider_runcomfy.api.payload import Answer, without_secret, words_of
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.api.types import CancelOutcome, GenerationResult, RequestStatus

CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 40.0
#: How many calls one client has under way at once; more wait.
CONNECTIONS = 100
# Longer than the slowest usual poll interval, so that a poll seldom pays for a TLS handshake.
_KEEP_ALIVE_SECONDS = 75.0


class RunComfyAsyncClient(AbstractAsyncContextManager["RunComfyAsyncClient"]):
    """
    The waiting half of RunComfy's Model API; made and closed inside a running event loop.

    :param settings: base URL and token.
    :param connect_seconds: how long a connection may take.
    :param total_seconds: how long one call may take in all.
    :raises InvalidSettingsError: if the environment's certificate authorities cannot be read.
    """

    def __init__(
        self, settings: Settings, *, connect_seconds: float = CONNECT_SECONDS, total_seconds: float = TOTAL_SECONDS
    ) -> None:
        self.settings = settings
        # They hold for as long as the session does: environments do not change under a process.
        self._proxy = proxy_for(settings.base_url)
        headers = wire.headers(settings.token)
        # What a session has for all of its calls it shows to proxies, too.
        del headers["Authorization"]
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=_tls(), limit=CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=total_seconds, sock_connect=connect_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections that are kept for further calls."""
        await self._session.close()

    async def get_status(self, request_id: str) -> RequestStatus:
        """Return a request's state; free of charge."""
        call = wire.status_call(self.settings, request_id)
        return wire.parse_status(call, await self._exchange(call))

    async def get_result(self, request_id: str) -> GenerationResult:
        """Return a request's result, or its state while it has none; free of charge."""
        call = wire.result_call(self.settings, request_id)
        return wire.parse_result(call, await self._exchange(call))

    async def cancel(self, request_id: str) -> CancelOutcome:
        """Cancel a request; only a queued one can be."""
        call = wire.cancel_call(self.settings, request_id)
        return wire.parse_cancel(call, await self._exchange(call))

    async def _exchange(self, call: wire.Call) -> Answer:
        try:
            async with self._session.request(
                call.method,
                URL(call.url, encoded=True),
                headers={"Authorization": f"Bearer {self.settings.token}"},
                proxy=self._proxy,
                allow_redirects=False,
            ) as response:
                return Answer(
                    status=response.status,
                    body=await _read(response, call),
                    headers=response.headers,
                    secret=self.settings.token,
                )
        # A ValueError is a host name that cannot be one.
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = without_secret(_reason(error), self.settings.token)
        raise call.unanswered(reason)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered HTTP {error.status}"
    return words_of(error)


async def _read(response: aiohttp.ClientResponse, call: wire.Call) -> bytes:
    # The usual answer; one that is packed may be of any size.
    if (response.content_length or call.max_bytes + 1) <= call.max_bytes and "Content-Encoding" not in response.headers:
        return await response.read()
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > call.max_bytes:
            raise call.unanswered(f"an answer of more than {call.max_bytes} bytes")
    return bytes(body)


def _tls() -> ssl.SSLContext:
    bundle = Path(ca_bundle())
    try:
        if bundle.is_dir():
            return ssl.create_default_context(capath=str(bundle))
        return ssl.create_default_context(cafile=str(bundle))
    except OSError as error:
        raise InvalidSettingsError(
            f"The certificate authorities in {bundle} cannot be read ({error}): mend REQUESTS_CA_BUNDLE or whichever "
            "variable names them. Nothing was sent, nothing was charged."
        ) from None
