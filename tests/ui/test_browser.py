"""The page in a real Chromium, in a real Airflow. `make test-ui` runs it; nothing here skips without a browser."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.ui.browser import keep
from tests.ui.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.browser]

_HALF, _NARROW = ({"width": width, "height": 900} for width in (820, 420))


def plays(video: Any) -> None:
    """Play a video, and wait until its time moves."""
    video.evaluate("video => { video.muted = true; return video.play(); }")
    video.page.wait_for_function("video => video.currentTime > 0.3", arg=video.element_handle())


def test_signing_in_leads_to_the_clip_of_a_finished_task_which_plays(visit: Any, shown: Stage) -> None:
    path = shown.page(task_id="generate", index=0)
    window = visit(path, at=shown.locked)
    window.sign_in("viewer")
    window.page.goto(path)

    card = window.card(shown.request_id("generate", 0))
    plays(card.locator("video"))

    assert "Succeeded" in card.inner_text()
    assert "A paper boat sails down a rainy street" in card.inner_text()
    assert re.search(r"\$0\.\d+", card.inner_text())


def test_the_tab_has_all_that_is_known_of_a_clip(visit: Any, shown: Stage) -> None:
    request_id = shown.request_id("generate", 0)
    card = visit(shown.page(task_id="generate", index=0)).card(request_id)
    card.locator("video").wait_for()
    card.locator("summary").click()

    text = card.inner_text()
    for part in (
        "kling/kling-3.0/pro/text-to-video", request_id, "Submitted", "Queue time", "Run time", "Total time",
        "$0.336", f"s3://videos/{request_id}/0.mp4", "generate [0]", "copy [0]", '"aspect_ratio": "16:9"',
    ):  # fmt: skip
        assert part in text


def test_a_stored_clip_comes_from_the_bucket_by_a_signed_url(visit: Any, shown: Stage) -> None:
    window = visit("about:blank")
    targets: list[str] = []
    window.page.on("request", lambda request: targets.append(request.url))
    window.page.goto(shown.page(task_id="generate", index=0))
    plays(window.card(shown.request_id("generate", 0)).locator("video"))

    port = shown.s3.endpoint.rpartition(":")[2]
    assert [url for url in targets if f"http://localhost:{port}/videos/" in url and "X-Amz-Signature" in url]


def test_the_link_of_the_task_opens_the_plain_page_where_it_plays_under_its_own_policy(
    visit: Any, shown: Stage
) -> None:
    window = visit(f"/dags/clips/runs/{shown.run_id}/tasks/generate/mapped/0/details")
    window.page.get_by_role("link", name="Clips", exact=True).click()
    window.page.wait_for_url("**/runcomfy/page/**")

    plays(window.card(shown.request_id("generate", 0)).locator("video"))


def test_the_gallery_shows_every_clip_of_the_run_and_the_sum_of_the_cost(visit: Any, shown: Stage) -> None:
    window = visit(shown.page())
    window.page.locator("article").nth(5).wait_for()

    made = [made for made in shown.sandbox.requests() if "lake" not in made["inputs"]["prompt"]]
    assert len(made) == 6
    assert {card.get_attribute("data-request") for card in window.page.locator("article").all()} == {
        one["request_id"] for one in made
    }
    assert [window.card(shown.request_id("generate", index)).locator("video").count() for index in range(4)] == [
        1,
        1,
        1,
        0,
    ]
    # The one that nobody waited for tells nothing of its cost.
    told = sum(one["charged_usd"] for one in made if "train" not in one["inputs"]["prompt"])
    assert f"${told:.2f} in all" in window.page.locator(".rc-summary").inner_text()


def test_a_failed_one_says_why_and_one_that_was_given_up_stands_out(visit: Any, shown: Stage) -> None:
    window = visit(shown.page())

    failed = window.card(shown.request_id("generate", 3))
    failed.wait_for()
    lost = window.card(shown.request_id("given_up"))

    assert "The GPU ran out of memory." in failed.inner_text()
    assert "rc-stands-out" not in (failed.get_attribute("class") or "")
    assert "rc-stands-out" in (lost.get_attribute("class") or "")
    assert "no task waits for it any more" in lost.inner_text()
    assert window.page.locator("article").first.get_attribute("data-request") == shown.request_id("given_up")


def test_a_prompt_stays_text(visit: Any, shown: Stage) -> None:
    for path in (shown.page(task_id="generate", index=2), shown.page(task_id="generate", index=2, tab=False)):
        window = visit(path)
        card = window.card(shown.request_id("generate", 2))
        card.locator("video").wait_for()

        assert "<script>document.title = 'taken over'</script><img src=x" in card.inner_text()
        assert card.locator("script, img").count() == 0
        assert "taken over" not in window.page.title()


def test_a_task_of_others_has_no_clip(visit: Any, shown: Stage) -> None:
    window = visit(shown.page(task_id="count_the_clips"))
    window.page.get_by_role("heading", name="No clip here").wait_for()
    assert window.page.locator("article").count() == 0


def test_a_waiting_one_shows_its_place_and_turns_into_a_video_without_a_reload(visit: Any, shown: Stage) -> None:
    run_id = shown.airflow.client.trigger("waiting")
    window = visit(shown.page(dag_id="waiting", run_id=run_id, task_id="generate"))
    window.page.evaluate("window.neverReloaded = true")

    window.page.get_by_text(re.compile(r"In the queue, position \d+")).wait_for()
    keep(window, "ui-waiting")
    plays(window.page.locator("article video"))

    assert window.page.evaluate("window.neverReloaded") is True


def test_who_has_no_right_gets_airflows_refusal(visit: Any, shown: Stage) -> None:
    window = visit("/", at=shown.locked)
    window.sign_in("stranger")
    window.page.goto(shown.page(task_id="generate", index=0, tab=False))

    window.page.get_by_role("heading", name="Airflow refuses: Forbidden").wait_for()
    assert window.page.locator("article").count() == 0


def test_who_is_signed_out_is_told_so(visit: Any, shown: Stage) -> None:
    window = visit(shown.page(tab=False), at=shown.locked)
    window.page.get_by_role("heading", name="You are signed out").wait_for()


def test_one_that_runcomfy_has_no_more_says_so(visit: Any, shown: Stage) -> None:
    request_id = shown.request_id("not_copied")
    shown.sandbox.add_fault("expire", request_id=request_id, calls=["file"])
    try:
        window = visit(shown.page(task_id="not_copied"))
        window.page.get_by_text("RunComfy does not give this file any more").wait_for()
    finally:
        shown.sandbox.clear_faults()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_at_home_in_light_and_dark_and_in_a_narrow_window(visit: Any, shown: Stage, theme: Any) -> None:
    pages = {
        "ui-task": (shown.page(task_id="generate", index=0), _HALF),
        "ui-run": (shown.page(), _HALF),
        "ui-plain": (shown.page(task_id="generate", index=1, tab=False), _NARROW),
    }
    for name, (path, narrow) in pages.items():
        window = visit(path, color_scheme=theme)
        window.page.locator("article").first.wait_for()
        for video in window.page.locator("article video").all():
            video.scroll_into_view_if_needed()
            # The first frame of a clip may be black.
            video.evaluate("video => new Promise(done => { video.onseeked = done; video.currentTime = 1; })")
        window.page.locator(".rc-clips").evaluate("clips => clips.scrollIntoView()")
        # What was out of sight is painted anew by the next frame.
        for video in window.page.locator("article video").all()[:4]:
            video.evaluate("video => new Promise(done => { video.onseeked = done; video.currentTime = 1.5; })")
        window.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        keep(window, f"{name}-{theme}")
        window.page.set_viewport_size(narrow)
        width = window.page.evaluate("document.querySelector('.rc-clips').scrollWidth")
        assert width <= window.page.evaluate("document.querySelector('.rc-clips').clientWidth")
        keep(window, f"{name}-{theme}-narrow")
