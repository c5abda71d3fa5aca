"""Submits and triggers for tests."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from airflow_provider_runcomfy.api.client import RunComfyClient
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.sandbox.server import Sandbox
from airflow_provider_runcomfy.triggers.runcomfy import RunComfyRequestTrigger
from tests.runcomfy import PRO, TOKEN

CLIP = {"prompt": "a lighthouse at dusk", "duration": 3}


def submit(sandbox: Sandbox) -> str:
    with RunComfyClient(Settings(TOKEN, sandbox.url)) as client:
        return client.submit(client.prepare_submit(PRO, CLIP))


def a_trigger(request_id: str | list[str], *, seconds: float = 30.0, **kwargs: Any) -> RunComfyRequestTrigger:
    given = {"poll_interval": 0.02, "max_poll_interval": 0.02, "end_time": time.time() + seconds}
    return RunComfyRequestTrigger(request_id=request_id, **given | kwargs)


async def events_of(trigger: RunComfyRequestTrigger) -> list[Any]:
    events: AsyncIterator[Any] = trigger.run()
    return [event.payload async for event in events]
