"""A clock for tests of what waits: nobody has to wait, and nothing depends on how busy the machine is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time goes on only as far as its next timer, and at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        return self.now

    @property
    def due(self) -> list[float]:
        """When each timer is due."""
        return [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]

    def _run_once(self) -> None:
        if not self._ready and self.due:  # type: ignore[attr-defined]
            self.now = max(self.now, min(self.due))
        super()._run_once()  # type: ignore[misc]


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(main)
