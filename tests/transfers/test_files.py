"""What is said of a file in the manifest, and with its object."""

from __future__ import annotations

import pytest

from airflow_provider_runcomfy.api.types import MediaFile, MediaKind
from airflow_provider_runcomfy.transfers.files import SourceFile


def file_at(url: str) -> SourceFile:
    return SourceFile("r-1", 0, 1, MediaFile(url, MediaKind.VIDEO), "r-1/0.mp4")


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://cdn.runcomfy.net/a.mp4?sig=s3cret#t=1", "https://cdn.runcomfy.net/a.mp4"),
        ("https://cdn.runcomfy.net/+(1),=@!~'$;[%20].mp4", "https://cdn.runcomfy.net/+(1),=@!~'$;[%20].mp4"),
        ("https://cdn.runcomfy.net/sc\u00e8ne.mp4", "https://cdn.runcomfy.net/sc%C3%A8ne.mp4"),
    ],
)
def test_the_object_says_where_its_file_was_as_the_manifest_does(url: str, source: str) -> None:
    file = file_at(url)
    assert file.source_url == source
    assert file.metadata(7)["runcomfy-source"] == source
    assert file_at(source).source_url == source


def test_of_a_very_long_url_the_object_has_the_beginning() -> None:
    url = f"https://cdn.runcomfy.net/{'x' * 2000}.mp4"
    assert file_at(url).source_url == url
    assert file_at(url).metadata(7)["runcomfy-source"] == url[:1000]
