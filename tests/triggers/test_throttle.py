"""The pace of a crowd: what it makes of answers, 429s and failures, second by second, with a clock of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.triggers.throttle import Throttle

INF = float("inf")


def test_without_a_limit_nobody_waits() -> None:
    throttle = Throttle()
    for tick in range(1000):
        assert throttle.delay(tick / 1000) == 0
        throttle.sent(tick / 1000)
    assert throttle.rate(1.0) == INF


def limited_at(answers: int) -> Throttle:
    """Return a throttle that has seen so many answers in its first second, and then a 429."""
    throttle = Throttle()
    for index in range(answers):
        throttle.answered(index / answers * 0.5)
    assert throttle.refused(0.5, None)
    return throttle


@pytest.mark.parametrize(("answers", "rate"), [(0, 0.8), (1, 0.8), (50, 40), (1000, 800)])
def test_a_first_429_slows_down_below_what_was_taken(answers: int, rate: float) -> None:
    assert limited_at(answers).rate(0.5) == pytest.approx(rate)


def test_the_429s_of_calls_that_were_under_way_say_nothing_new() -> None:
    throttle = limited_at(50)
    assert [throttle.refused(0.5 + late, None) for late in (0.0, 0.5, 0.9)] == [False] * 3
    assert throttle.rate(0.5) == pytest.approx(40)


def test_each_further_429_slows_down_more_and_no_limit_begins_anew() -> None:
    throttle = limited_at(50)
    assert not throttle.refused(1.5, None)
    assert throttle.rate(1.5) == pytest.approx(40 * 1.02 * 0.8)


@pytest.mark.parametrize(
    ("seconds", "factor"),
    [(0, 1), (1, 1.02), (10, 1.02**10), (15, 1.02**15), (25, 1.02**15 * 1.1**10), (1e6, 1.02**15 * 1.1**85)],
)
def test_a_limit_is_felt_for_slowly_and_then_faster(seconds: float, factor: float) -> None:
    assert limited_at(50).rate(0.5 + seconds) == pytest.approx(40 * factor)


def test_however_often_it_is_refused_it_goes_on() -> None:
    throttle = limited_at(1)
    for second in range(1, 100):
        throttle.refused(0.5 + second, None)
    assert throttle.rate(99.5) >= 0.5


def test_retry_after_closes_for_as_long_as_it_says() -> None:
    throttle = Throttle()
    throttle.refused(10.0, 7.0)
    assert throttle.delay(10.0) == pytest.approx(7.0)
    assert throttle.delay(17.0) == 0


def test_the_pace_does_not_grow_while_all_are_held_back() -> None:
    throttle = Throttle()
    for index in range(50):
        throttle.answered(index / 100)
    throttle.refused(0.5, 30.0)
    assert [throttle.rate(at) for at in (0.5, 30.5)] == [pytest.approx(40), pytest.approx(40)]


@pytest.mark.parametrize(("retry_after", "seconds"), [(None, 1), (1.0, 1), (5.0, 1), (30.0, 6), (60.0, 12)])
def test_the_longer_a_server_asks_to_be_left_alone_the_slower_its_limit_is_felt_for(
    retry_after: float | None, seconds: float
) -> None:
    throttle = Throttle()
    for index in range(50):
        throttle.answered(index / 100)
    throttle.refused(0.5, retry_after)
    again = 0.5 + (retry_after or 0.0)
    assert throttle.rate(again + 2 * seconds) == pytest.approx(40 * 1.02**2)
    assert throttle.rate(again + 50 * seconds) == pytest.approx(40 * 1.02**15 * 1.1**35)


def test_calls_come_one_after_the_other() -> None:
    throttle = limited_at(50)
    assert throttle.delay(0.5) == 0
    throttle.sent(0.5)
    assert throttle.delay(0.5) == pytest.approx(1 / 40)


def test_what_is_late_is_made_up_for_a_little() -> None:
    throttle = limited_at(50)
    sent = 0
    while throttle.delay(10.0) <= 0:
        throttle.sent(10.0)
        sent += 1
    assert sent == pytest.approx(0.05 * throttle.rate(10.0), abs=1.01)


def test_a_limit_is_over_when_nobody_had_to_wait_for_ten_seconds() -> None:
    throttle = limited_at(50)
    throttle.held(5.0)
    assert not throttle.is_over(14.9)
    assert throttle.is_over(15.0)
    assert throttle.is_free
    assert not throttle.is_over(16.0)


def test_single_failures_hold_nobody_back() -> None:
    throttle = Throttle()
    for second in range(100):
        throttle.failed(float(second), 100, for_all=False)
        throttle.failed(second + 0.1, 100, for_all=False)
        throttle.answered(second + 0.2)
    assert throttle.is_free


def test_three_in_a_row_are_an_outage_and_each_probe_that_fails_makes_the_pause_longer() -> None:
    throttle = Throttle()
    now, pauses = 0.0, []
    for _ in range(3):
        throttle.failed(now, 100, for_all=False)
    for _ in range(6):
        pauses.append(throttle.delay(now))
        now += pauses[-1]
        throttle.sent(now)
        throttle.failed(now, 100, for_all=False)
    assert pauses == [pytest.approx(seconds) for seconds in (1, 2, 4, 8, 10, 10)]


def test_failures_beside_answers_are_no_outage() -> None:
    throttle = Throttle()
    for tick in range(200):
        throttle.failed(tick / 10, 100, for_all=False)
        if tick % 10 == 0:
            throttle.answered(tick / 10)
    assert throttle.is_free


def test_an_outage_is_known_two_seconds_after_the_last_answer() -> None:
    throttle = Throttle()
    throttle.answered(9.0)
    modes = []
    for tick in range(90, 120, 5):
        throttle.failed(tick / 10, 100, for_all=False)
        modes.append(throttle.is_free)
    assert modes == [True, True, True, True, False, False]


def test_what_fails_for_all_holds_all_back_at_once() -> None:
    throttle = Throttle()
    throttle.failed(0.0, 100, for_all=True)
    assert throttle.delay(0.0) == pytest.approx(1.0)


def test_while_nobody_knows_one_call_a_second_is_made() -> None:
    throttle = Throttle()
    throttle.failed(0.0, 100, for_all=True)
    throttle.sent(1.0)
    assert throttle.delay(1.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("crowd", "seconds", "rate"),
    [
        (100, 0, 5),
        (100, 1, 7.5),
        (100, 9, 10 * 1.02**9),
        (1, 9, 10 * 1.02**9),
        (10_000, 9, 5 * 1.5**9),
        (10_000, 30, 10_000 / 30 * 1.02**30),
        (10_000, 40, 10_000 / 30 * 1.02**30 * 1.1**10),
    ],
)
def test_after_an_outage_the_crowd_comes_back_faster_and_faster(crowd: int, seconds: float, rate: float) -> None:
    throttle = Throttle()
    throttle.failed(0.0, crowd, for_all=True)
    throttle.answered(1.0)
    assert throttle.rate(1.0 + seconds) == pytest.approx(rate)


def server(*, window: bool, limit: int) -> Generator[bool, float, None]:
    """Take the time of each call by ``send`` and say whether it is one too many."""
    recent: deque[float] = deque()
    refused = False
    while True:
        now = yield refused
        if window and recent and int(recent[-1]) != int(now):
            recent.clear()
        while not window and recent and recent[0] <= now - 1:
            recent.popleft()
        refused = len(recent) >= limit
        if not refused:
            recent.append(now)


@pytest.mark.parametrize("window", [True, False], ids=["by the clock's second", "by the last second"])
@pytest.mark.parametrize("retry_after", [None, 1.0], ids=["without Retry-After", "with Retry-After"])
@pytest.mark.parametrize("limit", [2, 50, 400])
def test_an_endless_crowd_finds_the_limit_and_stays_below_it(
    limit: int, retry_after: float | None, window: bool
) -> None:
    throttle, asked = Throttle(), server(window=window, limit=limit)
    next(asked)
    now, offered, taken = 0.0, [0] * 120, [0] * 120
    while now < 120:
        delay = throttle.delay(now)
        throttle.held(now)
        if delay > 0:
            now += delay
            continue
        throttle.sent(now)
        offered[int(now)] += 1
        if asked.send(now):
            throttle.refused(now, retry_after)
        else:
            taken[int(now)] += 1
            throttle.answered(now)
        # However free it is, no crowd is faster than this.
        now += 1e-4

    assert sum(offered[20:]) <= 1.2 * limit * 100
    assert max(sum(offered[at : at + 10]) for at in range(20, 110)) <= 1.2 * limit * 10
    assert sum(taken[20:]) >= 0.6 * limit * 100


def test_a_server_that_asks_each_time_for_half_a_minute_is_still_used() -> None:
    throttle, asked = Throttle(), server(window=False, limit=50)
    next(asked)
    now, refused, taken = 0.0, 0, 0
    while now < 600:
        delay = throttle.delay(now)
        throttle.held(now)
        if delay > 0:
            now += delay
            continue
        throttle.sent(now)
        if asked.send(now):
            throttle.refused(now, 30.0)
            refused += 1
        else:
            throttle.answered(now)
            taken += 1
        now += 1e-4

    assert taken >= 0.5 * 50 * 600
    assert refused <= 10


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["answered", "refused", "failed", "sent", "over"]),
            st.floats(0, 100),
            st.one_of(st.none(), st.floats(0, 300)),
        )
    )
)
def test_whatever_happens_the_next_call_may_be_made_within_minutes(
    events: list[tuple[str, float, float | None]],
) -> None:
    throttle, now = Throttle(), 0.0
    for event, seconds, retry_after in events:
        now += seconds
        match event:
            case "answered":
                throttle.answered(now)
            case "refused":
                throttle.refused(now, retry_after)
            case "failed":
                throttle.failed(now, 100, for_all=retry_after is None)
            case "sent":
                if throttle.delay(now) <= 0:
                    throttle.sent(now)
            case "over":
                throttle.is_over(now)
        assert 0 <= throttle.delay(now) <= 302
        assert throttle.rate(now) >= 0.5
