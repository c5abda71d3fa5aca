"""The queue in front of a server that asks for patience."""

from __future__ import annotations

import asyncio
import time

import pytest

from airflow_provider_runcomfy.triggers.throttle import Throttle
from airflow_provider_runcomfy.triggers.turns import Turns
from tests.triggers.clock import run

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


def turns_at(pace: float, at_once: int = 100) -> Turns:
    return Turns(Fixed(pace), at_once=at_once)


async def in_line(turns: Turns, name: str, went: list[str], *, until: float = FOREVER, urgent: bool = False) -> None:
    await turns.take(until=until, urgent=urgent)
    went.append(name)


async def test_who_came_first_goes_first_and_the_urgent_before_them() -> None:
    turns, went = turns_at(100), list[str]()
    crowd = [asyncio.create_task(in_line(turns, name, went)) for name in "abcd"]
    await asyncio.sleep(0)
    crowd.append(asyncio.create_task(in_line(turns, "e", went, urgent=True)))
    began = time.monotonic()
    await asyncio.gather(*crowd)

    assert "".join(went) == "aebcd"
    assert time.monotonic() - began >= 0.035


async def test_who_is_cancelled_costs_nobody_a_turn() -> None:
    throttle = Fixed(0)
    turns, went = Turns(throttle, at_once=100), list[str]()
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
    turns, went = turns_at(0), list[str]()
    await asyncio.wait_for(in_line(turns, "a", went, until=time.time() + already), 5)
    assert went == ["a"]


def test_when_it_is_closed_nothing_goes_on() -> None:
    async def main() -> None:
        turns = turns_at(1000)
        await turns.take(until=FOREVER)
        waiting = asyncio.create_task(turns.take(until=FOREVER))
        await asyncio.sleep(0)
        turns.close()
        await asyncio.sleep(1)
        assert not waiting.done()
        waiting.cancel()

    run(main())


async def test_only_so_many_are_under_way_at_once_and_who_ends_lets_the_next_one_go() -> None:
    turns, went = Turns(Throttle(), at_once=2), list[str]()
    crowd = [asyncio.create_task(in_line(turns, name, went)) for name in "abcd"]
    await asyncio.wait(crowd[:2], timeout=5)
    await asyncio.sleep(0.02)
    assert went == ["a", "b"]
    turns.give_back()
    await asyncio.wait_for(crowd[2], 5)
    assert went == ["a", "b", "c"]
    turns.give_back()
    await asyncio.wait_for(crowd[3], 5)


async def test_a_limit_that_begins_holds_back_who_waits_for_others_to_end() -> None:
    throttle = Throttle()
    turns, went = Turns(throttle, at_once=1), list[str]()
    crowd = [asyncio.create_task(in_line(turns, name, went)) for name in "ab"]
    await asyncio.wait_for(crowd[0], 5)
    throttle.refused(asyncio.get_running_loop().time(), 300.0)
    turns.give_back()
    await asyncio.sleep(0.05)
    assert went == ["a"]
    crowd[1].cancel()


async def test_who_is_cancelled_as_the_turn_comes_gives_it_back() -> None:
    turns, went = Turns(Throttle(), at_once=1), list[str]()
    await turns.take(until=FOREVER)
    second = asyncio.create_task(turns.take(until=FOREVER))
    third = asyncio.create_task(in_line(turns, "c", went))
    await asyncio.sleep(0)
    turns.give_back()
    turns._let_go()
    second.cancel()

    await asyncio.wait_for(third, 5)
    assert second.cancelled()


@pytest.mark.parametrize("already", [0.05, -100.0])
async def test_who_went_at_the_deadline_is_counted_and_gives_back(already: float) -> None:
    turns, went = Turns(Throttle(), at_once=1), list[str]()
    await turns.take(until=FOREVER)
    await turns.take(until=time.time() + already)
    waiting = asyncio.create_task(in_line(turns, "c", went))
    await asyncio.sleep(0)
    turns.give_back()
    await asyncio.sleep(0.02)
    assert not went
    turns.give_back()
    await asyncio.wait_for(waiting, 5)
