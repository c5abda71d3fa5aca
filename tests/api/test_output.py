from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.api.output import find_media
from airflow_provider_runcomfy.api.types import MediaFile, MediaKind

A, B, C = (f"https://files.runcomfy.net/{name}" for name in ("a.mp4", "b.png", "c"))
V, I, S = MediaKind.VIDEO, MediaKind.IMAGE, MediaKind.AUDIO  # noqa: E741


@pytest.mark.parametrize(
    ("output", "media"),
    [
        pytest.param({"video": A}, [(A, V)], id="video"),
        pytest.param({"image": A}, [(A, I)], id="image, whatever it is called"),
        pytest.param({"audio": C}, [(C, S)], id="audio"),
        pytest.param({"videos": [A, C]}, [(A, V), (C, V)], id="videos"),
        pytest.param({"images": [B, C]}, [(B, I), (C, I)], id="images"),
        pytest.param({"audios": [C]}, [(C, S)], id="audios"),
        pytest.param({"image": B, "video": A}, [(B, I), (A, V)], id="in the payload's order"),
        pytest.param({"video": A, "videos": [A, C]}, [(A, V), (C, V)], id="no URL twice"),
        pytest.param({"video": A, "image": A}, [(A, V)], id="the first kind stands"),
        pytest.param(A, [(A, V)], id="text"),
        pytest.param(B, [(B, I)], id="text with an extension"),
        pytest.param(f"{B}?sig=x.mp4#y", [(f"{B}?sig=x.mp4#y", I)], id="text with a query"),
        pytest.param("https://a/x.MP3", [("https://a/x.MP3", S)], id="text with an extension in capitals"),
        pytest.param([A, B, A], [(A, V), (B, I)], id="a list"),
        pytest.param({"video": {"url": A}}, [(A, V)], id="an object with a url"),
        pytest.param({"images": [{"url": B}, {"url": C}]}, [(B, I), (C, I)], id="objects with a url"),
        pytest.param([{"url": B}], [(B, I)], id="a list of objects"),
        pytest.param({"url": C}, [(C, V)], id="a url"),
        pytest.param({"video": [{"videos": [{"url": A}]}]}, [(A, V)], id="nested"),
        pytest.param({"video": {"url": A, "thumbnail": B}}, [(A, V)], id="other keys of an object"),
        pytest.param({"input": {"image": B}, "video": A}, [(A, V)], id="the inputs echoed"),
        pytest.param({"prompt": A, "log": [A]}, [], id="URLs under other keys"),
        pytest.param({"video": None, "images": [], "audio": 7}, [], id="nothing"),
        pytest.param(None, [], id="null"),
        pytest.param("", [], id="empty text"),
        pytest.param("done", [], id="a word"),
        pytest.param({"video": "ftp://a/x.mp4"}, [], id="another scheme"),
        pytest.param({"video": "file:///etc/passwd"}, [], id="a file URL"),
        pytest.param({"video": "//a/x.mp4"}, [], id="no scheme"),
        pytest.param({"video": "data:video/mp4;base64,AAAA"}, [], id="data"),
        pytest.param({"video": "https://a/x y.mp4"}, [], id="a space"),
        pytest.param({"video": "https://a/x\r\nHost: b"}, [], id="a line break"),
        pytest.param({"video": "https://a/" + "x" * 8192}, [], id="an endless URL"),
        pytest.param({"video": "https://a/" + "x" * 8182}, [("https://a/" + "x" * 8182, V)], id="the longest URL"),
        pytest.param({"video": "https://a/" + "x" * 8183}, [], id="longer than that"),
        pytest.param({"video": "HTTP://a/x"}, [("HTTP://a/x", V)], id="plain HTTP, in capitals"),
        pytest.param({"video": "https://[::1"}, [("https://[::1", V)], id="no URL at a second look"),
        pytest.param("https://[::1", [("https://[::1", V)], id="no URL at a second look, without a kind"),
    ],
)
def test_the_files_of_an_output(output: Any, media: list[tuple[str, MediaKind]]) -> None:
    assert find_media(output) == tuple(MediaFile(url, kind) for url, kind in media)


def test_there_are_at_most_a_thousand_files() -> None:
    assert len(find_media([f"https://a/{n}.mp4" for n in range(2000)])) == 1000


_LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([A, B, C, f"{A}?x", "http://a"])
_KEYS = st.sampled_from(["video", "videos", "image", "audio", "audios", "url", "other"]) | st.text()


@given(st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=30))
def test_any_output_gives_each_url_once(output: Any) -> None:
    urls = [medium.url for medium in find_media(output)]
    assert len(urls) == len(set(urls))
    assert all(url.startswith("http") and " " not in url and url.isprintable() for url in urls)
