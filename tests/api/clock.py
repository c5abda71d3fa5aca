from __future__ import annotations

from collections.abc import Callable


class Clock:
    """The clock and the sleep that resending goes by: nobody really waits."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.pauses: list[float] = []
        self.before_waking: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.pauses.append(round(seconds, 3))
        self.before_waking()
