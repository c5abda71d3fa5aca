"""The queue and the account, on a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.api.types import CancelOutcome, RequestState
from airflow_provider_runcomfy.sandbox.catalogue import Clip
from airflow_provider_runcomfy.sandbox.engine import Engine, Request

CLIP = Clip("A cat", 5, "16:9", True, cost=840_000)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def engine_of(clock: Clock, *, queue: float = 2.0, run: float = 5.0, slots: int = 1, balance: int = 10**9) -> Engine:
    return Engine(queue_seconds=queue, run_seconds=run, concurrency=slots, balance=balance, clock=clock)


def submit(engine: Engine, error: object = None) -> Request:
    request = engine.submit("kling/model", {"prompt": "A cat"}, CLIP, owner="somebody", error=error)
    assert request is not None
    return request


@pytest.mark.parametrize(
    ("seconds", "first", "second", "position"),
    [
        pytest.param(0, "in_queue", "in_queue", 1, id="both wait for the queue time"),
        pytest.param(1.9, "in_queue", "in_queue", 1, id="still"),
        pytest.param(2, "in_progress", "in_queue", 0, id="the first runs: the second is next"),
        pytest.param(6.9, "in_progress", "in_queue", 0, id="one slot: the second waits on"),
        pytest.param(7, "succeeded", "in_progress", None, id="the first ends: the second runs"),
        pytest.param(12, "succeeded", "succeeded", None, id="both have ended"),
        pytest.param(1000, "succeeded", "succeeded", None, id="nobody looked for a long time"),
    ],
)
def test_with_one_slot_the_second_request_waits(seconds: float, first: str, second: str, position: int | None) -> None:
    clock = Clock()
    engine = engine_of(clock)
    one, two = submit(engine), submit(engine)
    clock.now += seconds
    assert [request.state for request in engine.all()] == [first, second]
    assert engine.queue_position(two) == position
    assert one.started in (None, 1002.0)
    assert two.started in (None, 1007.0)
    assert two.finished in (None, 1012.0)


def test_with_two_slots_two_requests_run_at_once() -> None:
    clock = Clock()
    engine = engine_of(clock, slots=2)
    for _ in range(3):
        submit(engine)
    clock.now += 2
    assert [request.state for request in engine.all()] == ["in_progress", "in_progress", "in_queue"]


def test_the_position_moves_up_when_a_request_ahead_is_cancelled() -> None:
    engine = engine_of(Clock())
    requests = [submit(engine) for _ in range(3)]
    assert [engine.queue_position(request) for request in requests] == [0, 1, 2]
    engine.cancel(requests[0])
    assert [engine.queue_position(request) for request in requests] == [None, 0, 1]


@pytest.mark.parametrize(
    ("seconds", "outcome", "state"),
    [
        pytest.param(1, CancelOutcome.CANCELLED, RequestState.CANCELLED, id="queued"),
        pytest.param(3, CancelOutcome.NOT_CANCELLABLE, RequestState.IN_PROGRESS, id="running"),
        pytest.param(8, CancelOutcome.NOT_CANCELLABLE, RequestState.SUCCEEDED, id="ended"),
    ],
)
def test_only_a_queued_request_can_be_cancelled(seconds: float, outcome: CancelOutcome, state: RequestState) -> None:
    clock = Clock()
    engine = engine_of(clock)
    request = submit(engine)
    clock.now += seconds
    assert (engine.cancel(request), request.state) == (outcome, state)
    assert (engine.cancel(request), request.state) == (outcome, state), "a repeat changes nothing"


def test_a_submit_is_charged_at_once_and_given_back_only_when_cancelled() -> None:
    clock = Clock()
    engine = engine_of(clock, balance=2_000_000)
    cancelled = submit(engine)
    assert engine.balance == 1_160_000
    engine.cancel(cancelled)
    engine.cancel(cancelled)
    assert engine.balance == 2_000_000
    failed = submit(engine, error="bad luck")
    submit(engine)
    clock.now += 100
    assert engine.find(failed.request_id) is failed
    assert failed.state is RequestState.FAILED
    assert engine.balance == 320_000
    assert [request.charged for request in engine.all()] == [0, 840_000, 840_000]


def test_a_submit_that_the_balance_does_not_cover_leaves_no_trace() -> None:
    engine = engine_of(Clock(), balance=839_999)
    assert engine.submit("kling/model", {}, CLIP, owner="somebody") is None
    assert engine.all() == []
    assert engine.balance == 839_999


@given(
    gaps=st.lists(st.integers(0, 6), min_size=1, max_size=30),
    queue=st.integers(0, 5),
    run=st.integers(0, 5),
    slots=st.integers(1, 4),
    looks=st.lists(st.integers(0, 5), max_size=30),
)
def test_a_queue_is_first_in_first_out_and_never_overbooked(
    gaps: list[int], queue: int, run: int, slots: int, looks: list[int]
) -> None:
    clock = Clock()
    engine = engine_of(clock, queue=queue, run=run, slots=slots)
    for gap in gaps:
        clock.now += gap
        submit(engine)
    for look in looks:
        clock.now += look
        engine.all()
    clock.now += 10_000
    requests = engine.all()
    starts = [request.started or 0.0 for request in requests]
    assert starts == sorted(starts)
    for number, request in enumerate(requests):
        started = starts[number]
        # As early as the queue time and the slots allow, and not a moment earlier.
        slot_free = sorted(start + run for start in starts[:number])[-slots] if number >= slots else 0.0
        assert started == max(request.created + queue, slot_free)
        assert request.finished == started + run
