"""A crowd that sleeps on one timer."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.triggers.sleepers import Sleepers
from tests.triggers.clock import run

LONG = 1000.0


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
