"""XComs are read with care: anybody's task may have pushed them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_runcomfy.api.types import MediaKind, RequestState
from airflow_provider_runcomfy.ui.reading import manifest_in, progress_in, results_in, value_of
from tests.ui.parts import URL, line, progress, result


def test_a_result_is_found_alone_and_in_a_list() -> None:
    [alone] = results_in(result())
    first, second = results_in([result("r-1"), result("r-2")])

    assert (alone.result.request_id, alone.result.state, alone.result.cost_usd) == (
        "r-1",
        RequestState.SUCCEEDED,
        0.336,
    )
    assert [(medium.url, medium.kind) for medium in alone.result.media] == [(URL, MediaKind.VIDEO)]
    assert (first.result.request_id, second.result.request_id) == ("r-1", "r-2")


@pytest.mark.parametrize(
    "value",
    [
        None,
        "r-1",
        7,
        {},
        [[]],
        {"request_id": "r-1"},
        result(request_id="no id"),
        {**result(), "request_id": ["r-1"]},
        result(state="brilliant"),
        {**result(), "state": ["succeeded"]},
        result(media="https://files.runcomfy.net/a.mp4"),
        {name: value for name, value in result().items() if name != "media"},
    ],
)
def test_what_is_no_result_gives_none(value: Any) -> None:
    assert results_in(value) == []


def test_what_is_wrong_in_a_result_is_left_out() -> None:
    media = [{"url": 7, "kind": "video"}, {"url": URL, "kind": "hologram"}, "x", {"url": URL, "kind": "image"}]
    [found] = results_in(result(media=media, cost_usd="much", created_at=7, model_id=None))

    assert [medium.kind for medium in found.result.media] == [MediaKind.IMAGE]
    assert (found.result.cost_usd, found.result.created_at, found.model_id) == (None, None, None)


def test_text_that_no_page_could_be_sent_is_replaced() -> None:
    [copy] = manifest_in([line(uri="s3://b/\ud800")])
    assert copy.uri == "s3://b/?"


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), 1.7e308, 10**13, 10**400, -1, True, "1", None])
def test_a_cost_that_is_none_is_not_counted(cost: Any) -> None:
    [found] = results_in(result(cost_usd=cost))
    assert found.result.cost_usd is None


def test_the_lines_of_a_manifest_are_numbered_by_request() -> None:
    lines = [line("r-1", uri="s3://b/1"), line("r-2", uri="s3://b/2"), line("r-1", uri="s3://b/3"), {"uri": "s3://b/4"}]

    assert [(copy.request_id, copy.index, copy.uri) for copy in manifest_in(lines)] == [
        ("r-1", 0, "s3://b/1"),
        ("r-2", 0, "s3://b/2"),
        ("r-1", 1, "s3://b/3"),
    ]


def test_a_manifest_is_no_result_and_a_result_no_manifest() -> None:
    assert (results_in([line()]), manifest_in(result())) == ([], [])


def test_progress_says_state_and_place() -> None:
    [told] = progress_in(progress(running_since=12.5))
    assert (told.state, told.queue_position, told.running_since) == (RequestState.IN_QUEUE, 3, 12.5)


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), 1.7e308, 10**400, True, "1"])
def test_progress_since_a_moment_that_is_none_has_no_moment(moment: Any) -> None:
    [told] = progress_in(progress(running_since=moment))
    assert told.running_since is None


@pytest.mark.parametrize("value", [None, [], {"percent": 12}, [{"request_id": "r-1", "state": "in_queue"}], ["r-1"]])
def test_a_progress_of_others_is_none(value: Any) -> None:
    assert progress_in(value) == []


@pytest.mark.parametrize("value", [{"a": 1}, ["r-1"], 7, None, "plain text", "a-b_c"])
def test_a_value_is_read_as_the_database_has_it(value: Any) -> None:
    assert value_of(value) == value
    assert value_of(json.dumps(value)) == value


def test_text_that_is_nested_too_deeply_to_be_json_is_text() -> None:
    text = "[" * 100_000
    assert value_of(text) == text
