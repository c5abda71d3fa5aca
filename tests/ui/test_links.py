"""The links on a task: below Airflow's own address, whatever the ids hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_runcomfy.get_provider_info import get_provider_info
from airflow_provider_runcomfy.links.runcomfy import ResultPageLink, StoredObjectLink
from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator, RunComfySubmitOperator
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from airflow_provider_runcomfy.transfers.runcomfy_to_gcs import RunComfyToGCSOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_object_storage import RunComfyToObjectStorageOperator
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

OPERATOR: Any = None


def instance(map_index: int | None = -1) -> Any:
    return SimpleNamespace(
        dag_id="clips/ü", run_id="manual__2026-01-01T00:00:00+00:00", task_id="a.b", map_index=map_index
    )


@pytest.mark.parametrize(
    ("base_url", "prefix"),
    [("", ""), ("http://localhost:8080", ""), ("https://example.com/airflow/", "/airflow")],
)
@pytest.mark.parametrize(("map_index", "shown"), [(-1, "-1"), (None, "-1"), (7, "7")])
def test_a_link_is_a_path_below_airflows_own(
    monkeypatch: pytest.MonkeyPatch, base_url: str, prefix: str, map_index: int | None, shown: str
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    ids = f"clips%2F%C3%BC/manual__2026-01-01T00%3A00%3A00%2B00%3A00/a.b/{shown}"

    assert ResultPageLink().get_link(OPERATOR, ti_key=instance(map_index)) == f"{prefix}/runcomfy/page/{ids}"
    assert StoredObjectLink().get_link(OPERATOR, ti_key=instance(map_index)) == f"{prefix}/runcomfy/stored/{ids}"


@pytest.mark.parametrize(
    ("operator", "links"),
    [
        (RunComfySubmitOperator, ["Clips"]),
        (RunComfyGenerateOperator, ["Clips"]),
        (RunComfyRequestSensor, ["Clips"]),
        (RunComfyToS3Operator, ["Clips", "Stored object"]),
        (RunComfyToGCSOperator, ["Clips", "Stored object"]),
        (RunComfyToObjectStorageOperator, ["Clips", "Stored object"]),
    ],
)
def test_every_operator_has_its_links(operator: Any, links: list[str]) -> None:
    assert [link.name for link in operator.operator_extra_links] == links


def test_the_provider_tells_airflow_of_them() -> None:
    named = {f"{link.__module__}.{link.__name__}" for link in (ResultPageLink, StoredObjectLink)}
    assert set(get_provider_info()["extra-links"]) == named
