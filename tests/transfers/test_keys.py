from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.api.types import MediaKind
from airflow_provider_runcomfy.exceptions import InvalidInputsError
from airflow_provider_runcomfy.transfers.keys import extension, object_key


def key(template: str) -> str:
    return object_key(template, request_id="r-1", index=2, kind=MediaKind.VIDEO, ext="mp4")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{request_id}/{index}.{ext}", "r-1/2.mp4"),
        ("clips/{kind}/{request_id}-{index}.{ext}", "clips/video/r-1-2.mp4"),
        ("{request_id}{request_id}", "r-1r-1"),
        ("{other}/{}/{0}/{index!r}/{request_id.x}", "{other}/{}/{0}/{index!r}/{request_id.x}"),
        ("{{index}}", "{2}"),
        ("sce\u0301ne 1/{index}", "sce\u0301ne 1/2"),
        ("..a/b..c/...", "..a/b..c/..."),
        ("x" * 1024, "x" * 1024),
    ],
)
def test_exactly_four_fields_are_replaced(template: str, expected: str) -> None:
    assert key(template) == expected


def test_what_was_put_in_is_not_replaced_again() -> None:
    assert object_key("{ext}", request_id="r", index=0, kind=MediaKind.VIDEO, ext="{index}") == "{index}"


@pytest.mark.parametrize(
    "template",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/./b",
        "a/..",
        "a\\b",
        "a\nb",
        "a\x00",
        "\x7f",
        "\ud800",
        "\u00e9" * 513,
    ],
)
def test_a_key_stays_in_its_prefix(template: str) -> None:
    with pytest.raises(InvalidInputsError, match="cannot be an object's name"):
        key(template)


@given(st.text(), st.text(min_size=1))
def test_no_template_gives_a_key_that_a_path_would_normalise(template: str, ext: str) -> None:
    import posixpath

    try:
        found = object_key(f"prefix/{template}", request_id="r-1", index=0, kind=MediaKind.IMAGE, ext=ext)
    except InvalidInputsError:
        return
    assert posixpath.normpath(found) == found
    assert found.startswith("prefix/")


@pytest.mark.parametrize(
    ("url", "kind", "expected"),
    [
        ("https://cdn.example/x_output.mp4", MediaKind.VIDEO, "mp4"),
        ("https://cdn.example/x.WEBM?sig=a.png#b.gif", MediaKind.VIDEO, "webm"),
        ("https://cdn.example/x.jpeg", MediaKind.IMAGE, "jpeg"),
        ("https://cdn.example/x.gif", MediaKind.VIDEO, "gif"),
        ("https://cdn.example/x", MediaKind.VIDEO, "mp4"),
        ("https://cdn.example/x.php", MediaKind.IMAGE, "png"),
        ("https://cdn.example/x.mp4/", MediaKind.AUDIO, "mp4"),
        ("https://cdn.example/mp4", MediaKind.IMAGE, "png"),
        ("https://[broken", MediaKind.VIDEO, "mp4"),
        ("", MediaKind.AUDIO, "mp3"),
    ],
)
def test_the_extension_is_known_without_the_file(url: str, kind: MediaKind, expected: str) -> None:
    assert extension(url, kind) == expected
