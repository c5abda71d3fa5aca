"""The asset events of a task, as Airflow gets them from it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_provider_runcomfy.lineage.assets import add_events, asset_of
from tests.lineage.parts import REQUEST, copy

LOG: Any = logging.getLogger(__name__)
ALIAS, OTHER = AssetAlias("clips"), AssetAlias("all_media")
EXTRA = {
    "uri": "s3://videos/r-1/0.mp4",
    "size": 1000,
    "content_type": "video/mp4",
    "sha256": "0" * 64,
    "kind": "video",
    "request_id": "r-1",
    "index": 0,
    "files": 2,
    "model_id": "kling/kling-3.0/pro/text-to-video",
    "cost_usd": 0.336,
}


def context() -> Any:
    return {"outlet_events": OutletEventAccessors()}


def events_of(given: Any, alias: AssetAlias) -> list[tuple[str, dict[str, Any]]]:
    return [(event.dest_asset_key.uri, event.extra) for event in given["outlet_events"][alias].asset_alias_events]


def test_every_alias_gets_an_event_for_every_object() -> None:
    given = context()
    add_events([ALIAS, OTHER], given, [copy(0).event, copy(1).event], LOG)
    told = [
        ("s3://videos/r-1/0.mp4", EXTRA),
        (
            "s3://videos/r-1/1.mp4",
            {**EXTRA, "uri": "s3://videos/r-1/1.mp4", "size": 1001, "sha256": f"{1:064x}", "index": 1},
        ),
    ]
    assert events_of(given, ALIAS) == told
    assert events_of(given, OTHER) == told


def test_a_request_that_is_not_copied_yet_is_an_asset_too() -> None:
    given = context()
    add_events([ALIAS], given, [REQUEST.event], LOG)
    assert events_of(given, ALIAS) == [
        (
            "runcomfy://requests/r-1",
            {"request_id": "r-1", "files": 2, "model_id": "kling/kling-3.0/pro/text-to-video", "cost_usd": 0.336},
        )
    ]


def test_a_plain_asset_gets_the_extra_of_its_one_object_beside_what_was_set() -> None:
    given, outlet = context(), Asset("s3://videos/latest.mp4")
    given["outlet_events"][outlet].extra = {"shown": True, "kind": "teaser"}
    add_events([outlet], given, [copy().event], LOG)
    assert given["outlet_events"][outlet].extra == {**EXTRA, "shown": True, "kind": "teaser"}


def test_a_plain_asset_gets_no_extra_of_several_objects() -> None:
    given, outlet = context(), Asset("s3://videos/latest")
    add_events([outlet], given, [copy(0).event, copy(1).event], LOG)
    assert given["outlet_events"][outlet].extra == {}


@pytest.mark.parametrize(
    ("uri", "asset_uri"),
    [
        ("s3://videos/clips/0.mp4", "s3://videos/clips/0.mp4"),
        ("s3://videos/a b/ü+&=~'.mp4", "s3://videos/a b/ü+&=~'.mp4"),
        ("s3://videos/take#1.mp4", "s3://videos/take%231.mp4"),
        ("s3://videos/b?a=2&a=1.mp4", "s3://videos/b%3Fa=2&a=1.mp4"),
        ("s3://videos/100%23.mp4", "s3://videos/100%2523.mp4"),
        ("gs://videos/clips/0.mp4", "gs://videos/clips/0.mp4"),
        ("abfs://videos/clips/0.mp4", "abfs://videos/clips/0.mp4"),
        ("file:///mnt/clips/take#1.mp4", "file:///mnt/clips/take%231.mp4"),
        ("runcomfy://requests/r-1", "runcomfy://requests/r-1"),
    ],
)
def test_each_object_is_an_asset_of_its_own(uri: str, asset_uri: str) -> None:
    asset = asset_of(uri)
    assert (asset.uri, asset.name) == (asset_uri, asset_uri)


def test_an_object_that_airflow_takes_for_no_asset_is_told_of_and_keeps_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given, long = context(), f"s3://videos/{'%' * 600}.mp4"
    add_events([ALIAS], given, [copy(0, long).event, copy(1).event], LOG)
    assert [uri for uri, _ in events_of(given, ALIAS)] == ["s3://videos/r-1/1.mp4"]
    assert "gets no asset event" in caplog.text
    assert long in caplog.text
