"""A trigger that waits and never polls: what Airflow itself costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class EmptyTrigger(BaseTrigger):
    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "benchmarks.empty_trigger.EmptyTrigger", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.Event().wait()
        yield TriggerEvent(None)
