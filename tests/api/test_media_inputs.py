"""Which inputs are media, and which of them RunComfy cannot fetch."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runcomfy.api.media_inputs import media_in, replaced

HTTPS = "https://example.com/cat.png"
WHAT_FITS = "an https:// URL that RunComfy can fetch without a login, or s3:// or gs://, for which one is signed"
SCHEMA = {
    "properties": {
        "prompt": {"type": "string"},
        "first": {"type": "string", "format": "image_uri"},
        "clips": {"type": "array", "format": "video_uris", "items": {"type": "string"}},
        "list": {"type": "array", "items": {"type": "string", "format": "audio_uri"}},
        "image_url": {"type": "string"},
        "image": {"type": "string", "enum": ["small", "large"]},
        "title": {"type": "string"},
        "titles": {"type": "array", "items": {"type": "string"}},
    }
}


def found(inputs: dict[str, Any], schema: Any = SCHEMA) -> list[tuple[str, bool]]:
    return [(medium.where, medium.is_certain) for medium in media_in(inputs, schema)]


@pytest.mark.parametrize(
    ("inputs", "media"),
    [
        pytest.param({"first": HTTPS}, [("first", True)], id="by its format"),
        pytest.param({"clips": [HTTPS, HTTPS]}, [("clips[0]", True), ("clips[1]", True)], id="a list by its format"),
        pytest.param({"list": [HTTPS]}, [("list[0]", True)], id="a list by that of its items"),
        pytest.param({"image_url": HTTPS}, [("image_url", False)], id="by its name"),
        pytest.param({"image": "small"}, [], id="a choice is none"),
        pytest.param({"prompt": "s3://bucket/key", "title": "s3://bucket/key"}, [], id="text is none"),
        pytest.param({"titles": ["s3://bucket/key"]}, [], id="a list of text is none"),
        pytest.param({"first": 5, "clips": None}, [], id="what is no text is none"),
        pytest.param({"new": "gs://bucket/key"}, [("new", False)], id="a field that the schema does not have"),
    ],
)
def test_media_by_a_schema(inputs: dict[str, Any], media: list[tuple[str, bool]]) -> None:
    assert found(inputs) == media


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("image", True), ("image_url", True), ("imageUrl", True), ("first_frame_image", True), ("mask", True),
        ("reference_videos", True), ("image_2", True), ("urls", True), ("image_prompt_text", False),
        ("prompt", False), ("video_length", False), ("imagery", False), ("file_name", False), ("curl", False),
    ],
)  # fmt: skip
def test_media_by_their_name_where_there_is_no_schema(name: str, is_one: bool) -> None:
    assert found({name: "x"}, None) == ([(name, False)] if is_one else [])


def test_without_a_schema_what_lies_in_a_store_is_one_unless_it_is_a_prompt() -> None:
    inputs = {"start": "s3://b/k", "prompt": "s3://b/k", "lyrics": "gs://b/k", "deep": [{"end": "gs://b/k k"}]}
    assert found(inputs, None) == [("start", False), ("deep[0].end", False)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://example.com/a.png", None),
        ("HTTPS://example.com/a.png", None),
        ("data:image/png;base64,AAAA", None),
        ("/9j/" + "A" * 400, None),
        ("", None),
        ("s3://bucket/a/b c.png", None),
        ("gs://bucket/a", None),
        ("s3://bucket", "it names no object of a bucket"),
        ("s3:///key", "it names no object of a bucket"),
        ("gs://bucket/", "it names no object of a bucket"),
        ("http://example.com/a.png", "plain HTTP is not fetched"),
        ("http://127.0.0.1:80/a.png", "plain HTTP is not fetched"),
        ("/data/a.png", "a local path cannot be fetched"),
        ("a.png", "a local path cannot be fetched"),
        ("C:\\a.png", "c: cannot be fetched"),
        ("file:///data/a.png", "file: cannot be fetched"),
        ("abfs://container/a.png", "abfs: cannot be fetched"),
    ],
)
def test_what_cannot_be_fetched_where_the_schema_wants_a_medium(text: str, reason: str | None) -> None:
    [medium] = media_in({"first": text}, SCHEMA)
    fault = medium.fault(allow_loopback_http=False)
    assert (fault and fault.allowed) == (reason and f"{reason}; {WHAT_FITS}")


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("some words", False), ("cat", False), ("a: b", False), (HTTPS, False), ("s3://b/k", False),
        ("/data/cat.png", True), ("./cat", True), ("images/cat.JPEG", True), ("http://example.com/a", True),
        ("file:/a", True), ("D:\\cat", True), ("d:/cat", True), ("/cat", True), ("../cat", True), ("~/cat", True),
        ("ftp://example.com/a", True),
    ],
)  # fmt: skip
def test_where_only_the_name_tells_no_more_than_the_obvious_is_refused(text: str, is_refused: bool) -> None:
    [medium] = media_in({"image_url": text}, SCHEMA)
    assert (medium.fault(allow_loopback_http=False) is not None) is is_refused


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("http://127.0.0.1:8000/a.png", True), ("http://localhost/a.png", True), ("http://[::1]:8/a", True),
        ("http://example.com/a.png", False), ("http://127.0.0.1.example.com/a", False), ("http://[", False),
    ],
)  # fmt: skip
def test_plain_http_is_for_loopback_beside_a_sandbox_on_loopback(url: str, is_allowed: bool) -> None:
    [medium] = media_in({"first": url}, SCHEMA)
    assert (medium.fault(allow_loopback_http=True) is None) is is_allowed


def test_a_fault_shows_no_secret() -> None:
    [medium] = media_in({"first": "http://me:pass@example.com/a?X-Amz-Signature=secret"}, SCHEMA)
    assert str(medium.fault(allow_loopback_http=False)) == (
        f"first: got 'http://example.com/a'; plain HTTP is not fetched; {WHAT_FITS}"
    )


def test_only_what_is_at_the_paths_is_replaced_and_nothing_is_changed_in_place() -> None:
    inputs = {"a": ["x", {"b": "y"}], "c": "x"}
    assert replaced(inputs, {("a", 1, "b"): "Y", ("c",): "C"}) == {"a": ["x", {"b": "Y"}], "c": "C"}
    assert inputs == {"a": ["x", {"b": "y"}], "c": "x"}
