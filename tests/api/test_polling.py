"""When to poll again and when to give up: tables of (answer, time) -> step, and any sequence of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_runcomfy.api.errors import (
    AuthenticationError,
    ForbiddenError,
    InsufficientBalanceError,
    InvalidSettingsError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    RefusedError,
    RunComfyError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.polling import Ask, End, Ending, Poller, Step
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState, RequestStatus

START, DEADLINE = 1000.0, 4600.0
STATUS, RESULT = Ask.STATUS, Ask.RESULT
WAITING = [RequestState.IN_QUEUE, RequestState.IN_PROGRESS, RequestState.UNKNOWN]


def poller(
    *,
    spread: float = 0.5,
    deadline: float = DEADLINE,
    submitted_at: float | None = None,
    poll_interval: float = 5.0,
    max_poll_interval: float = 30.0,
) -> Poller:
    """Return a poller with the intervals 5 s to 30 s; a spread of 0.5 leaves the pace as it is."""
    return Poller(
        now=START,
        deadline=deadline,
        poll_interval=poll_interval,
        max_poll_interval=max_poll_interval,
        submitted_at=submitted_at,
        spread=lambda: spread,
    )


def status(state: RequestState) -> RequestStatus:
    return RequestStatus("r", state)


def result(state: RequestState, error: str | None = None) -> GenerationResult:
    return GenerationResult("r", state, error=error)


def about(seconds: float) -> Any:
    return pytest.approx(seconds)


def limited(seconds: float | None) -> RateLimitedError:
    error = RateLimitedError("slow down")
    error.retry_after = seconds
    return error


# --- The first step --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "delay", "step"),
    [
        (START, 0.0, Step(STATUS, 0.0)),
        (START, 7.0, Step(STATUS, 9.5)),
        (DEADLINE - 5, 7.0, Step(RESULT, 5.0)),
        (DEADLINE - 9, 7.0, Step(RESULT, 9.0)),
        (DEADLINE, 0.0, Step(RESULT, 0.0)),
        (DEADLINE + 99, 7.0, Step(RESULT, 0.0)),
    ],
)
def test_the_first_step(now: float, delay: float, step: Step) -> None:
    assert poller().first(now, delay=delay) == step


def test_the_first_step_knows_of_nobody_ahead() -> None:
    assert poller(spread=1.0, poll_interval=0.5).first(START, delay=1.0) == Step(STATUS, 1.5)


def test_the_first_step_is_at_once_unless_a_delay_is_asked_for() -> None:
    assert poller(spread=1.0).first(START) == Step(STATUS, 0.0)


@pytest.mark.parametrize("spread", [0.0, 0.25, 1.0])
@pytest.mark.parametrize(("waited", "interval"), [(0, 5), (200, 20), (3000, 30)])
def test_waiters_that_begin_together_are_spread_over_one_interval_of_theirs(
    spread: float, waited: float, interval: float
) -> None:
    """As all triggers do when their triggerer is started anew."""
    first = poller(spread=spread, submitted_at=START - waited).first(START, delay=5.0)
    assert first == Step(STATUS, about(5 + spread * interval))


# --- After a status --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", WAITING)
@pytest.mark.parametrize(
    ("waited", "delay"), [(0, 5), (50, 5), (60, 6), (200, 20), (300, 30), (3000, 30)], ids=lambda value: f"{value} s"
)
def test_polls_spread_out_as_the_wait_goes_on(state: RequestState, waited: float, delay: float) -> None:
    assert poller().on_status(status(state), START + waited) == Step(STATUS, about(delay))


@pytest.mark.parametrize(
    ("position", "waited", "delay"),
    [(None, 0, 5), (0, 0, 5), (4, 0, 5), (5, 0, 5), (12, 0, 12), (12, 200, 20), (30, 0, 30), (10_000, 0, 30)],
)
def test_who_is_far_back_in_the_queue_is_asked_for_less_often(
    position: int | None, waited: float, delay: float
) -> None:
    far_back = RequestStatus("r", RequestState.IN_QUEUE, position)
    assert poller().on_status(far_back, START + waited) == Step(STATUS, about(delay))


@pytest.mark.parametrize(
    "answer",
    [
        RequestStatus("r", RequestState.IN_QUEUE, 0),
        status(RequestState.IN_QUEUE),
        status(RequestState.IN_PROGRESS),
        RequestStatus("r", RequestState.IN_PROGRESS, 12),
    ],
    ids=["first in the queue", "in the queue", "running", "running, with a place"],
)
def test_who_has_nobody_ahead_is_asked_for_at_the_shortest_interval(answer: RequestStatus) -> None:
    assert poller(poll_interval=0.5).on_status(answer, START) == Step(STATUS, about(0.5))


def test_the_pace_of_a_run_counts_from_its_begin_so_that_a_short_one_is_not_waited_for_long() -> None:
    waiting = poller()
    steps = [
        waiting.on_status(RequestStatus("r", RequestState.IN_QUEUE, 40), START + 5),
        waiting.on_status(RequestStatus("r", RequestState.IN_QUEUE, 2), START + 1000),
        waiting.on_status(status(RequestState.IN_PROGRESS), START + 1030),
        waiting.on_status(status(RequestState.IN_PROGRESS), START + 1100),
    ]
    assert steps == [Step(STATUS, about(delay)) for delay in (30, 30, 5, 7)]


def test_it_knows_when_a_poll_first_saw_the_request_running() -> None:
    seen = poller()
    assert seen.running_since is None
    for state, now in [
        (RequestState.IN_QUEUE, START + 5),
        (RequestState.IN_PROGRESS, START + 12),
        (RequestState.IN_PROGRESS, START + 20),
    ]:
        seen.on_status(status(state), now)

    assert seen.running_since == START + 12


def test_it_knows_what_the_last_call_failed_with_until_one_is_answered() -> None:
    seen = poller()
    said = [seen.last_error]
    seen.on_error(UnavailableError("no answer"), STATUS, START + 5)
    said.append(seen.last_error)
    seen.on_status(status(RequestState.IN_QUEUE), START + 10)

    assert [*said, seen.last_error] == ["", "no answer", ""]


@pytest.mark.parametrize(("spread", "delay"), [(0.0, 4.5), (0.5, 5.0), (1.0, 5.5)])
def test_the_polls_of_many_waiters_are_spread(spread: float, delay: float) -> None:
    assert poller(spread=spread).on_status(status(RequestState.IN_QUEUE), START) == Step(STATUS, about(delay))


def test_the_pace_counts_from_the_submit() -> None:
    attached = poller(submitted_at=START - 200)
    assert attached.on_status(status(RequestState.IN_QUEUE), START) == Step(STATUS, about(20))


@pytest.mark.parametrize("given", [0.0, -1.0, 1e-9, 0.05, float("nan"), float("-inf")], ids=str)
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_no_interval_makes_a_hot_loop(given: float, spread: float) -> None:
    waiting = poller(spread=spread, poll_interval=given, max_poll_interval=given)
    steps = [
        waiting.on_status(status(RequestState.IN_QUEUE), START),
        waiting.on_result(result(RequestState.IN_QUEUE), START),
        waiting.on_error(limited(0.0), STATUS, START),
        *(waiting.on_error(InvalidSettingsError("no connection"), STATUS, START) for _ in range(9)),
    ]
    assert all(isinstance(step, Step) and step.delay >= 0.09 for step in steps)


@pytest.mark.parametrize("state", [RequestState.COMPLETED, RequestState.SUCCEEDED, RequestState.FAILED])
def test_a_request_that_has_ended_is_asked_for_its_result_at_once(state: RequestState) -> None:
    assert poller().on_status(status(state), START + 9) == Step(RESULT, 0.0)


def test_a_cancelled_request_ends_the_wait() -> None:
    assert poller().on_status(status(RequestState.CANCELLED), START) == Ending(End.CANCELLED)


# --- After a result --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (result(RequestState.SUCCEEDED), Ending(End.SUCCEEDED, result(RequestState.SUCCEEDED))),
        (result(RequestState.SUCCEEDED, "Odd."), Ending(End.SUCCEEDED, result(RequestState.SUCCEEDED, "Odd."), "Odd.")),
        (result(RequestState.FAILED, "No."), Ending(End.FAILED, result(RequestState.FAILED, "No."), "No.")),
        (result(RequestState.FAILED), Ending(End.FAILED, result(RequestState.FAILED), "")),
        (result(RequestState.CANCELLED), Ending(End.CANCELLED)),
    ],
    ids=["succeeded", "succeeded with an error", "failed", "failed without a reason", "cancelled"],
)
@pytest.mark.parametrize("now", [START, DEADLINE - 1, DEADLINE, DEADLINE + 1e6])
def test_a_final_result_ends_the_wait_at_any_time(answer: GenerationResult, ending: Ending, now: float) -> None:
    assert poller().on_result(answer, now) == ending


@pytest.mark.parametrize("state", [*WAITING, RequestState.COMPLETED])
def test_any_other_result_is_waited_for(state: RequestState) -> None:
    assert poller().on_result(result(state), START) == Step(STATUS, about(5))


def test_failed_on_status_is_believed_when_the_result_does_not_say_so_three_times() -> None:
    waiting = poller()
    waiting.on_status(status(RequestState.FAILED), START)
    late = result(RequestState.IN_PROGRESS)
    assert waiting.on_result(late, START + 1) == Step(RESULT, about(5))
    assert waiting.on_result(late, START + 6) == Step(RESULT, about(5))
    assert waiting.on_result(late, START + 11) == Ending(End.FAILED, late, "RunComfy gave no reason")


@pytest.mark.parametrize("state", [RequestState.SUCCEEDED, RequestState.FAILED, RequestState.CANCELLED])
def test_a_result_that_comes_later_than_failed_on_status_counts(state: RequestState) -> None:
    waiting = poller()
    waiting.on_status(status(RequestState.FAILED), START)
    waiting.on_result(result(RequestState.IN_PROGRESS), START + 1)
    ending = waiting.on_result(result(state), START + 6)
    assert isinstance(ending, Ending)
    assert ending.end.value == state.value


def test_failed_on_status_is_believed_at_the_deadline() -> None:
    waiting = poller()
    assert waiting.on_status(status(RequestState.FAILED), DEADLINE) == Step(RESULT, 0.0)
    late = result(RequestState.IN_PROGRESS)
    assert waiting.on_result(late, DEADLINE) == Ending(End.FAILED, late, "RunComfy gave no reason")


def test_failed_on_status_is_not_believed_against_the_result() -> None:
    waiting = poller()
    waiting.on_status(status(RequestState.FAILED), START)
    ending = waiting.on_result(result(RequestState.SUCCEEDED), START + 1)
    assert isinstance(ending, Ending)
    assert ending.end is End.SUCCEEDED


# --- After an error --------------------------------------------------------------------------------------------------

BORNE = [
    UnavailableError("x"),
    NotSentError("x"),
    RateLimitedError("x"),
    RefusedError("x"),
    InsufficientBalanceError("x"),
    InvalidSettingsError("x"),
    NotFoundError("x"),
    RunComfyError("x"),
]


@pytest.mark.parametrize("ask", list(Ask))
@pytest.mark.parametrize("error", BORNE, ids=lambda error: type(error).__name__)
def test_failed_polls_back_off_and_ask_the_same_again(error: RunComfyError, ask: Ask) -> None:
    waiting = poller(spread=1.0)
    steps = [waiting.on_error(error, ask, START + 10) for _ in range(6)]
    assert steps == [Step(ask, delay) for delay in (10, 20, 40, 60, 60, 60)]


def test_the_back_off_is_doubled_sixteen_times_at_most_however_long_an_outage_is() -> None:
    waiting = poller(spread=1.0, deadline=1e12, max_poll_interval=1e9)
    steps = [waiting.on_error(UnavailableError("x"), STATUS, START) for _ in range(1100)]
    assert steps[14:] == [Step(STATUS, 5.0 * 2**15), *[Step(STATUS, 5.0 * 2**16)] * 1085]


def test_the_back_off_is_spread_over_its_second_half() -> None:
    assert poller(spread=0.0).on_error(UnavailableError("x"), STATUS, START) == Step(STATUS, 5.0)


def test_an_answer_ends_the_back_off() -> None:
    waiting = poller(spread=1.0)
    for _ in range(5):
        waiting.on_error(UnavailableError("x"), STATUS, START)
    waiting.on_status(status(RequestState.IN_QUEUE), START)
    assert waiting.on_error(UnavailableError("x"), STATUS, START) == Step(STATUS, 10.0)


@pytest.mark.parametrize(
    ("retry_after", "spread", "delay"),
    [(120.0, 0.0, 120.0), (120.0, 1.0, 132.0), (7.0, 0.0, 7.0), (0.0, 0.0, 5.0), (1.0, 0.0, 5.0)],
)
def test_retry_after_is_honoured_and_never_shorter_than_the_interval(
    retry_after: float, spread: float, delay: float
) -> None:
    step = poller(spread=spread).on_error(limited(retry_after), STATUS, START)
    assert step == Step(STATUS, about(delay))


def test_retry_after_does_not_reach_beyond_the_deadline() -> None:
    assert poller().on_error(limited(3600), STATUS, DEADLINE - 100) == Step(RESULT, 100.0)


@pytest.mark.parametrize(
    ("submitted_at", "now", "ended"),
    [
        (None, START + 59, False),
        (None, START + 60, True),
        (START - 50, START + 9, False),
        (START - 50, START + 10, True),
        (START - 3600, START, True),
        (START + 3600, START + 59, False),
        (None, START - 3600, False),
        (START - 3600, START - 3600, False),
    ],
)
def test_not_found_is_borne_for_a_minute_after_the_submit(submitted_at: float | None, now: float, ended: bool) -> None:
    after = poller(submitted_at=submitted_at).on_error(NotFoundError("gone"), STATUS, now)
    assert (after == Ending(End.NOT_FOUND, reason="gone")) is ended


def test_a_request_of_somebody_else_ends_the_wait() -> None:
    assert poller().on_error(ForbiddenError("not yours"), STATUS, START) == Ending(End.FORBIDDEN, reason="not yours")


def test_the_grace_counts_anew_after_a_clock_is_set_back() -> None:
    waiting = poller()
    assert isinstance(waiting.on_error(NotFoundError("gone"), STATUS, START - 3600), Step)
    assert isinstance(waiting.on_error(NotFoundError("gone"), STATUS, START - 3541), Step)
    assert waiting.on_error(NotFoundError("gone"), STATUS, START - 3540) == Ending(End.NOT_FOUND, reason="gone")


@pytest.mark.parametrize("ask", list(Ask))
@pytest.mark.parametrize(("interval", "delay"), [(0.5, 5.0), (5.0, 5.0), (20.0, 20.0)])
def test_a_refused_token_is_read_once_more_after_a_pause(ask: Ask, interval: float, delay: float) -> None:
    waiting = poller(poll_interval=interval)
    assert waiting.on_error(AuthenticationError("401"), ask, START) == Step(ask, delay, reread_connection=True)
    assert waiting.on_error(AuthenticationError("401"), ask, START) == Ending(End.UNAUTHENTICATED, reason="401")


def test_a_refused_token_is_read_once_more_before_the_deadline() -> None:
    step = poller().on_error(AuthenticationError("401"), STATUS, DEADLINE - 2)
    assert step == Step(STATUS, 2.0, reread_connection=True)


def test_a_token_that_was_replaced_may_be_replaced_again() -> None:
    waiting = poller()
    for _ in range(3):
        step = waiting.on_error(AuthenticationError("401"), STATUS, START)
        assert step == Step(STATUS, 5.0, reread_connection=True)
        waiting.on_status(status(RequestState.IN_QUEUE), START)


def test_an_outage_between_two_refusals_is_no_new_token() -> None:
    waiting = poller()
    waiting.on_error(AuthenticationError("401"), STATUS, START)
    waiting.on_error(UnavailableError("503"), STATUS, START)
    assert waiting.on_error(AuthenticationError("401"), STATUS, START) == Ending(End.UNAUTHENTICATED, reason="401")


# --- The deadline ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [0.0, 3.0, 4.9, 30.0], ids=lambda left: f"{left} s left")
def test_the_last_look_is_at_the_result_and_at_the_deadline(left: float) -> None:
    waiting = poller()
    assert waiting.on_status(status(RequestState.IN_QUEUE), DEADLINE - left) == Step(RESULT, about(left))
    assert waiting.on_result(result(RequestState.IN_QUEUE), DEADLINE) == Ending(End.TIMED_OUT)


def test_the_last_look_may_find_a_success() -> None:
    waiting = poller()
    waiting.on_status(status(RequestState.IN_PROGRESS), DEADLINE - 1)
    ending = waiting.on_result(result(RequestState.SUCCEEDED), DEADLINE)
    assert ending == Ending(End.SUCCEEDED, result(RequestState.SUCCEEDED))


def test_a_status_that_comes_late_still_leads_to_the_result() -> None:
    waiting = poller()
    assert waiting.on_status(status(RequestState.COMPLETED), DEADLINE + 30) == Step(RESULT, 0.0)


def test_a_time_out_says_what_went_wrong_last() -> None:
    waiting = poller()
    waiting.on_status(status(RequestState.IN_QUEUE), DEADLINE)
    assert waiting.on_error(UnavailableError("HTTP 503"), RESULT, DEADLINE + 1) == Ending(
        End.TIMED_OUT, reason="HTTP 503"
    )


def test_a_token_refused_at_the_last_look_is_read_once_more_at_once() -> None:
    waiting = poller()
    waiting.on_status(status(RequestState.IN_QUEUE), DEADLINE)
    assert waiting.on_error(AuthenticationError("401"), RESULT, DEADLINE) == Step(RESULT, 0.0, reread_connection=True)
    assert waiting.on_result(result(RequestState.IN_QUEUE), DEADLINE) == Ending(End.TIMED_OUT)


def test_a_clock_that_is_set_back_does_not_cost_the_look_at_the_deadline() -> None:
    waiting = poller()
    assert waiting.on_status(status(RequestState.IN_QUEUE), DEADLINE) == Step(RESULT, 0.0)
    assert waiting.on_result(result(RequestState.IN_QUEUE), DEADLINE - 600) == Step(STATUS, about(30))
    assert waiting.on_status(status(RequestState.IN_QUEUE), DEADLINE - 1) == Step(RESULT, about(1))
    assert waiting.on_result(result(RequestState.IN_QUEUE), DEADLINE) == Ending(End.TIMED_OUT)


# --- Any sequence ----------------------------------------------------------------------------------------------------

ERRORS = st.sampled_from(
    [*BORNE, AuthenticationError("401"), ForbiddenError("403"), *(limited(s) for s in (0.0, 3.0, 90.0, 3600.0))]
)
EVENTS = st.tuples(st.sampled_from(list(RequestState)) | ERRORS, st.sampled_from([0.0, 0.1, 3.0, 40.0]))
CERTAIN = {
    End.SUCCEEDED: RequestState.SUCCEEDED,
    End.FAILED: RequestState.FAILED,
    End.CANCELLED: RequestState.CANCELLED,
    End.FORBIDDEN: ForbiddenError,
    End.NOT_FOUND: NotFoundError,
    End.UNAUTHENTICATED: AuthenticationError,
}


@settings(max_examples=400)
@given(
    events=st.lists(EVENTS, min_size=1, max_size=60),
    budget=st.integers(0, 2000),
    interval=st.floats(1, 60),
    longest=st.floats(1, 120),
    spread=st.floats(0, 1),
    submitted=st.none() | st.floats(0, 500),
)
# A usual look at the result less than a microsecond before the deadline.
@example(events=[(RequestState.COMPLETED, 0.1)], budget=142, interval=1.0, longest=1.0, spread=0.0, submitted=None)
def test_any_wait(
    events: list[tuple[RequestState | RunComfyError, float]],
    budget: int,
    interval: float,
    longest: float,
    spread: float,
    submitted: float | None,
) -> None:
    """Answers without end; each takes its time to come, and each step is waited for."""
    deadline = START + budget
    waiting = Poller(
        now=START,
        deadline=deadline,
        poll_interval=interval,
        max_poll_interval=longest,
        submitted_at=None if submitted is None else START - submitted,
        spread=lambda: spread,
    )
    now, looks_after, seen = START, 0, []
    step: Step | Ending = waiting.first(now)
    for number in range(20_000):
        if isinstance(step, Ending):
            break
        event, takes = events[number % len(events)]
        reread = step.reread_connection
        assert step.delay >= 0
        left = deadline - now
        now += step.delay
        assert step.delay <= max(left, 0.0)
        if step.delay >= left:
            looks_after += step.ask is RESULT and not reread
            assert step.ask is RESULT or reread
        now += takes
        ask = step.ask
        if isinstance(event, RunComfyError):
            step = waiting.on_error(event, ask, now)
        elif ask is STATUS:
            # What the wire layer makes of a success on /status.
            event = RequestState.COMPLETED if event is RequestState.SUCCEEDED else event
            step = waiting.on_status(status(event), now)
        else:
            step = waiting.on_result(result(event), now)
        seen.append((ask, event))
        if isinstance(step, Step):
            usual = max(interval, longest) * 1.1
            asked_for = event.retry_after if isinstance(event, RateLimitedError) else None
            most = max(usual, 60.0) if asked_for is None else max(asked_for, interval) * 1.1
            assert step.delay <= most + 1e-6
            if asked_for is not None and now + asked_for < deadline:
                assert step.delay >= min(asked_for, deadline - now) - 1e-6
    assert isinstance(step, Ending)
    assert looks_after <= 1
    ask, last = seen[-1]
    if step.end is End.TIMED_OUT:
        assert now >= deadline - 1e-6
        assert (ask, looks_after) == (RESULT, 1)
    elif step.end is End.FAILED and (ask, last) != (RESULT, RequestState.FAILED):
        assert (STATUS, RequestState.FAILED) in seen
    else:
        kind: Any = CERTAIN[step.end]
        assert last is kind if isinstance(kind, RequestState) else isinstance(last, kind)
    if step.end is End.SUCCEEDED:
        assert ask is RESULT
    if step.end is End.NOT_FOUND:
        assert now - START + (submitted or 0.0) >= 60
    if step.end is End.UNAUTHENTICATED:
        assert sum(isinstance(event, AuthenticationError) for _, event in seen) >= 2
