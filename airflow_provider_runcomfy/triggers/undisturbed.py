"""Finish what must be finished although Airflow cancels the trigger that does it, anew every second."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any


async def undisturbed(work: Coroutine[Any, Any, None]) -> None:
    """Do the work to its end; a cancellation meanwhile does not reach it."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    await task
