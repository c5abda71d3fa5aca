"""A crowd that sleeps on one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.triggers.sleepers import Sleepers

LONG = 1000.0


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


@given(st.lists(st.tuples(st.floats(0.0, LONG), st.booleans()), max_size=30))
def test_each_wakes_when_it_is_due_whoever_leaves_meanwhile(crowd: list[tuple[float, bool]]) -> None:
    async def main() -> None:
        loop, sleepers = asyncio.get_running_loop(), Sleepers()
        woke: list[float] = []

        async def one(seconds: float) -> None:
            await sleepers.sleep(seconds)
            woke.append(seconds)
            assert loop.time() - seconds < 0.001

        tasks = [asyncio.create_task(one(seconds)) for seconds, _ in crowd]
        await asyncio.sleep(0)
        for task, (_, leaves) in zip(tasks, crowd, strict=True):
            if leaves:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert woke == sorted(seconds for seconds, leaves in crowd if not leaves)
        assert [task.cancelled() for task in tasks] == [leaves for _, leaves in crowd]

    run(main())


def test_who_comes_later_and_sleeps_shorter_wakes_first() -> None:
    async def main() -> None:
        sleepers = Sleepers()
        long, short = sleepers.sleep(2.0), sleepers.sleep(1.0)
        await short
        assert not long.done()
        await long
        assert asyncio.get_running_loop().time() < 2.001

    run(main())


def test_there_is_one_timer_for_all_and_none_once_it_is_closed() -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        sleepers = Sleepers()
        crowd = [sleepers.sleep(LONG - number) for number in range(100)]
        assert loop.due == [LONG - 99]
        sleepers.close()
        assert not loop.due
        await asyncio.sleep(2 * LONG)
        assert not any(sleeper.done() for sleeper in crowd)

    run(main())
