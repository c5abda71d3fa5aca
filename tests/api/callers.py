"""Both transports behind one face, so that one table of answers tests them both."""

from __future__ import annotations

import asyncio
from typing import Protocol

from airflow_provider_runcomfy.api.aio import RunComfyAsyncClient
from airflow_provider_runcomfy.api.client import RunComfyClient
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.api.types import CancelOutcome, GenerationResult, RequestStatus

TOKEN = "rc-token-0123456789abcdef"
MODEL = "kling/kling-3.0/pro/text-to-video"
REQUEST = "req-1"


class Caller(Protocol):
    """The calls that both clients have."""

    def get_status(self, request_id: str) -> RequestStatus: ...
    def get_result(self, request_id: str) -> GenerationResult: ...
    def cancel(self, request_id: str) -> CancelOutcome: ...
    def close(self) -> None: ...


class AsyncCaller:
    """The asynchronous client with an event loop of its own."""

    def __init__(self, settings: Settings, seconds: float) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(self._open(settings, seconds))

    async def _open(self, settings: Settings, seconds: float) -> RunComfyAsyncClient:
        return RunComfyAsyncClient(settings, connect_seconds=seconds / 2, total_seconds=seconds)

    def get_status(self, request_id: str) -> RequestStatus:
        return self._runner.run(self._client.get_status(request_id))

    def get_result(self, request_id: str) -> GenerationResult:
        return self._runner.run(self._client.get_result(request_id))

    def cancel(self, request_id: str) -> CancelOutcome:
        return self._runner.run(self._client.cancel(request_id))

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


def make_caller(transport: str, settings: Settings, seconds: float) -> Caller:
    """Return a caller whose calls take at most ``seconds``."""
    if transport == "aiohttp":
        return AsyncCaller(settings, seconds)
    return RunComfyClient(settings, connect_seconds=seconds / 2, read_seconds=seconds / 2)
