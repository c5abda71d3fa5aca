"""The queue in front of a server that asks for patience."""

from __future__ import annotations

import asyncio
import time

import pytest

from airflow_provider_runcomfy.triggers.throttle import Throttle
from airflow_provider_runcomfy.triggers.turns import Turns

FOREVER = float("inf")


class Fixed(Throttle):
    """So many calls a second, or none at all."""

    def __init__(self, pace: float) -> None:
        super().__init__()
        self.pace = pace
        self.last = -FOREVER

    def delay(self, now: float) -> float:
        return self.last + 1 / self.pace - now if self.pace else FOREVER

    def sent(self, now: float) -> None:
        self.last = now


async def in_line(turns: Turns, name: str, went: list[str], *, until: float = FOREVER, urgent: bool = False) -> None:
    await turns.take(until=until, urgent=urgent)
    went.append(name)


async def test_who_came_first_goes_first_and_the_urgent_before_them() -> None:
    turns, went = Turns(Fixed(100)), list[str]()
    crowd = [asyncio.create_task(in_line(turns, name, went)) for name in "abcd"]
    await asyncio.sleep(0)
    crowd.append(asyncio.create_task(in_line(turns, "e", went, urgent=True)))
    began = time.monotonic()
    await asyncio.gather(*crowd)

    assert "".join(went) == "aebcd"
    assert time.monotonic() - began >= 0.035


async def test_who_is_cancelled_costs_nobody_a_turn() -> None:
    throttle = Fixed(0)
    turns, went = Turns(throttle), list[str]()
    crowd = [asyncio.create_task(in_line(turns, name, went)) for name in "abc"]
    await asyncio.sleep(0)
    crowd[0].cancel()
    crowd[1].cancel()
    await asyncio.wait(crowd[:2])
    throttle.pace = 1.0
    turns.hurry()
    await asyncio.wait_for(crowd[2], 0.5)

    assert went == ["c"]


@pytest.mark.parametrize("already", [0.05, -100.0])
async def test_at_the_deadline_the_turn_comes_anyway(already: float) -> None:
    turns, went = Turns(Fixed(0)), list[str]()
    await asyncio.wait_for(in_line(turns, "a", went, until=time.time() + already), 5)
    assert went == ["a"]


async def test_when_it_is_closed_nothing_goes_on() -> None:
    turns = Turns(Fixed(1000))
    await turns.take(until=FOREVER)
    waiting = asyncio.create_task(turns.take(until=FOREVER))
    await asyncio.sleep(0)
    turns.close()
    await asyncio.sleep(0.05)
    assert not waiting.done()
    waiting.cancel()
