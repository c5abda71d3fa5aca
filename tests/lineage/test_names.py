"""How OpenLineage names what tasks read and make."""

from __future__ import annotations

import pytest

from airflow_provider_runcomfy.api.settings import DEFAULT_BASE_URL
from airflow_provider_runcomfy.lineage.names import model_name, namespace_of, object_name, request_name


@pytest.mark.parametrize(
    ("base_url", "namespace"),
    [
        (DEFAULT_BASE_URL, "runcomfy://model-api.runcomfy.net"),
        ("http://127.0.0.1:8765", "runcomfy://127.0.0.1:8765"),
        ("http://[::1]:8765", "runcomfy://[::1]:8765"),
    ],
)
def test_the_namespace_is_the_host(base_url: str, namespace: str) -> None:
    assert namespace_of(base_url) == namespace


def test_models_and_requests_are_named_as_in_runcomfys_paths() -> None:
    assert model_name("runcomfy://a", "kling/kling-3.0/pro/text-to-video") == (
        "runcomfy://a",
        "models/kling/kling-3.0/pro/text-to-video",
    )
    assert request_name("runcomfy://a", "r-1") == ("runcomfy://a", "requests/r-1")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://videos/clips/r-1/0.mp4", ("s3://videos", "clips/r-1/0.mp4")),
        ("gs://videos/r-1.mp4", ("gs://videos", "r-1.mp4")),
        ("abfs://videos/clips/a b#1?.mp4", ("abfs://videos", "clips/a b#1?.mp4")),
        ("file:///mnt/clips/0.mp4", ("file", "/mnt/clips/0.mp4")),
    ],
)
def test_objects_are_named_as_their_stores_providers_do(uri: str, name: tuple[str, str]) -> None:
    assert object_name(uri) == name


def test_amazons_provider_names_an_object_alike() -> None:
    from airflow.providers.amazon.aws.assets.s3 import convert_asset_to_openlineage
    from airflow.sdk import Asset

    pytest.importorskip("openlineage.client")
    uri = "s3://videos/clips/r-1/0.mp4"
    theirs = convert_asset_to_openlineage(Asset(uri), None)
    assert (theirs.namespace, theirs.name) == object_name(uri)
