"""Hundreds of requests at once, as a Dag with many mapped tasks makes them."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from airflow_provider_runcomfy.sandbox.server import running_sandbox
from tests.sandbox.client import PRO, SHORT

pytestmark = pytest.mark.slow

REQUESTS = 500


async def test_five_hundred_requests_at_once() -> None:
    with running_sandbox(queue_seconds=0, run_seconds=0.01, concurrency=5, balance_usd=1000) as sandbox:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers={"Authorization": "Bearer x"}) as session:

            async def one() -> dict[str, Any]:
                async with session.post(f"{sandbox.url}/v1/models/{PRO}", json=SHORT) as response:
                    submitted = await response.json()
                while True:
                    async with session.get(submitted["result_url"]) as response:
                        result: dict[str, Any] = await response.json()
                    if result["status"] not in ("in_queue", "in_progress"):
                        return result
                    await asyncio.sleep(0.2)

            results = await asyncio.gather(*(one() for _ in range(REQUESTS)))
        assert {result["status"] for result in results} == {"succeeded"}
        assert len({result["output"]["video"] for result in results}) == REQUESTS
        assert len(sandbox.requests()) == REQUESTS
