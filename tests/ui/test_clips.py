"""What the page shows of each request, from all that the tasks of a run tell of it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runcomfy.record import Outcome
from airflow_provider_runcomfy.ui.clips import Clip, clips_of, is_live
from airflow_provider_runcomfy.ui.found import RunFacts
from tests.ui.parts import CLIP, PRO, line, progress, result, run, submission, task


def the_clip(facts: RunFacts) -> Clip:
    [clip] = clips_of(facts)
    return clip


def test_a_finished_clip_has_everything() -> None:
    told = progress(state="succeeded", running_since=1795687230.0)
    generate = task(submissions=[submission(outcome=Outcome.SUCCEEDED)], returned=result(), told=told)
    copy = task("copy", operator="RunComfyToS3Operator", returned=[line()])

    clip = the_clip(run(generate, copy))

    assert (clip.request_id, clip.state, clip.model_id, clip.inputs) == ("r-1", "succeeded", PRO, CLIP)
    assert (clip.cost_usd, clip.error, clip.attention) == (0.336, None, None)
    assert clip.tasks == [("generate", -1), ("copy", -1)]
    [file] = clip.files
    assert [place.copy.uri for place in file.places] == ["s3://videos/r-1/0.mp4"]
    assert (clip.times.queue_seconds, clip.times.run_seconds, clip.times.total_seconds) == (30.0, 60.0, 90.0)


def test_a_cost_in_a_record_that_nothing_can_cost_is_not_counted() -> None:
    paid = [submission(f"r-{number}", outcome=Outcome.SUCCEEDED, cost_usd=1.7e308) for number in (1, 2)]

    assert [clip.cost_usd for clip in clips_of(run(task(submissions=paid)))] == [None, None]


@pytest.mark.parametrize("running_since", [None, 1795687199.0, 1795687291.0], ids=["untold", "too early", "too late"])
def test_times_that_cannot_be_are_left_out(running_since: float | None) -> None:
    generate = task(returned=result(), told=progress(state="succeeded", running_since=running_since))

    times = the_clip(run(generate)).times

    assert (times.queue_seconds, times.run_seconds, times.total_seconds) == (None, None, 90.0)


def test_a_waiting_one_says_where_it_stands() -> None:
    generate = task(state="deferred", submissions=[submission()], told=progress())

    clip = the_clip(run(generate, state="running"))

    assert (clip.state, clip.queue_position, clip.told_at) == ("in_queue", 3, "2026-11-26T10:00:20+00:00")
    assert (clip.files, clip.attention) == ([], None)


def test_a_running_one_has_no_place_in_the_queue() -> None:
    generate = task(state="deferred", submissions=[submission()], told=progress(state="in_progress"))

    clip = the_clip(run(generate, state="running"))

    assert (clip.state, clip.queue_position) == ("in_progress", None)


def test_submit_sensor_and_copy_tell_of_one_clip() -> None:
    submit = task("submit", operator="RunComfySubmitOperator", submissions=[submission()], ids=["r-1"])
    wait = task("wait", operator="RunComfyRequestSensor", returned=result())
    copy = task("copy", operator="RunComfyToS3Operator", returned=[line()])

    clip = the_clip(run(submit, wait, copy))

    assert clip.tasks == [("submit", -1), ("wait", -1), ("copy", -1)]
    assert (clip.state, clip.inputs, clip.attention) == ("succeeded", CLIP, None)


def test_the_result_of_a_list_and_mapped_tasks_are_clips_of_their_own() -> None:
    wait = task("wait", returned=[result("r-1"), result("r-2")])
    mapped = [task("generate", index, returned=result(f"m-{index}")) for index in range(3)]

    clips = clips_of(run(wait, *mapped))

    assert sorted(str(clip.request_id) for clip in clips) == ["m-0", "m-1", "m-2", "r-1", "r-2"]


@pytest.mark.parametrize(
    ("outcome", "detail"),
    [(Outcome.FAILED, "out of memory"), (Outcome.MODERATED, "not allowed"), (Outcome.CANCELLED, "by somebody")],
)
def test_one_that_ended_badly_says_why_and_hides_nothing_paid_for(outcome: Outcome, detail: str) -> None:
    generate = task(state="failed", submissions=[submission(outcome=outcome, detail=detail, cost_usd=0.5)])

    clip = the_clip(run(generate, state="failed"))

    assert (clip.state, clip.error, clip.cost_usd, clip.attention) == (outcome.value, detail, 0.5, None)


@pytest.mark.parametrize(
    ("outcome", "attention"),
    [
        (None, "Submitted, and not handed over: no task waits for it any more."),
        (Outcome.SUCCEEDED, "Paid for, and not handed over: it has succeeded"),
        (Outcome.GONE, "Paid for, and not handed over: RunComfy does not have it any more."),
    ],
)
def test_what_was_paid_for_and_not_handed_over_stands_out(outcome: Outcome | None, attention: str) -> None:
    generate = task(state="failed", submissions=[submission(outcome=outcome)], told=progress(state="in_progress"))

    clip = the_clip(run(generate, state="failed"))

    assert (clip.attention or "").startswith(attention)
    assert clip.state == (outcome.value if outcome else "unknown")


def test_one_that_a_later_submit_has_replaced_stands_out() -> None:
    submissions = [submission("r-1"), submission("r-2", Outcome.SUCCEEDED)]
    clips = clips_of(run(task(submissions=submissions, returned=result("r-2"))))

    assert {clip.request_id: clip.attention for clip in clips} == {
        "r-1": "Paid for, and replaced by a later submit of this task: no task of this run has its result now, "
        "although it may have been handed over before.",
        "r-2": None,
    }


@pytest.mark.parametrize("state", ["running", "deferred", "up_for_retry", "queued", None])
def test_one_that_its_task_may_still_take_up_does_not(state: str | None) -> None:
    generate = task(state=state, submissions=[submission()])
    assert the_clip(run(generate, state="running")).attention is None


def test_an_id_that_was_handed_on_is_awaited_until_the_run_has_ended() -> None:
    submit = task("submit", operator="RunComfySubmitOperator", submissions=[submission()], ids=["r-1"])
    failed = task("wait", operator="RunComfyRequestSensor", state="failed", told=progress(state="in_progress"))

    going_on, without_waiter = the_clip(run(submit, state="running")), the_clip(run(submit))
    lost = the_clip(run(submit, failed, state="failed"))

    assert (going_on.attention, going_on.state) == (None, "submitted")
    assert (without_waiter.attention, without_waiter.state) == (None, "submitted")
    assert (lost.attention or "").startswith("Submitted, and not handed over")
    assert lost.state == "unknown"


def test_one_whose_task_a_person_marked_successful_while_it_waited_stands_out() -> None:
    generate = task(submissions=[submission(deadline=1795690800.0)], ids=["r-1"], told=progress(state="in_progress"))

    clip = the_clip(run(generate))

    assert clip.state == "unknown"
    assert (clip.attention or "").startswith("Submitted, and not handed over: no task waits for it any more.")


def test_one_that_was_given_up_before_anybody_looked_is_not_known() -> None:
    assert the_clip(run(task(state="failed", submissions=[submission()]), state="failed")).state == "unknown"


@pytest.mark.parametrize(
    ("state", "expected", "stands_out"),
    [("running", "submitting", False), ("failed", "unknown_submission", True), ("success", "unknown_submission", True)],
)
def test_a_submit_without_an_id_stands_out_unless_it_is_under_way(state: str, expected: str, stands_out: bool) -> None:
    clip = the_clip(run(task(state=state, submissions=[submission(None)])))

    assert (clip.request_id, clip.state, bool(clip.attention)) == (None, expected, stands_out)
    assert clip.inputs == CLIP


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_an_end_that_only_the_sensor_has_seen_is_no_riddle(state: str) -> None:
    submit = task("submit", operator="RunComfySubmitOperator", submissions=[submission()], ids=["r-1"])
    wait = task("wait", operator="RunComfyRequestSensor", state="failed", told=progress(state=state))
    told_why = progress(state=state, error="out of memory", cost_usd=0.5)
    wait_of_now = task("wait", operator="RunComfyRequestSensor", state="failed", told=told_why)

    of_an_older_version = the_clip(run(submit, wait, state="failed"))
    clip = the_clip(run(submit, wait_of_now, state="failed"))

    assert (clip.state, clip.attention, clip.error, clip.cost_usd) == (state, None, "out of memory", 0.5)
    assert of_an_older_version.error == ("The log of the task says why." if state == "failed" else None)


@pytest.mark.parametrize("told", ["completed", "succeeded", "unknown"])
def test_an_end_is_no_result_before_the_task_has_it(told: str) -> None:
    clip = the_clip(run(task(state="deferred", submissions=[submission()], told=progress(state=told)), state="running"))
    assert clip.state == "in_progress"


def test_a_submit_that_was_refused_is_no_clip() -> None:
    assert clips_of(run(task(state="failed", submissions=[submission(None, Outcome.REFUSED)]))) == []


def test_a_record_that_cannot_be_read_stands_out() -> None:
    broken = task(state="failed")
    broken.record_error = "its version is 9"

    clip = the_clip(run(broken))

    assert "its version is 9" in (clip.attention or "")


def test_before_the_task_state_store_fields_and_results_tell() -> None:
    fields = {"inputs": CLIP, "model_id": PRO}
    waiting = task(state="deferred", ids=["r-1"], told=progress(), fields=fields)

    clip = the_clip(run(waiting, state="running"))

    assert (clip.inputs, clip.model_id, clip.state, clip.attention) == (CLIP, PRO, "in_queue", None)


def test_copies_alone_are_clips_too() -> None:
    copy = task(
        "copy", operator="RunComfyToS3Operator", returned=[line("old", uri="s3://b/0"), line("old", uri="s3://b/1")]
    )

    clip = the_clip(run(copy))

    assert (clip.state, [file.url for file in clip.files]) == ("succeeded", [None, None])
    assert [file.places[0].copy.uri for file in clip.files] == ["s3://b/0", "s3://b/1"]


def test_a_copy_belongs_to_its_file_whatever_the_signature_of_the_url() -> None:
    media = [{"url": f"https://files.runcomfy.net/{name}.mp4?sig=1", "kind": "video"} for name in "ab"]
    lines = [line(uri="s3://b/b.mp4", url="https://files.runcomfy.net/b.mp4")]

    clip = the_clip(run(task(returned=result(media=media)), task("copy", returned=lines)))

    assert [[place.copy.uri for place in file.places] for file in clip.files][1] == ["s3://b/b.mp4"]


def test_clips_come_in_the_order_of_their_submits() -> None:
    late, early = submission("late", submitted_at=20.0), submission("early", submitted_at=10.0)
    clips = clips_of(
        run(task("a", state="deferred", submissions=[late]), task("b", state="deferred", submissions=[early]))
    )

    assert [clip.request_id for clip in clips] == ["early", "late"]


@pytest.mark.parametrize(
    ("run_state", "task_state", "key", "expected"),
    [
        ("running", "success", None, True),
        ("success", "success", None, False),
        ("running", "success", ("generate", -1), True),
        ("success", "success", ("generate", -1), False),
        ("failed", "deferred", ("generate", -1), True),
        ("success", "success", ("other", -1), False),
    ],
)
def test_it_is_live_while_something_may_change(run_state: str, task_state: str, key: Any, expected: bool) -> None:
    facts = run(task(state=task_state, returned=result()), state=run_state)
    assert is_live(facts, key) is expected
